// SPDX-License-Identifier: MIT
//
// Calling a function in physical mode from the kernel that has the machine (the fourth use of the 2008 change): its code is
// loaded over the pages where it belongs, the kernel jumps there with preserved context, the function returns, and everything
// it wrote to its own pages is found in the pages that keep them (reference §9.4).

import { KjumpError } from '../shared/errors.ts';
import { Request } from '../shared/jump-lines.ts';
import { freeSlot, type KernelSlot, type PageWindow } from '../shared/kernel-slot.ts';
import { parseWindow, type WindowSpec } from '../shared/kexec/windows.ts';
import { CALL_REGISTERS, EntryMode } from '../shared/layout/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { hex, PAGE_SIZE, pageIndexOf, parseSize, type Size } from '../shared/units.ts';
import type { Program } from './loaders/program.ts';
import { wholePages } from './loaders/whole-pages.ts';
import type { MachineParts } from './machine-parts.ts';
import { checkOptions, checkSpan, wholeNumber } from './options.ts';
import { sharedWindows } from './place-options.ts';
import { locatePages, placeAside } from './placing.ts';

export type RegisterName = (typeof CALL_REGISTERS)[number];

export interface PhysicalCall {
  /** Page-aligned physical address of the function. */
  readonly at: Size;
  /** Bytes of its pages; default one page of code and one of data. */
  readonly size?: Size;
  /** General registers it is entered with; those absent are 0. */
  readonly registers?: Partial<Record<RegisterName, number>>;
  /** What to write to its pages before it is entered. */
  readonly write?: readonly { readonly physAddr: number; readonly bytes: Uint8Array }[];
  /** Memory that stays where it is and that the function may store to as well, such as the data of a BIOS. */
  readonly shared?: readonly WindowSpec[];
  /** What to read of its pages when it has returned. */
  readonly read?: readonly { readonly physAddr: number; readonly length: number }[];
}

export interface PhysicalCallResult {
  readonly registers: Readonly<Record<RegisterName, number>>;
  /** One for each of `read`. */
  readonly memory: readonly Uint8Array[];
}

const anything = (): null => null;
const CALL_CHECKS: Readonly<Record<keyof PhysicalCall, (value: unknown) => string | null>> = {
  at: anything,
  size: anything,
  registers: anything,
  write: (value) => (Array.isArray(value) ? null : 'a list of { physAddr, bytes }'),
  shared: sharedWindows,
  read: (value) => (Array.isArray(value) ? null : 'a list of { physAddr, length }'),
};
const WRITE_CHECKS = {
  physAddr: wholeNumber(0, 2 ** 32 - 1),
  bytes: (value: unknown) => (value instanceof Uint8Array ? null : 'a Uint8Array'),
};
const word = wholeNumber(-(2 ** 31), 2 ** 32 - 1);
const REGISTER_CHECKS = Object.fromEntries(CALL_REGISTERS.map((name) => [name, word])) as Record<
  RegisterName,
  typeof word
>;

/** Throws `BAD_OPTION`. */
export function checkCall(call: PhysicalCall): void {
  checkOptions('callPhysical', call, CALL_CHECKS);
  if (call.registers !== undefined) checkOptions('callPhysical registers', call.registers, REGISTER_CHECKS);
  for (const write of call.write ?? []) {
    const { physAddr = null, bytes = null } = write ?? {};
    checkOptions('callPhysical write', { physAddr, bytes }, WRITE_CHECKS);
  }
  for (const span of call.read ?? []) checkSpan('callPhysical read', span?.physAddr, span?.length);
}

/** `run` gives the machine the CPU until the caller has it back. */
export async function callRoutine(
  parts: MachineParts,
  program: Program,
  call: PhysicalCall,
  run: (routine: KernelSlot) => Promise<void>,
): Promise<PhysicalCallResult> {
  const caller = parts.currentSlot;
  if (caller?.state !== KernelState.RUNNING) {
    throw new KjumpError('BAD_STATE', 'no kernel is running that could call', {
      why: 'a physical-mode call is made by the kernel that has the machine',
      fix: 'boot a kernel first',
    });
  }
  const at = parseSize(call.at, 'at');
  const end = Math.ceil((at + parseSize(call.size ?? 2 * PAGE_SIZE, 'size')) / PAGE_SIZE);
  const window = { firstPage: pageIndexOf(at), endPage: Math.max(end, pageIndexOf(at) + 1), shared: false };
  if (at % PAGE_SIZE !== 0 || window.endPage > parts.memory.ramPages) {
    throw new KjumpError('BAD_WINDOW', `a function cannot be called at ${hex(at)}`, {
      why: at % PAGE_SIZE !== 0 ? 'the address is not page-aligned' : 'its pages are not in memory',
      fix: 'give a page-aligned physical address of RAM',
    });
  }
  const shared = (call.shared ?? []).map((spec) => parseWindow(spec, parts.memory.ramPages, true));
  const routine = placeAside(parts, withWrites(program, call, window), `call ${hex(at)}`, [window, ...shared]);
  try {
    routine.set('caller', caller.index);
    routine.set('entryMode', EntryMode.call);
    routine.callRegisters = CALL_REGISTERS.map((name) => call.registers?.[name] ?? 0);
    caller.set('requestTarget', routine.index);
    caller.set('request', Request.jump);
    await run(routine);
    const registers = routine.callRegisters;
    const pageOf = locatePages(parts, routine, parts.currentSlot);
    return {
      registers: Object.fromEntries(CALL_REGISTERS.map((name, i) => [name, registers[i]])) as Record<
        RegisterName,
        number
      >,
      memory: (call.read ?? []).map(({ physAddr, length }) => readPages(parts, pageOf, physAddr, length)),
    };
  } finally {
    // A function that crashed has the machine still; its slot is the report of that.
    if (parts.clock.current !== routine.index) freeSlot(parts.hidden, routine);
  }
}

/** The program with what the caller writes to its pages. Throws `BAD_WINDOW`. */
function withWrites(program: Program, { write = [] }: PhysicalCall, { firstPage, endPage }: PageWindow): Program {
  const [start, end] = [firstPage * PAGE_SIZE, endPage * PAGE_SIZE];
  const pieces = write.map(({ physAddr, bytes }) => ({ physAddr, bytes, length: bytes.length }));
  const stray = pieces.find(({ physAddr, length }) => physAddr < start || physAddr + length > end);
  if (stray !== undefined) {
    throw new KjumpError('BAD_WINDOW', `what is written at ${hex(stray.physAddr)} is not in the function's pages`, {
      why: `they are ${hex(start)}..${hex(end)}`,
      fix: 'write to its pages, or give it more of them with the option size',
    });
  }
  return { ...program, segments: wholePages([...program.segments, ...pieces]) };
}

/** Physical memory through a page mapping. */
export function readPages(
  { memory }: MachineParts,
  pageOf: (page: number) => number,
  physAddr: number,
  length: number,
): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const at = physAddr + done;
    const within = at % PAGE_SIZE;
    const size = Math.min(PAGE_SIZE - within, length - done);
    memory.readInto(pageOf(Math.floor(at / PAGE_SIZE)) * PAGE_SIZE + within, bytes.subarray(done, done + size));
    done += size;
  }
  return bytes;
}

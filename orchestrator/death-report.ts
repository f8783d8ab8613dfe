// SPDX-License-Identifier: MIT
//
// Why a kernel of machine code died: its exceptions, its CPU, the tables that mattered, how it had come here, and what is known of
// such deaths. Made from the bytes alone, of a machine that stands or of an image: the CPU record, the kernel's slot, physical memory.

import { type StopCodeName, stopChainOf, stopCodeName } from '../shared/stop.ts';
import { PAGE_SIZE } from '../shared/units.ts';
import { type CodeLine, listCode } from './death/code-listing.ts';
import {
  type CpuPicture,
  codeAddress,
  cpuPicture,
  isProtected,
  modeText,
  type TablePicture,
} from './death/cpu-picture.ts';
import { type DescriptorReport, describeGate, describeSelector } from './death/descriptors.ts';
import { findHints, type Hint } from './death/hints.ts';
import { type PageWalk, type PhysicalBytes, readLinear, walkPages } from './death/linear-memory.ts';
import {
  bitNames,
  CR0_BITS,
  CR3_BITS,
  CR4_BITS,
  EFER_BITS,
  EFLAGS_BITS,
  ErrorCode,
  errorCodeText,
  exceptionName,
  exceptionTitle,
  namesSelector,
  Vector,
} from './death/names.ts';
import type { Fields } from './inspect.ts';

/** What a report is made of. */
export interface DeathSource {
  readonly kernel: string;
  /** Fields of the CPU record, and of the kernel's slot. */
  readonly cpu: Fields;
  readonly slot: Fields;
  readonly text: string;
  readonly windows: readonly { readonly firstPage: number; readonly endPage: number }[];
  readonly tick: number;
  readonly memory: PhysicalBytes;
  readonly nameOf: (slot: number) => string;
  /** Re-entry addresses of kernels that are parked. */
  readonly reentries: readonly number[];
}

/** One exception of the chain; addresses are where the CPU stood when it was to be delivered. */
export interface ExceptionReport {
  readonly vector: number;
  /** `#GP`; `INT 32` for an external interrupt. */
  readonly name: string;
  readonly title: string;
  readonly external: boolean;
  /** Null if the vector has none. */
  readonly errorCode: number | null;
  /** What the error code says. */
  readonly meaning: string;
  readonly cs: number;
  readonly eip: number;
}

export interface DeathReport {
  readonly kernel: string;
  readonly code: StopCodeName;
  readonly text: string;
  /** What the stop is about: the instruction, or for `windowViolation` what it stored to. */
  readonly address: number;
  readonly tick: number;
  /** `32-bit protected mode, paging off`. */
  readonly mode: string;
  /** What is known of such deaths, the most telling first. */
  readonly hints: readonly Hint[];
  /** What led to a triple fault, first to last; empty for other deaths. */
  readonly chain: readonly ExceptionReport[];
  /** The instruction between its neighbours. */
  readonly lines: readonly CodeLine[];
  /** False if paging leads to no code: then the lines are what lies at the same physical address. */
  readonly isMapped: boolean;
  readonly cpu: CpuPicture;
  /** Names of the bits that are set. */
  readonly bits: Readonly<Record<'eflags' | 'cr0' | 'cr3' | 'cr4' | 'efer', readonly string[]>>;
  /** Descriptors and gates that the exceptions were about. */
  readonly descriptors: readonly DescriptorReport[];
  /** The walk for CR2 after a page fault, and for EIP if there is no code. */
  readonly walks: readonly (PageWalk & { readonly of: 'CR2' | 'EIP' })[];
  /** Null if nobody had the machine before. */
  readonly lastSwitch: {
    readonly from: string;
    readonly to: string;
    readonly tick: number;
    readonly agoTicks: number;
    /** As the CPU came: of whoever left. */
    readonly eip: number;
    readonly eflags: number;
  } | null;
  /** The last whole page that the kernel's own code copied while paging was off; null if none. */
  readonly lastMove: { readonly from: number; readonly to: number; readonly copies: number } | null;
}

/** What the rules of hints look at. */
export interface DeathFacts {
  readonly code: StopCodeName;
  readonly address: number;
  readonly cpu: CpuPicture;
  readonly memory: PhysicalBytes;
  readonly chain: readonly ExceptionReport[];
  readonly lines: readonly CodeLine[];
  readonly isMapped: boolean;
  /** From EIP upwards, as far as there is code. */
  readonly codeBytes: Uint8Array;
  readonly descriptors: readonly DescriptorReport[];
  readonly entry: number;
  readonly arrival: DeathReport['lastSwitch'];
  readonly move: DeathReport['lastMove'];
  /** GDTR before the kernel invalidated it to leave. */
  readonly keptGdt: TablePicture | null;
  /** CR4 when the kernel switched paging off. */
  readonly leftCr4: number;
  readonly reentries: readonly number[];
  /** Bytes, [from, to). */
  readonly windows: readonly (readonly [number, number])[];
}

const CODE_BYTES = 32;

export function makeDeathReport(source: DeathSource): DeathReport {
  const { kernel, text, tick, memory, reentries, windows } = source;
  const word = (name: string): number => (source.slot[name] as number) >>> 0;
  const cpu = cpuPicture(source.cpu);
  const code = stopCodeName(word('stopCode'));
  const address = word('stopAddress');
  const chain = exceptions(source.slot.stopChain as number[], cpu);
  const { lines, isMapped } = listCode(cpu, memory);
  const descriptors = descriptorsOf(chain, cpu, memory);
  const arrival = arrivalOf(source);
  const move =
    word('movedPages') === 0 ? null : { from: word('movedFrom'), to: word('movedTo'), copies: word('movedPages') };
  const hints = findHints({
    code,
    address,
    cpu,
    memory,
    chain,
    lines,
    isMapped,
    codeBytes: readLinear(cpu, memory, codeAddress(cpu), CODE_BYTES),
    descriptors,
    entry: word('entry'),
    arrival,
    move,
    keptGdt: word('gdtLimit') === 0 ? null : { base: word('gdtBase'), limit: word('gdtLimit') },
    leftCr4: word('pagingCr4'),
    reentries,
    windows: windows.map(({ firstPage, endPage }) => [firstPage * PAGE_SIZE, endPage * PAGE_SIZE]),
  });
  return {
    kernel,
    code,
    text,
    address,
    tick,
    mode: modeText(cpu),
    hints,
    chain,
    lines,
    isMapped,
    cpu,
    bits: {
      eflags: bitNames(cpu.general.eflags, EFLAGS_BITS),
      cr0: bitNames(cpu.cr0, CR0_BITS),
      cr3: bitNames(cpu.cr3, CR3_BITS),
      cr4: bitNames(cpu.cr4, CR4_BITS),
      efer: bitNames(cpu.efer, EFER_BITS),
    },
    descriptors,
    walks: walksOf(chain, isMapped, cpu, memory),
    lastSwitch: arrival,
    lastMove: move,
  };
}

function exceptions(words: readonly number[], { cr2 }: CpuPicture): ExceptionReport[] {
  const links = stopChainOf(words);
  const lastFault = links.findLastIndex(({ vector, external }) => vector === Vector.pageFault && !external);
  return links.map(({ vector, external, errorCode, eip, cs }, i) => {
    const code = errorCode === -1 ? null : errorCode;
    // CR2 is of the last page fault; what an earlier one was about is gone.
    const faultAddress = i === lastFault ? cr2 : null;
    return {
      vector,
      name: exceptionName(vector, external),
      title: exceptionTitle(vector, external),
      external,
      errorCode: code,
      meaning: errorCodeText(vector, code, faultAddress),
      cs,
      eip,
    };
  });
}

/** Gates of the vectors, the descriptors that those name, and those that error codes name; each once. */
function descriptorsOf(chain: readonly ExceptionReport[], cpu: CpuPicture, memory: PhysicalBytes): DescriptorReport[] {
  const found = new Map<string, DescriptorReport>();
  const add = (report: DescriptorReport): void => {
    if (!found.has(report.where)) found.set(report.where, report);
  };
  if (isProtected(cpu)) {
    for (const { vector, errorCode } of chain) {
      if (errorCode === null || !namesSelector(vector) || (errorCode & 0xfffc) === 0) continue;
      if ((errorCode & ErrorCode.idt) === 0) add(describeSelector(cpu, memory, errorCode & 0xfffc));
    }
  }
  for (const { vector } of chain) {
    const gate = describeGate(cpu, memory, vector);
    add(gate);
    if (isProtected(cpu) && gate.selector !== null) add(describeSelector(cpu, memory, gate.selector));
  }
  return [...found.values()];
}

function walksOf(
  chain: readonly ExceptionReport[],
  isMapped: boolean,
  cpu: CpuPicture,
  memory: PhysicalBytes,
): DeathReport['walks'] {
  const walks: (PageWalk & { of: 'CR2' | 'EIP' })[] = [];
  const faulted = chain.some(({ vector, external }) => vector === Vector.pageFault && !external);
  if (faulted) walks.push({ of: 'CR2', ...walkPages(cpu, memory, cpu.cr2) });
  const eip = codeAddress(cpu);
  if (!isMapped && !(faulted && eip === cpu.cr2)) walks.push({ of: 'EIP', ...walkPages(cpu, memory, eip) });
  return walks;
}

function arrivalOf({ slot, kernel, tick, nameOf }: DeathSource): DeathReport['lastSwitch'] {
  const from = (slot.cameFrom as number) - 1;
  if (from < 0) return null;
  const arrivalTick = slot.arrivalTick as number;
  return {
    from: nameOf(from),
    to: kernel,
    tick: arrivalTick,
    agoTicks: tick - arrivalTick,
    eip: slot.arrivalEip as number,
    eflags: slot.arrivalEflags as number,
  };
}

// SPDX-License-Identifier: MIT
//
// The options with which kernels are placed, checked, and the windows and names that follow from them.
import { KjumpError } from '../shared/errors.ts';
import type { PageWindow } from '../shared/kernel-slot.ts';
import { bitmapBytes } from '../shared/kexec/typescript-image.ts';
import { parseWindow } from '../shared/kexec/windows.ts';
import { EngineKind, WINDOWS_MAX } from '../shared/layout/kernel-slot.ts';
import { formatSize, PAGE_SIZE, pageAddress, parseSize } from '../shared/units.ts';
import type { ImageOptions, PlaceOptions } from './kernel.ts';
import { loadProgram } from './loaders/load-program.ts';
import type { Program } from './loaders/program.ts';
import { checkOptions, trueOrFalse } from './options.ts';

const MIB = 1024 ** 2;
const NAME_BYTES = 31;

const anything = (): null => null;
const PLACE_CHECKS: Readonly<Record<keyof PlaceOptions, (value: unknown) => string | null>> = {
  name: (value) => (typeof value === 'string' ? null : 'a text'),
  window: anything,
  shared: sharedWindows,
  at: anything,
  entry: anything,
  cmdline: (value) => (typeof value === 'string' ? null : 'a text'),
  modules: (value) => (Array.isArray(value) ? null : 'a list of { file, cmdline }'),
  append: (value) => (typeof value === 'string' && !value.includes('\0') ? null : 'a text without zero characters'),
  initrd: (value) =>
    typeof value === 'string' || value instanceof Uint8Array || value instanceof URL ? null : 'bytes or a file',
};
const IMAGE_CHECKS = { ...PLACE_CHECKS, preserve: trueOrFalse };

/** Everything that is needed to put a kernel somewhere, read and checked. */
export interface PreparedKernel {
  readonly program: Program;
  readonly windows: readonly PageWindow[];
  readonly name: string;
}

/** The machine that a kernel is put into. */
interface Place {
  readonly ramPages: number;
  /** What a Linux must be told on its command line to find the devices. */
  readonly hardware: string;
}

/** `whole`: without a window the kernel may store to all of RAM; else its window is 1M to 16M, as far as there is RAM. */
export async function prepareKernel(
  what: string,
  file: string | URL,
  options: PlaceOptions,
  { ramPages, hardware }: Place,
  whole: boolean,
  takenNames: readonly string[],
): Promise<PreparedKernel> {
  checkOptions(what, options, PLACE_CHECKS);
  const windows = windowsOf(options, ramPages, whole);
  const at = options.at === undefined ? undefined : parseSize(options.at, 'at');
  const entry = options.entry === undefined ? undefined : parseSize(options.entry, 'entry');
  const { cmdline, modules, append, initrd } = options;
  const [memoryStart, memory] = [windows[0].firstPage * PAGE_SIZE, windows[0].endPage * PAGE_SIZE];
  const base = entryBase(windows[0]);
  const given = { base, at, entry, cmdline, modules, append, initrd };
  const program = await loadProgram(file, { ...given, memoryStart, memory, hardware });
  if (program.engine === EngineKind.guest) checkRoom(windows[0]);
  const name = options.name ?? freeName(program.name, takenNames);
  checkName(name, takenNames);
  return { program, windows, name };
}

/** Check of an option: windows beside the first one. */
export function sharedWindows(value: unknown): string | null {
  return Array.isArray(value) && value.length < WINDOWS_MAX ? null : 'a list of at most three windows';
}

function windowsOf({ window, shared = [] }: PlaceOptions, ramPages: number, whole: boolean): PageWindow[] {
  const ramBytes = ramPages * PAGE_SIZE;
  const usualStart = ramBytes > MIB ? MIB : 0;
  const usual = whole ? ([0, ramBytes] as const) : ([usualStart, Math.min(16 * MIB, ramBytes)] as const);
  return [parseWindow(window ?? usual, ramPages), ...shared.map((spec) => parseWindow(spec, ramPages, true))];
}

/** Splits the options of kernel.load. Throws `BAD_OPTION`. */
export function imageOptions(options: ImageOptions): { preserve: boolean; place: PlaceOptions } {
  checkOptions('kernel.load', options, IMAGE_CHECKS);
  const { preserve = true, ...place } = options;
  return { preserve, place };
}

/** Entry page, page bitmap, and a page of the kernel's own. */
function neededBytes({ firstPage, endPage }: PageWindow): number {
  return PAGE_SIZE + bitmapBytes(endPage - firstPage) + PAGE_SIZE;
}

function checkRoom(window: PageWindow): void {
  const bytes = (window.endPage - window.firstPage) * PAGE_SIZE;
  const needed = neededBytes(window);
  if (bytes >= needed) return;
  throw new KjumpError('BAD_WINDOW', `a window of ${formatSize(bytes)} is too small for a module`, {
    why: 'it holds the entry page, the page bitmap, and then the memory of the kernel',
    fix: `give it at least ${formatSize(needed)}`,
  });
}

/** Where the entry page of a module goes: to 1 MiB if the window has room for it there, else to the window's start. */
function entryBase(window: PageWindow): number {
  const { firstPage, endPage } = window;
  const fits = firstPage * PAGE_SIZE <= MIB && MIB + neededBytes(window) <= endPage * PAGE_SIZE;
  return fits ? MIB : pageAddress(firstPage);
}

function freeName(wish: string, taken: readonly string[]): string {
  const base = wish.slice(0, NAME_BYTES - 3) || 'kernel';
  for (let n = 1; ; n++) {
    const name = n === 1 ? base : `${base}${n}`;
    if (!taken.includes(name)) return name;
  }
}

/** Throws `BAD_OPTION` for a name that is empty, too long, unprintable, or another kernel's. */
export function checkName(name: string, taken: readonly string[]): void {
  const refuse = (why: string): never => {
    throw new KjumpError('BAD_OPTION', `${JSON.stringify(name)} cannot be the name of a kernel`, {
      why,
      fix: `give a name of 1 to ${NAME_BYTES} bytes that no other kernel has`,
    });
  };
  if (typeof name !== 'string') refuse('it is not a text');
  if (name === '') refuse('it is empty');
  if (/\p{Cc}/u.test(name)) refuse('it has control characters');
  if (new TextEncoder().encode(name).length > NAME_BYTES) refuse('it is too long');
  if (taken.includes(name)) refuse('another kernel has it');
}

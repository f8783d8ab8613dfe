// SPDX-License-Identifier: MIT
//
// One page a kernel: what the machine knows of it beside its memory. Written by the host while it loads, by the kernel's own
// thread while it owns the CPU. A parked kernel's slot is also copied into its context, so that a kernel restored from memory
// alone knows its images again. Texts are UTF-8, zero padded.
import { STOP_CHAIN_MAX, STOP_LINK_WORDS } from '../stop.ts';
import { field, recordLayout } from './fields.ts';
import { KIMAGE_BYTES } from './kimage.ts';

export const WINDOWS_MAX = 4;
/** Words of one window: first page, end page (exclusive), flags, unused. */
export const WINDOW_WORDS = 4;
export const WINDOW_SHARED = 1;

/** The registers in `callRegisters`, in their order. */
export const CALL_REGISTERS = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi', 'eip', 'eflags'] as const;

/** Values of the word `entryMode`: what the CPU holds at the first instruction, beside what the border protocol says. */
export const EntryMode = {
  /** Nothing else. */
  border: 0,
  /** The words of `callRegisters` that are not zero: a boot protocol. */
  registers: 1,
  /** Real mode, with those registers. */
  real: 2,
  /** All of them but ESP: a function that is called. */
  call: 3,
  /** The same, with segments from the GDT at `entryGdt`: Linux's 32-bit boot protocol. */
  linux: 4,
} as const;

/** Values of the word `engine`. */
export const EngineKind = { unknown: 0, guest: 1, i386: 2 } as const;

export const SLOT = {
  state: 0,
  engine: 4,
  /** Counts the lives of this slot, so that a handle of an earlier kernel is known to be stale. */
  life: 8,
  entry: 12,
  reentry: 16,
  start: 20,
  controlPage: 24,
  swapPage: 28,
  contextPages: 32,
  homeHead: 48,
  parent: 56,
  kexecLock: 60,
  result: 64,
  request: 68,
  requestTarget: 72,
  pmTest: 76,
  caller: 52,
  backEntry: 80,
  waiting: 88,
  started: 92,
  exitStatus: 96,
  faultLine: 100,
  faultDevice: 104,
  faultIndex: 108,
  faultErrno: 112,
  stopCode: 116,
  stopAddress: 120,
  quiesced: 124,
  ticksRun: 128,
  steps: 136,
  departures: 144,
  arrivals: 148,
  interruptsWereOn: 152,
  consoleHeld: 156,
  windows: 160,
  name: 224,
  stopText: 256,
  callRegisters: 768,
  entryMode: 808,
  selfParked: 812,
  liveArrival: 816,
  gdtBase: 820,
  gdtLimit: 824,
  pagingCr4: 828,
  stopChain: 832,
  cameFrom: 928,
  movedFrom: 932,
  movedTo: 936,
  movedPages: 940,
  arrivalTick: 944,
  arrivalEip: 952,
  arrivalEflags: 956,
  generationId: 960,
  broughtBy: 1000,
  entryGdt: 1004,
  heedsRTS: 1008,
  wayBack: 1012,
  kexecImage: 1024,
  crashImage: 1536,
} as const;
export const GENERATION_ID_BYTES = 16;
export const SLOT_NAME_BYTES = 32;
export const SLOT_STOP_TEXT_BYTES = 512;

export const SLOT_LAYOUT = recordLayout('slot', 4096, [
  field('state', SLOT.state, 'u32', 'lifecycle state (shared/lifecycle.ts)'),
  field('engine', SLOT.engine, 'u32', '0 not known yet, 1 TypeScript, 2 i386'),
  field('life', SLOT.life, 'u32', 'kernels that this slot has held'),
  field('entry', SLOT.entry, 'u32', 'physical address of the first instruction'),
  field('reentry', SLOT.reentry, 'u32', 'where a peer calls back; 0 while not parked'),
  field('start', SLOT.start, 'u32', 'where a jump without an image of its own goes: the re-entry of the last peer'),
  field('controlPage', SLOT.controlPage, 'u32', 'control page of jumps without an image of its own'),
  field('swapPage', SLOT.swapPage, 'u32', 'swap page of those jumps'),
  field('contextPages', SLOT.contextPages, 'u32', 'where CPU, devices and slot are parked in those jumps', 4),
  field(
    'homeHead',
    SLOT.homeHead,
    'u32',
    "list whose walk brings this kernel's pages into their place; 0: always there",
  ),
  field('parent', SLOT.parent, 'i32', 'slot in whose memory the home list lies; -1: in hidden pages'),
  field('kexecLock', SLOT.kexecLock, 'u32', '__kexec_lock'),
  field('result', SLOT.result, 'u32', 'errno of the last jump, 0 after a return'),
  field(
    'request',
    SLOT.request,
    'u32',
    '1: jump when the step ends, 2: return, 3: power off, 4: control has left by itself',
  ),
  field('requestTarget', SLOT.requestTarget, 'i32', 'slot to jump to; -1: where the loaded image says'),
  field('pmTest', SLOT.pmTest, 'u32', 'depth at which the next jump turns round'),
  field('caller', SLOT.caller, 'i32', 'for a function called in physical mode: slot of its caller'),
  field('backEntry', SLOT.backEntry, 'u32', 'word found at [ESP] on arrival: re-entry of whoever came from'),
  field('waiting', SLOT.waiting, 'u32', '1: halted, waits for an interrupt'),
  field('started', SLOT.started, 'u32', '1 once the first instruction has run'),
  field('exitStatus', SLOT.exitStatus, 'i32', 'status given at power-off'),
  field('faultLine', SLOT.faultLine, 'u32', 'fault injection: line of the jump + 1; 0 none'),
  field('faultDevice', SLOT.faultDevice, 'i32', 'fault injection: device index; -1 any'),
  field('faultIndex', SLOT.faultIndex, 'i32', 'fault injection: phase or page index; -1 any'),
  field('faultErrno', SLOT.faultErrno, 'u32', 'fault injection: errno to fail with'),
  field('stopCode', SLOT.stopCode, 'u32', 'why the kernel stopped for good (StopCode)'),
  field('stopAddress', SLOT.stopAddress, 'u32', 'address that the stop is about'),
  field('quiesced', SLOT.quiesced, 'u32', '1: parked by a jump, devices are to be restored; 0: copied while it ran'),
  field('interruptsWereOn', SLOT.interruptsWereOn, 'u32', 'EFLAGS.IF when the jump switched interrupts off'),
  field('consoleHeld', SLOT.consoleHeld, 'u32', '1: console suspended, output waits; more: bytes that wait, plus 1'),
  field('ticksRun', SLOT.ticksRun, 'f64', 'ticks this kernel has run'),
  field('steps', SLOT.steps, 'f64', 'steps this kernel has run'),
  field('departures', SLOT.departures, 'u32', 'jumps away'),
  field('arrivals', SLOT.arrivals, 'u32', 'entries and re-entries'),
  field('windows', SLOT.windows, 'u32', 'first page, end page, flags of each window', WINDOWS_MAX * WINDOW_WORDS),
  field('name', SLOT.name, 'u8', 'name of the kernel', SLOT_NAME_BYTES),
  field('stopText', SLOT.stopText, 'u8', 'report of the stop', SLOT_STOP_TEXT_BYTES),
  field(
    'callRegisters',
    SLOT.callRegisters,
    'u32',
    'registers of a boot protocol, or in and out of a physical call',
    10,
  ),
  field('entryMode', SLOT.entryMode, 'u32', 'how those registers go to the CPU at the first entry (EntryMode)'),
  field(
    'selfParked',
    SLOT.selfParked,
    'u32',
    '1: it left by itself; its state is in its own memory, only the re-entry here',
  ),
  field('liveArrival', SLOT.liveArrival, 'u32', '1: control came to it by itself; the CPU is as it must be'),
  field('gdtBase', SLOT.gdtBase, 'u32', 'GDTR before the kernel invalidated it to leave: base'),
  field('gdtLimit', SLOT.gdtLimit, 'u32', 'and limit; 0: nothing noted'),
  field('pagingCr4', SLOT.pagingCr4, 'u32', 'CR4 when the kernel switched paging off to leave'),
  field(
    'broughtBy',
    SLOT.broughtBy,
    'u32',
    'slot + 1 of the kernel that loaded and entered it by itself, with its own list',
  ),
  field('entryGdt', SLOT.entryGdt, 'u32', 'physical address of the GDT at the first entry, for EntryMode.linux'),
  field('heedsRTS', SLOT.heedsRTS, 'u32', '1: what is typed to it waits until its serial port receives'),
  field('wayBack', SLOT.wayBack, 'u32', 'after it left by itself, until it is back: 1 its own pages, 2 its own work'),
  field(
    'stopChain',
    SLOT.stopChain,
    'u32',
    'exceptions of a triple fault, first to last: vector + 1 (0x1000: external), code, EIP, CS',
    STOP_CHAIN_MAX * STOP_LINK_WORDS,
  ),
  field('cameFrom', SLOT.cameFrom, 'u32', 'slot that had the machine before the last arrival, plus 1; 0: nobody'),
  field('movedFrom', SLOT.movedFrom, 'u32', 'last whole page that its own code copied, paging off: source'),
  field('movedTo', SLOT.movedTo, 'u32', 'and destination'),
  field('movedPages', SLOT.movedPages, 'u32', 'such copies since it switched paging off, or since it arrived'),
  field('arrivalTick', SLOT.arrivalTick, 'f64', 'tick of the last arrival'),
  field('arrivalEip', SLOT.arrivalEip, 'u32', 'EIP at the last arrival'),
  field('arrivalEflags', SLOT.arrivalEflags, 'u32', 'and EFLAGS: what whoever came from left'),
  field('generationId', SLOT.generationId, 'u8', 'which system this is (shared/identity.ts)', GENERATION_ID_BYTES),
  field('kexecImage', SLOT.kexecImage, 'u32', 'kexec_image (shared/layout/kimage.ts)', KIMAGE_BYTES / 4),
  field('crashImage', SLOT.crashImage, 'u32', 'kexec_crash_image', KIMAGE_BYTES / 4),
]);

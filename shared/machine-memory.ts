// SPDX-License-Identifier: MIT
//
// The one buffer: a shared WebAssembly.Memory cut into the regions of the table below. Everything that is the machine lies
// in it; views, pools and devices are made over it in any thread and can be thrown away. The region table follows from four
// numbers in the header, so attaching needs nothing but the buffer. The "records" (clock to hidden-page owners) are
// contiguous: a capture copies them as one block. The live words (owner, bells, locks) are not state of the machine but of
// the threads around it, and no capture carries them.
import { assert, KjumpError } from './errors.ts';
import { HEADER, HEADER_MAGIC, LAYOUT_VERSION } from './layout/header.ts';
import { LIVE_BYTES } from './layout/live-words.ts';
import { formatSize, PAGE_SIZE } from './units.ts';

export interface MachineGeometry {
  readonly ramPages: number;
  /** Pages above RAM that only the orchestrator uses: control, swap, indirection, source and context pages of its loads. */
  readonly hiddenPages: number;
  readonly frames: number;
  readonly maxKernels: number;
}

export interface Region {
  readonly name: RegionName;
  readonly offset: number;
  readonly bytes: number;
  readonly doc: string;
}

export const CPU_RECORD_BYTES = PAGE_SIZE;
export const DEVICE_RECORD_BYTES = 2 * PAGE_SIZE;
export const KERNEL_SLOT_BYTES = PAGE_SIZE;
export const CLOCK_RECORD_BYTES = 256;
export const CONSOLE_RING_BYTES = 16 * 1024;
/** Two counts, and 256 entries of 16 bytes. */
export const INPUT_RING_BYTES = 16 + 4 * 1024;
export const TRACE_RING_BYTES = 1024 * 1024;
/** Three parts of 4096 entries of eight bytes: for loads, stores and fetches. */
export const FAST_TLB_BYTES = 96 * 1024;
/** 8192 entries of 16 bytes. */
export const JUMP_TABLE_BYTES = 128 * 1024;

const WASM_PAGE = 65536;
/** Offsets must stay small integers in every engine: the whole buffer ends below 2 GiB. */
const MAX_BYTES = 2 ** 31 - WASM_PAGE;
/** The root frame of a capture lists a frame for every 1,024 pages of the table and 4,096 bytes of records. */
const MAX_PAGES = 640 * 1024;
const MAX_KERNELS = 64;

/** [name, bytes, alignment, what it holds], in address order. */
function regionTable(g: MachineGeometry) {
  return [
    ['header', PAGE_SIZE, PAGE_SIZE, 'magic, version, geometry'],
    ['live', LIVE_BYTES, PAGE_SIZE, 'owner word, doorbells, thread words, run limits, relocation journal, pool words'],
    ['clock', CLOCK_RECORD_BYTES, PAGE_SIZE, 'virtual time and the counters of the machine'],
    ['cpu', CPU_RECORD_BYTES, PAGE_SIZE, 'the live CPU record'],
    ['devices', DEVICE_RECORD_BYTES, PAGE_SIZE, 'the live device records'],
    ['slots', g.maxKernels * KERNEL_SLOT_BYTES, PAGE_SIZE, 'one page a kernel: state, windows, images'],
    ['inputs', g.maxKernels * INPUT_RING_BYTES, PAGE_SIZE, 'a ring a kernel: what is typed and not on a wire yet'],
    ['hidden-owners', g.hiddenPages, 8, 'one byte a hidden page: 0 free, else kernel slot + 1'],
    ['page-table', (g.ramPages + g.hiddenPages) * 4, PAGE_SIZE, 'physical page to frame'],
    ['frame-references', g.frames * 4, PAGE_SIZE, 'references a frame: pages and captures'],
    ['code-generations', g.frames * 4, PAGE_SIZE, 'a count a frame: odd while code decoded from its bytes is good'],
    ['code-granules', g.frames * 8, PAGE_SIZE, 'a bit for every 64 bytes of a frame: code was decoded from them'],
    [
      'fast-tlbs',
      g.maxKernels * (FAST_TLB_BYTES + JUMP_TABLE_BYTES),
      PAGE_SIZE,
      'what translated code of each kernel knows of its pages',
    ],
    ['free-frames', g.frames * 4, PAGE_SIZE, 'stack of the free frames'],
    ['consoles', g.maxKernels * CONSOLE_RING_BYTES, PAGE_SIZE, 'one console ring a kernel'],
    ['trace', TRACE_RING_BYTES, PAGE_SIZE, 'ring of events'],
    ['frames', g.frames * PAGE_SIZE, PAGE_SIZE, 'the frame pool; frame 0 is zeros for ever'],
  ] as const;
}
export type RegionName = ReturnType<typeof regionTable>[number][0];

export class MachineMemory {
  readonly memory: WebAssembly.Memory;
  readonly buffer: SharedArrayBuffer;
  readonly geometry: MachineGeometry;
  readonly regions: readonly Region[];
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly view: DataView;

  private constructor(memory: WebAssembly.Memory, geometry: MachineGeometry) {
    this.memory = memory;
    this.buffer = memory.buffer as unknown as SharedArrayBuffer;
    this.geometry = geometry;
    this.regions = layoutRegions(geometry);
    this.u8 = new Uint8Array(this.buffer);
    this.i32 = new Int32Array(this.buffer);
    this.view = new DataView(this.buffer);
  }

  /** Allocates a zeroed buffer and writes its header. Throws `BAD_SIZE` for a geometry that cannot be addressed. */
  static create(geometry: MachineGeometry): MachineMemory {
    checkGeometry(geometry);
    const bytes = totalBytes(geometry);
    const pages = Math.ceil(bytes / WASM_PAGE);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const machine = new MachineMemory(memory, geometry);
    const { view } = machine;
    view.setUint32(HEADER.magic, HEADER_MAGIC, true);
    view.setUint32(HEADER.version, LAYOUT_VERSION, true);
    view.setUint32(HEADER.ramPages, geometry.ramPages, true);
    view.setUint32(HEADER.hiddenPages, geometry.hiddenPages, true);
    view.setUint32(HEADER.frames, geometry.frames, true);
    view.setUint32(HEADER.maxKernels, geometry.maxKernels, true);
    return machine;
  }

  /** Views over a buffer that `create` made, in this or another thread. */
  static attach(memory: WebAssembly.Memory): MachineMemory {
    const view = new DataView(memory.buffer);
    assert(view.getUint32(HEADER.magic, true) === HEADER_MAGIC, 'not a machine: the header has no magic');
    assert(view.getUint32(HEADER.version, true) === LAYOUT_VERSION, 'the machine was laid out by another version');
    return new MachineMemory(memory, {
      ramPages: view.getUint32(HEADER.ramPages, true),
      hiddenPages: view.getUint32(HEADER.hiddenPages, true),
      frames: view.getUint32(HEADER.frames, true),
      maxKernels: view.getUint32(HEADER.maxKernels, true),
    });
  }

  region(name: RegionName): Region {
    const region = this.regions.find((candidate) => candidate.name === name);
    assert(region !== undefined, `no region ${name}`);
    return region;
  }

  /** An Int32Array over a whole region. */
  words(name: RegionName): Int32Array {
    const { offset, bytes } = this.region(name);
    return new Int32Array(this.buffer, offset, bytes >>> 2);
  }

  /** A Uint8Array over a whole region. */
  bytes(name: RegionName): Uint8Array {
    const { offset, bytes } = this.region(name);
    return new Uint8Array(this.buffer, offset, bytes);
  }

  /** The memory map, as text: one line a region. */
  toString(): string {
    return this.regions
      .map(({ name, offset, bytes, doc }) => {
        const start = offset.toString(16).padStart(8, '0');
        return `${start}  ${formatSize(bytes).padStart(8)}  ${name.padEnd(16)}  ${doc}`;
      })
      .join('\n');
  }
}

function checkGeometry({ ramPages, hiddenPages, frames, maxKernels }: MachineGeometry): void {
  const refuse = (what: string, why: string, fix: string): never => {
    throw new KjumpError('BAD_SIZE', what, { why, fix });
  };
  for (const [name, count] of Object.entries({ ramPages, hiddenPages, frames, maxKernels })) {
    if (!Number.isSafeInteger(count) || count < 0)
      refuse(`${count} ${name}`, 'it is no number of things', 'give a count');
  }
  if (ramPages < 16) refuse(`${ramPages} pages of memory`, 'a machine needs at least 64K', 'give more memory');
  if (maxKernels < 1 || maxKernels > MAX_KERNELS) {
    refuse(`${maxKernels} kernel slots`, `a machine has 1 to ${MAX_KERNELS}`, 'change maxKernels');
  }
  if (ramPages + hiddenPages > MAX_PAGES) {
    refuse(`${ramPages + hiddenPages} physical pages`, `at most ${MAX_PAGES} can be mapped`, 'give less memory');
  }
  if (frames <= ramPages) {
    refuse(
      `${frames} frames for ${ramPages} pages`,
      'every page of memory must be able to hold data',
      'give more frames',
    );
  }
  const bytes = totalBytes({ ramPages, hiddenPages, frames, maxKernels });
  if (bytes > MAX_BYTES) {
    refuse(`a machine of ${bytes} bytes`, `it must end below ${MAX_BYTES}`, 'give less memory, or fewer spare frames');
  }
}

function layoutRegions(geometry: MachineGeometry): Region[] {
  let next = 0;
  return regionTable(geometry).map(([name, bytes, alignment, doc]) => {
    const offset = Math.ceil(next / alignment) * alignment;
    next = offset + bytes;
    return { name, offset, bytes, doc };
  });
}

function totalBytes(geometry: MachineGeometry): number {
  const last = layoutRegions(geometry).at(-1) as Region;
  return last.offset + last.bytes;
}

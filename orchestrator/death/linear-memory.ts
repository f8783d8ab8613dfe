// SPDX-License-Identifier: MIT
//
// Linear memory as the CPU of a picture sees it: the walk of its page tables (SDM vol. 3A §4.3, §4.4), each step told, and bytes read
// through it. Rights are not checked: whoever looks is nobody's program. Nothing is marked accessed.
import { hex, PAGE_SIZE } from '../../shared/units.ts';
import { type CpuPicture, isPae, isPaging } from './cpu-picture.ts';
import { bitNames, ENTRY_BITS } from './names.ts';

/** Physical memory: RAM and hidden pages. */
export interface PhysicalBytes {
  readonly bytes: number;
  /** Signed; ones where no memory is. */
  read32(physAddr: number): number;
  /** What lies behind the end of memory reads as ones. */
  read(physAddr: number, length: number): Uint8Array;
}

export interface WalkStep {
  readonly table: 'PDPTE' | 'PDE' | 'PTE';
  readonly physAddr: number;
  readonly entry: number;
  /** Upper half of an entry of PAE paging, else 0. */
  readonly high: number;
  readonly flags: readonly string[];
}

export interface PageWalk {
  readonly linAddr: number;
  readonly steps: readonly WalkStep[];
  /** Null if the walk comes to no page. */
  readonly physAddr: number | null;
  /** What is wrong; null if nothing is. */
  readonly problem: string | null;
}

const PRESENT = 1;
const LARGE = 0x80;
const CR4_PSE = 0x10;
const NX = -0x80000000;

export function walkPages(cpu: CpuPicture, memory: PhysicalBytes, linAddr: number): PageWalk {
  const steps: WalkStep[] = [];
  const line = (physAddr: number): number => (cpu.a20Masked ? physAddr & ~0x100000 : physAddr) >>> 0;
  const end = (physAddr: number | null, problem: string | null): PageWalk => ({ linAddr, steps, physAddr, problem });
  const found = (physAddr: number): PageWalk => {
    const at = line(physAddr);
    return end(at, at < memory.bytes ? null : `no memory is at ${hex(at)}`);
  };
  if (!isPaging(cpu)) return found(linAddr);

  const pae = isPae(cpu);
  /** Takes one step; a text if the walk ends with it. */
  const step = (table: WalkStep['table'], physAddr: number): string | null => {
    const at = line(physAddr);
    if (at >= memory.bytes) return `the ${table} would be at ${hex(at)}, where no memory is`;
    const entry = memory.read32(at) >>> 0;
    const high = pae ? memory.read32(at + 4) >>> 0 : 0;
    const flags = [...bitNames(entry, ENTRY_BITS), ...((high & NX) !== 0 ? ['NX'] : [])];
    steps.push({ table, physAddr: at, entry, high, flags });
    if ((entry & PRESENT) === 0) return `the ${table} is not present`;
    return (high & 0x7fffffff) === 0 ? null : `the ${table} has bits set above the 4 GiB of this machine`;
  };
  const frame = (): number => steps[steps.length - 1].entry & -PAGE_SIZE;
  const isLarge = (): boolean => (steps[steps.length - 1].entry & LARGE) !== 0;

  let problem = pae ? step('PDPTE', (cpu.cr3 & -32) + ((linAddr >>> 27) & 0x18)) : null;
  if (problem !== null) return end(null, problem);
  problem = pae
    ? step('PDE', frame() + ((linAddr >>> 18) & 0xff8))
    : step('PDE', (cpu.cr3 & -PAGE_SIZE) + ((linAddr >>> 20) & 0xffc));
  if (problem !== null) return end(null, problem);
  if (isLarge() && (pae || (cpu.cr4 & CR4_PSE) !== 0)) {
    const within = pae ? 0x1fffff : 0x3fffff;
    return found((frame() & ~within) | (linAddr & within));
  }
  problem = step('PTE', frame() + (pae ? (linAddr >>> 9) & 0xff8 : (linAddr >>> 10) & 0xffc));
  return problem === null ? found(frame() | (linAddr & (PAGE_SIZE - 1))) : end(null, problem);
}

/** Bytes from a linear address upwards, up to the first that is nowhere. */
export function readLinear(cpu: CpuPicture, memory: PhysicalBytes, linAddr: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const at = (linAddr + done) >>> 0;
    const size = Math.min(length - done, PAGE_SIZE - (at % PAGE_SIZE));
    const { physAddr, problem } = walkPages(cpu, memory, at);
    if (physAddr === null || problem !== null) return bytes.subarray(0, done);
    bytes.set(memory.read(physAddr, size), done);
    done += size;
  }
  return bytes;
}

/** Bytes that end right below a linear address: those behind the last one that is nowhere. */
export function readLinearBelow(cpu: CpuPicture, memory: PhysicalBytes, linAddr: number, length: number): Uint8Array {
  for (let size = Math.min(length, linAddr); size > 0; size--) {
    const bytes = readLinear(cpu, memory, linAddr - size, size);
    if (bytes.length === size) return bytes;
  }
  return new Uint8Array(0);
}

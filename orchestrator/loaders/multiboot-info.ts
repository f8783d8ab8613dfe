// SPDX-License-Identifier: MIT
//
// The information that a multiboot kernel finds at EBX (Multiboot Specification 0.6.96, §3.3): one block of bytes that holds the
// structure, the memory map, the list of modules and their texts, all addressed physically.
import { CONVENTIONAL_END, memoryRanges } from './pc-memory.ts';

const INFO_BYTES = 88;
const MODULE_BYTES = 16;
/** A map entry with the word before it that gives the size of the rest. */
const MAP_ENTRY_BYTES = 24;

const HAS_MEMORY = 1 << 0;
const HAS_CMDLINE = 1 << 2;
const HAS_MODULES = 1 << 3;
const HAS_MAP = 1 << 6;
const HAS_LOADER_NAME = 1 << 9;

const KIB = 1024;
const MIB = 1024 ** 2;
const LOADER_NAME = 'kjump';

/** A module that has its place in memory. */
export interface PlacedModule {
  readonly start: number;
  readonly end: number;
  readonly cmdline: string;
}

interface InfoContents {
  readonly cmdline: string;
  readonly modules: readonly PlacedModule[];
  /** End of memory in bytes, or null to say nothing of it. */
  readonly memory: number | null;
  /** Memory below this address is somebody else's. */
  readonly memoryStart: number;
}

/** The block for physical address `at`, with the structure at its start. */
export function buildMultibootInfo(at: number, { cmdline, modules, memory, memoryStart }: InfoContents): Uint8Array {
  const ranges = memory === null ? [] : memoryRanges(memoryStart, memory);
  const mapOffset = INFO_BYTES;
  const modulesOffset = mapOffset + ranges.length * MAP_ENTRY_BYTES;
  const textsOffset = modulesOffset + modules.length * MODULE_BYTES;
  const texts = [cmdline, LOADER_NAME, ...modules.map((module) => module.cmdline)];
  const encoded = texts.map((text) => new TextEncoder().encode(`${text}\0`));
  const block = new Uint8Array(textsOffset + encoded.reduce((sum, text) => sum + text.length, 0));
  const view = new DataView(block.buffer);

  let next = textsOffset;
  const [cmdlineAddr, loaderAddr, ...moduleTextAddrs] = encoded.map((text) => {
    block.set(text, next);
    next += text.length;
    return at + next - text.length;
  });

  let flags = HAS_CMDLINE | HAS_LOADER_NAME | HAS_MODULES;
  if (memory !== null) {
    flags |= HAS_MEMORY | HAS_MAP;
    // Both count from a fixed address: memory that begins elsewhere is in the map alone.
    view.setUint32(4, memoryStart === 0 ? Math.min(memory, CONVENTIONAL_END) / KIB : 0, true);
    view.setUint32(8, memoryStart <= MIB ? Math.max(memory - MIB, 0) / KIB : 0, true);
    view.setUint32(44, ranges.length * MAP_ENTRY_BYTES, true);
    view.setUint32(48, at + mapOffset, true);
  }
  view.setUint32(0, flags, true);
  view.setUint32(16, cmdlineAddr, true);
  view.setUint32(20, modules.length, true);
  view.setUint32(24, at + modulesOffset, true);
  view.setUint32(64, loaderAddr, true);

  ranges.forEach(({ start, end, type }, i) => {
    const entry = mapOffset + i * MAP_ENTRY_BYTES;
    view.setUint32(entry, MAP_ENTRY_BYTES - 4, true);
    view.setUint32(entry + 4, start, true);
    view.setUint32(entry + 12, end - start, true);
    view.setUint32(entry + 20, type, true);
  });
  modules.forEach(({ start, end }, i) => {
    const entry = modulesOffset + i * MODULE_BYTES;
    view.setUint32(entry, start, true);
    view.setUint32(entry + 4, end, true);
    view.setUint32(entry + 8, moduleTextAddrs[i], true);
  });
  return block;
}

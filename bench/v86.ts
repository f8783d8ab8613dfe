// SPDX-License-Identifier: MIT
//
// The npm package v86 as the other PC of a benchmark. It keeps timers and has no end of its own: use it in a process that one ends.
import { fileURLToPath } from 'node:url';
import { V86 } from 'v86';

const MEGABYTE = 1 << 20;

/** A PC that stands at its reset vector, in a ROM that ends at 1 MiB. */
export async function createV86(rom: Uint8Array, memoryMiB: number): Promise<V86> {
  const emulator = new V86({
    wasm_path: fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86'))),
    bios: { buffer: rom.buffer as ArrayBuffer },
    memory_size: memoryMiB * MEGABYTE,
    vga_memory_size: MEGABYTE,
    autostart: false,
    disable_speaker: true,
    disable_keyboard: true,
    disable_mouse: true,
  });
  await new Promise<void>((resolve) => emulator.add_listener('emulator-loaded', () => resolve()));
  return emulator;
}

// SPDX-License-Identifier: MIT
//
// A whole kernel. It counts its steps, and after every thousand it jumps: to whatever it has loaded, or else back to the kernel
// that was here before it. The count lies in memory, never in this module, so it survives switches, snapshots and processes.
import type { Guest } from '../../shared/guest.ts';

export function start(k: Guest): void {
  k.console.write(`${k.name} starts\n`);
}

export function step(k: Guest): void {
  const count = k.memory.read32(k.base) + 1;
  k.memory.write32(k.base, count);
  if (count % 1000 !== 0) return;
  k.console.write(`${k.name} has counted to ${count}\n`);
  k.kexec.jump();
}

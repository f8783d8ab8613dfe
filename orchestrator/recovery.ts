// SPDX-License-Identifier: MIT
//
// What a thread's death means, read from the bytes. A kernel that has not woken yet loses nothing: another thread attaches.
// One that owned the CPU leaves RAM ahead of its registers: it is CRASHED, until a restore. Whatever it left half done in the
// machine (the pool's lock, a relocation under way) is made whole first, so that no other kernel loses anything.
import { kernelKey } from '../shared/frames.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { StopCode } from '../shared/stop.ts';
import type { MachineParts } from './machine-parts.ts';

/** For the slot whose thread died while it owned the CPU: `attach` another thread, or it has `crashed`. */
export function recoverFromDeath(parts: MachineParts, index: number, error: Error | null): 'attach' | 'crashed' {
  const { slots, journal, captures, ownership } = parts;
  const slot = slots[index];
  const waiting = slot.state === KernelState.PARKED || slot.state === KernelState.LOADED;
  if (waiting && !journal.active) return 'attach';
  captures.recover(kernelKey(index));
  if (journal.active) journal.revert();
  if (slot.state === KernelState.PARKED) slot.moveTo(KernelState.RUNNING);
  if (slot.state === KernelState.RUNNING || slot.state === KernelState.QUIESCING) slot.moveTo(KernelState.CRASHED);
  slot.set('kexecLock', 0);
  slot.setStop(StopCode.threadDied, 0, `its thread died while it owned the CPU: ${error?.message ?? 'it ended'}`);
  ownership.giveToHost();
  return 'crashed';
}

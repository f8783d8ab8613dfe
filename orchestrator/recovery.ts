// SPDX-License-Identifier: MIT
//
// What the end of a thread means, read from the bytes. A kernel that has not woken yet loses nothing, and one that has departed
// loses nothing either: what its thread left to do is done here. One that owned the CPU in between leaves RAM ahead of its
// registers: it is CRASHED, until a restore. Whatever it left half done in the machine (the pool's lock, a relocation under
// way) is made whole first, so that no other kernel loses anything.
import { kernelKey } from '../shared/frames.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { inheritHome } from '../shared/kexec/ending.ts';
import { LIVE } from '../shared/layout/live-words.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { StopCode, StopReason } from '../shared/stop.ts';
import type { MachineParts } from './machine-parts.ts';

/**
 * For the slot whose thread ended while it owned the CPU, by itself (no error) or not. True if the machine stands now, with the
 * reason in the live words; else whoever owns the CPU goes on, with another thread if it has none.
 */
export function recoverFromDeath(parts: MachineParts, index: number, error: Error | null): boolean {
  const { slots, journal, captures, clock } = parts;
  const slot = slots[index];
  const { state } = slot;
  // A thread leaves between two slices only, and may be given the CPU when it is already on its way.
  if (error === null) return false;
  captures.recover(kernelKey(index));
  const leftFor = clock.current === index ? undefined : slots[clock.current];
  if (leftFor !== undefined && (state === KernelState.PARKED || state === KernelState.OFF)) {
    completeHandOver(parts, slot, leftFor);
    return false;
  }
  if (state === KernelState.PARKED || state === KernelState.LOADED) return false;
  if (journal.active) journal.revert();
  if (leftFor !== undefined) {
    clock.current = index;
    clock.switches -= 1;
  }
  releaseUnclaimed(parts);
  if (state === KernelState.RUNNING || state === KernelState.QUIESCING) {
    slot.moveTo(KernelState.CRASHED);
    slot.set('kexecLock', 0);
    slot.setStop(StopCode.threadDied, 0, `its thread died while it owned the CPU: ${error.message}`);
  }
  stand(parts, slot);
  return true;
}

/** The leaver's thread died behind the point of no return (kernel-worker/border.ts:handOver). */
function completeHandOver(
  { journal, hidden, slots, ownership }: MachineParts,
  leaver: KernelSlot,
  to: KernelSlot,
): void {
  const { kexecImage } = leaver;
  const plain = leaver.state === KernelState.OFF && kexecImage.loaded && !kexecImage.preserveContext;
  if (plain) inheritHome(hidden, slots, leaver, to);
  journal.close();
  ownership.giveToKernel(to.index);
}

/** Pages of a slot that was being claimed for the target of the jump. */
function releaseUnclaimed({ hidden, slots }: MachineParts): void {
  for (const slot of slots) if (slot.state === KernelState.EMPTY) hidden.release(hidden.of(slot.index));
}

/** As a kernel's thread stops for the host (kernel-worker/run-loop.ts:stopForHost). */
function stand({ ownership }: MachineParts, { state, index }: KernelSlot): void {
  ownership.live[LIVE.stopReason] = state === KernelState.OFF ? StopReason.powerOff : StopReason.crashed;
  ownership.live[LIVE.stopKernel] = index;
  ownership.giveToHost();
}

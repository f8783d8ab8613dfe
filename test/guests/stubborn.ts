// SPDX-License-Identifier: MIT
//
// Tries to leave at every third step and refuses to be frozen as often as it has been asked fewer than three times; counts at
// its base what it was told.
import { Errno } from '../../shared/errno.ts';
import type { Guest } from '../../shared/guest.ts';

const STEPS = 0;
const ASKED = 4;
const LAST_RESULT = 8;
const THAWED = 12;

const bump = (k: Guest, at: number): number => {
  k.memory.write32(k.base + at, k.memory.read32(k.base + at) + 1);
  return k.memory.read32(k.base + at);
};

export function step(k: Guest): void {
  k.memory.write32(k.base + LAST_RESULT, k.kexec.result);
  if (bump(k, STEPS) % 3 === 0) k.kexec.jump();
}

export function freeze(k: Guest): number {
  return bump(k, ASKED) < 3 ? Errno.EAGAIN : Errno.OK;
}

export function thaw(k: Guest): void {
  bump(k, THAWED);
}

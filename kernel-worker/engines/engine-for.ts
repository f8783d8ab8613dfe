// SPDX-License-Identifier: MIT
//
// Which engine executes a kernel: its slot says what the loader, or whoever found its entry in memory, saw there.
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { EngineKind } from '../../shared/layout/kernel-slot.ts';
import type { Board } from '../board.ts';
import type { Engine } from './engine.ts';
import { GuestEngine } from './guest/guest-engine.ts';
import { I386Engine } from './i386/i386-engine.ts';
import { warmUp } from './i386/warm-up.ts';

/** The engine for the kernel that is in the slot now. `previous` served the slot until now: decoded code outlives its kernel. */
export function engineFor(board: Board, slot: KernelSlot, previous: Engine | null = null): Engine {
  if (slot.get('engine') !== EngineKind.i386) return new GuestEngine(board, slot);
  if (!(previous instanceof I386Engine)) {
    warmUp(board.options);
    return new I386Engine(board, slot);
  }
  previous.invalidate();
  return previous;
}

// SPDX-License-Identifier: MIT
//
// A kernel that cheats: it counts its turns in the module instead of its memory. It looks right for as long as its thread lives.
import type { Guest } from '../../shared/guest.ts';

const NEXT: Readonly<Record<string, string>> = { A: 'B', B: 'C', C: 'A' };
const TURNS = 0x200000;

let turns = 0;

export function step(k: Guest): void {
  turns += 1;
  k.memory.write32(TURNS, turns);
  k.kexec.jump(NEXT[k.name]);
}

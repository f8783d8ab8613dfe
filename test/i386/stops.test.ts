// SPDX-License-Identifier: MIT
// What the slot says about a kernel that its engine stopped: addresses of instructions are linear, as in a listing of the code.
import { describe, expect, test } from 'vitest';
import { SLOT } from '../../shared/layout/kernel-slot.ts';
import { Pc } from './pc.ts';

/** Real-mode code at 0120:0040, linear 0x1240. */
function realPc(code: number[]): Pc {
  const pc = new Pc();
  pc.write(0x1240, code).real(0x120, 0x40);
  return pc;
}

describe('A real-mode kernel that is stopped', () => {
  test('for a store outside its windows is told of with the linear address of the instruction', () => {
    // mov [0x5000], ax
    const pc = realPc([0x90, 0xa3, 0x00, 0x50]);
    pc.slot.windows = [{ firstPage: 0, endPage: 5, shared: false }];
    pc.engine.invalidate();
    pc.run(4);
    expect(pc.stopText).toBe("a store at 0x00005000 by the instruction at 0x00001241 is outside the kernel's windows");
  });

  test('for a triple fault is told of with the linear address of the instruction', () => {
    // ud2, with an interrupt table that is too short for anything
    const pc = realPc([0x90, 0x0f, 0x0b]);
    pc.r[47] = 0;
    pc.run(4);
    expect(pc.stopText).toContain('triple fault at 0x00001241: vector 6');
    expect(pc.board.machine.view.getUint32(pc.slot.base + SLOT.stopAddress, true)).toBe(0x1241);
  });
});

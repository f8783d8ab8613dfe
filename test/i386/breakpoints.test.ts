// SPDX-License-Identifier: MIT
// Breakpoints of DR0 to DR3 in real-mode code at 0:1000, whose handler of #DB halts at 0:2000.
import { describe, expect, test } from 'vitest';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { Pc, REGISTER } from './pc.ts';

const CODE = 0x1000;
const HLT = 0xf4;
const INC_CX = 0x41;
const DR0 = CPU.dr / 4;
const DR6 = DR0 + 6;
const DR7 = DR0 + 7;
const EFLAGS = CPU.eflags / 4;
const RF = 0x10000;
const FRAME_IP = 0x7ffa;

function realPc(code: number[]): Pc {
  const pc = new Pc();
  pc.write(4, [0x00, 0x20, 0, 0]).write(0x2000, [HLT]).write(CODE, code).real(0, CODE);
  pc.r[REGISTER.esp] = 0x8000;
  return pc;
}

/** Where the frame of #DB returns to, the low bits of DR6, and CX. */
const outcome = (pc: Pc): number[] => [pc.parts.memory.read16(FRAME_IP), pc.r[DR6] & 0xf, pc.r[REGISTER.ecx]];

describe('A breakpoint on an instruction', () => {
  test('is a fault in front of it', () => {
    const pc = realPc([INC_CX, INC_CX, INC_CX, HLT]);
    pc.r[DR0 + 2] = CODE + 2;
    pc.r[DR7] = 0x420;
    pc.engine.invalidate();
    pc.run(8);
    expect(outcome(pc)).toEqual([CODE + 2, 4, 2]);
  });

  test('holds from the instruction on that writes DR7', () => {
    // mov eax, 2; mov dr7, eax
    const pc = realPc([0x66, 0xb8, 2, 0, 0, 0, 0x0f, 0x23, 0xf8, INC_CX, INC_CX, HLT]);
    pc.r[DR0] = CODE + 10;
    pc.run(8);
    expect(outcome(pc)).toEqual([CODE + 10, 1, 1]);
  });

  test('holds no longer behind the instruction that clears its bits', () => {
    // xor eax, eax; mov dr7, eax
    const pc = realPc([0x66, 0x31, 0xc0, 0x0f, 0x23, 0xf8, INC_CX, INC_CX, HLT]);
    pc.r[DR0] = CODE + 7;
    pc.r[DR7] = 0x401;
    pc.engine.invalidate();
    pc.run(8);
    expect([pc.eip, pc.r[REGISTER.ecx]]).toEqual([CODE + 9, 2]);
  });

  test('is passed over once with RF', () => {
    const pc = realPc([INC_CX, INC_CX, 0xeb, 0xfc]);
    pc.r[DR0] = CODE;
    pc.r[DR7] = 0x401;
    pc.r[EFLAGS] |= RF;
    pc.engine.invalidate();
    pc.run(8);
    expect(outcome(pc)).toEqual([CODE, 1, 2]);
  });

  test('counts for exactly its address, and only if it is enabled', () => {
    const pc = realPc([INC_CX, 0x66, 0x90, INC_CX, HLT]);
    pc.r.set([CODE + 2, CODE + 3, CODE + 4, CODE], DR0);
    // DR1 on; DR2 watches writes of a byte; DR3 is off.
    pc.r[DR7] = 0x0100041c;
    pc.r[DR0 + 1] = CODE + 2;
    pc.engine.invalidate();
    pc.run(8);
    expect([pc.eip, pc.r[REGISTER.ecx]]).toEqual([CODE + 5, 2]);
  });
});

describe('A breakpoint on data', () => {
  test('of a read does not stop the instruction that lies there', () => {
    const pc = realPc([INC_CX, INC_CX, HLT]);
    pc.r[DR0] = CODE + 1;
    pc.r[DR7] = 0x00030401;
    pc.engine.invalidate();
    pc.run(8);
    expect([pc.eip, pc.r[REGISTER.ecx]]).toEqual([CODE + 3, 2]);
  });
});

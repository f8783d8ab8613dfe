// SPDX-License-Identifier: MIT
//
// PUSHA, POPA, ENTER, LEAVE, PUSH and POP on stacks of 16 and 32 bits (SDM vol. 2A, 2B).
import { beforeEach, describe, expect, test } from 'vitest';
import { setSegment } from '../../kernel-worker/engines/i386/segments.ts';
import { FRAME_HELPERS } from '../../kernel-worker/engines/i386/stack-frames.ts';
import { BareCpu, DATA, STACK } from './bare-cpu.ts';
import { execute, memory, register } from './execute.ts';

const [EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI] = [0, 1, 2, 3, 4, 5, 6, 7];
const SS = 2;
const bare = new BareCpu();
const { cpu, r } = bare;
const { pusha, popa, enter, leave, pushRm, popRm, pushImm, pushReg, popReg } = FRAME_HELPERS;
const DISTINCT = [0x1000_0001, 0x1000_0002, 0x1000_0003, 0x1000_0004, STACK, 0x1000_0006, 0x1000_0007, 0x1000_0008];

/** A stack of 16 bits; the upper half of ESP is none of its business. */
function stack16(sp: number): void {
  setSegment(cpu, SS, 0x10, 0, 0xffff, 0x93);
  cpu.updateMode();
  r[ESP] = 0x77770000 | sp;
}

beforeEach(() => bare.protectedMode());

describe('PUSHA', () => {
  test('stores EAX first and EDI on top, and ESP as it was', () => {
    r.set(DISTINCT, 0);
    expect(execute(bare, pusha, 4)).toBe('');
    expect(bare.stack(8)).toEqual([...DISTINCT].reverse());
    expect(r[ESP]).toBe(STACK - 32);
  });

  test('of 16 bits stores words', () => {
    r.set(DISTINCT, 0);
    execute(bare, pusha, 2);
    expect(bare.stack(8, 2)).toEqual([8, 7, 6, STACK, 4, 3, 2, 1]);
  });

  test('that does not fit stores nothing', () => {
    setSegment(cpu, SS, 0x10, 0, STACK - 17, 0x4097);
    r.set(DISTINCT, 0);
    expect(execute(bare, pusha, 4)).toBe('#12(0)');
    expect([r[ESP], bare.load(STACK - 4)]).toEqual([STACK, 0]);
  });

  test.each([
    ['real', () => bare.reset()],
    ['virtual-8086', () => bare.virtual8086(3)],
  ])('in %s mode is #GP, not #SS, with SP 7, 9, 11, 13 or 15', (_mode, enterMode) => {
    enterMode();
    for (const sp of [7, 9, 11, 13, 15]) {
      r[ESP] = 0x10000 + sp;
      expect(execute(bare, pusha, 2)).toBe('#13(0)');
    }
    r[ESP] = 5;
    expect(execute(bare, pusha, 2)).toBe('#12(0)');
  });

  test('in protected mode is #SS on every stack that it does not fit', () => {
    stack16(15);
    expect(execute(bare, pusha, 2)).toBe('#12(0)');
  });

  test('wraps around a 16-bit stack', () => {
    stack16(4);
    r[EAX] = 0x11111111;
    r[ECX] = 0x22222222;
    expect(execute(bare, pusha, 4)).toBe('');
    expect([bare.load(0), bare.load(0xfffc)]).toEqual([0x11111111, 0x22222222]);
    expect(r[ESP] >>> 0).toBe(0x7777ffe4);
  });
});

describe('POPA', () => {
  test('loads what PUSHA stored, but not ESP', () => {
    r.set(DISTINCT, 0);
    execute(bare, pusha, 4);
    for (const register of [EAX, ECX, EDX, EBX, EBP, ESI, EDI]) r[register] = 0;
    cpu.memory.write32(r[ESP] + 12, 0x666);
    execute(bare, popa, 4);
    expect([...r.subarray(0, 8)]).toEqual(DISTINCT);
  });

  test('of 16 bits leaves upper halves alone', () => {
    for (let i = 1; i <= 8; i++) cpu.push(2, i);
    r[EAX] = -1;
    execute(bare, popa, 2);
    expect([r[EAX] >>> 0, r[EDI], r[ESP]]).toEqual([0xffff0001, 8, STACK]);
  });

  test('that reaches beyond the segment changes nothing', () => {
    setSegment(cpu, SS, 0x10, 0, STACK - 1, 0x4093);
    r[ESP] = STACK - 31;
    r[EDI] = 5;
    expect(execute(bare, popa, 4)).toBe('#12(0)');
    expect([r[EDI], r[ESP]]).toEqual([5, STACK - 31]);
  });
});

describe('ENTER', () => {
  test('of level 0 makes a frame, and LEAVE takes it away', () => {
    r[EBP] = 0x1234;
    execute(bare, enter, 4, 0x20);
    expect([r[EBP], r[ESP], bare.load(STACK - 4)]).toEqual([STACK - 4, STACK - 0x24, 0x1234]);
    execute(bare, leave, 4);
    expect([r[EBP], r[ESP]]).toEqual([0x1234, STACK]);
  });

  test('of level 1 adds its own frame pointer', () => {
    execute(bare, enter, 4, 1 << 16);
    expect([r[EBP], r[ESP], bare.load(STACK - 8)]).toEqual([STACK - 4, STACK - 8, STACK - 4]);
  });

  test('of level 3 copies two frame pointers of the enclosing procedures', () => {
    r[EBP] = DATA + 0x40;
    cpu.memory.write32(DATA + 0x3c, 0xaaaa);
    cpu.memory.write32(DATA + 0x38, 0xbbbb);
    execute(bare, enter, 4, 8 | (3 << 16));
    expect(bare.stack(6).slice(2)).toEqual([STACK - 4, 0xbbbb, 0xaaaa, DATA + 0x40]);
    expect([r[EBP], r[ESP]]).toEqual([STACK - 4, STACK - 24]);
  });

  test('takes the level modulo 32', () => {
    execute(bare, enter, 4, 33 << 16);
    expect(r[ESP]).toBe(STACK - 8);
  });

  test('of 16 bits on a 16-bit stack leaves upper halves alone', () => {
    stack16(0x8000);
    r[EBP] = 0x55551111;
    execute(bare, enter, 2, 0x10 | (1 << 16));
    expect([r[EBP], r[ESP]]).toEqual([0x55557ffe, 0x77777fec]);
    expect([bare.load(0x7ffe, 2), bare.load(0x7ffc, 2)]).toEqual([0x1111, 0x7ffe]);
  });

  test('of 32 bits on a 16-bit stack stores ESP as its frame pointer, with the upper half that SP has not', () => {
    stack16(0);
    execute(bare, enter, 4, 1 << 16);
    expect(bare.load(0xfff8)).toBe(0x7777fffc);
  });

  test('faults if the new top of the stack could not be stored to, and nothing changes', () => {
    setSegment(cpu, SS, 0x10, 0, STACK - 0x101, 0x4097);
    r[EBP] = 7;
    r[ESP] = STACK;
    expect(execute(bare, enter, 4, 0x100)).toBe('#12(0)');
    expect([r[EBP], r[ESP], bare.load(STACK - 4)]).toEqual([7, STACK, 0]);
  });
});

test('LEAVE with a frame pointer outside the stack segment faults and changes nothing', () => {
  setSegment(cpu, SS, 0x10, 0, STACK - 1, 0x4093);
  r[EBP] = STACK;
  expect(execute(bare, leave, 4)).toBe('#12(0)');
  expect([r[EBP], r[ESP]]).toEqual([STACK, STACK]);
});

describe('PUSH and POP', () => {
  test('PUSH ESP stores what ESP was, POP ESP keeps what it loads', () => {
    execute(bare, pushReg, register(4, ESP, ESP));
    expect(bare.stack(1)).toEqual([STACK]);
    cpu.memory.write32(r[ESP], 0x1234);
    execute(bare, popReg, register(4, ESP, ESP));
    expect(r[ESP]).toBe(0x1234);
  });

  test('of words on a 16-bit stack wrap at 64 KiB', () => {
    stack16(0);
    execute(bare, pushImm, 2, -2);
    expect([bare.load(0xfffe, 2), r[ESP] >>> 0]).toEqual([0xfffe, 0x7777fffe]);
    execute(bare, popReg, register(2, EAX, EAX));
    expect([r[EAX] & 0xffff, r[ESP] >>> 0]).toEqual([0xfffe, 0x77770000]);
  });

  test('PUSH from and POP to memory', () => {
    cpu.memory.write32(DATA, 0x12345678);
    execute(bare, pushRm, memory(4), 0, DATA);
    expect(bare.stack(1)).toEqual([0x12345678]);
    execute(bare, popRm, memory(4), 0, DATA + 8);
    expect([cpu.memory.read32(DATA + 8), r[ESP]]).toEqual([0x12345678, STACK]);
  });

  test('POP to memory that cannot be stored to leaves the stack as it was', () => {
    setSegment(cpu, 3, 0x10, 0, -1, 0xc091);
    cpu.push(4, 9);
    expect(execute(bare, popRm, memory(4), 0, DATA)).toBe('#13(0)');
    expect(r[ESP]).toBe(STACK - 4);
  });
});

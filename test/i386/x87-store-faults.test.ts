// SPDX-License-Identifier: MIT
// SDM vol. 1 §8.5: with an unmasked numeric exception before the result is known, nothing is stored; the exception is reported by
// the next waiting instruction. Whether the destination could have been stored to is then never asked.
import { expect, test } from 'vitest';
import { Pc } from './pc.ts';

const FPU_STATUS = 77;
const CR2 = 49;
const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

/** Paging on with the first 4 MiB only; ST(0) is 1e10, which is no 16-bit integer. */
function storeBeyond(control: number): Pc {
  const pc = new Pc({ memory: '1M' });
  pc.write(0x10000, dword(0x83));
  pc.write(0x5000, new Uint8Array(new Float64Array([1e10]).buffer));
  pc.write(0x5010, [control & 0xff, control >>> 8]);
  // fldcw [0x5010]; fld qword [0x5000]; fistp word [0x400000]
  const code = [0xd9, 0x2d, ...dword(0x5010), 0xdd, 0x05, ...dword(0x5000), 0xdf, 0x1d, ...dword(0x400000)];
  pc.write(0x1000, code);
  pc.flat(0x1000);
  pc.r[51] = 0x10;
  pc.r[50] = 0x10000;
  pc.r[48] |= 0x80000000;
  pc.engine.invalidate();
  pc.run(3);
  return pc;
}

test('a store that an unmasked exception refuses does not fault on its page', () => {
  const pc = storeBeyond(0x37e);
  expect(pc.r[CR2]).toBe(0);
  expect(pc.eip).toBe(0x1012);
  expect(pc.r[FPU_STATUS] & 0x8081).toBe(0x8081);
});

test('the same store with the exception masked faults, and leaves the x87 as it was', () => {
  const pc = storeBeyond(0x37f);
  expect(pc.r[CR2]).toBe(0x400000);
  expect(pc.r[FPU_STATUS] & 0x80ff).toBe(0);
});

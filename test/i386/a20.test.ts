// SPDX-License-Identifier: MIT
// A20M# (SDM vol. 3A §9.1.1, vol. 3B §23.7.13): asserted, the processor masks physical address bit 20, in every mode.
import { describe, expect, test } from 'vitest';
import { Pc } from './pc.ts';

describe('the A20 gate at port 0x92', () => {
  test('lets address line 20 through after power-on', () => {
    const pc = new Pc({ memory: '4M' });
    pc.write(0x1000, [0xe4, 0x92]);
    pc.flat(0x1000).run();
    expect(pc.r[0] & 0xff).toBe(0x02);
  });

  test('makes the second mebibyte the first one while it is closed, and no longer when it is open again', () => {
    const pc = new Pc({ memory: '4M' });
    pc.write(0x2000, [0x11]);
    pc.write(0x102000, [0x22]);
    // mov bl, [0x102000]; out 0x92, al (0); mov bh, [0x102000]; mov al, 2; out 0x92, al; mov cl, [0x102000]
    const load = [0x00, 0x20, 0x10, 0x00];
    pc.write(0x1000, [
      0x8a,
      0x1d,
      ...load,
      0xe6,
      0x92,
      0x8a,
      0x3d,
      ...load,
      0xb0,
      0x02,
      0xe6,
      0x92,
      0x8a,
      0x0d,
      ...load,
    ]);
    pc.flat(0x1000).run(6);
    expect([pc.r[3], pc.r[1]]).toEqual([0x1122, 0x22]);
  });

  test('masks the fetch of code, and the walk of page tables too', () => {
    const pc = new Pc({ memory: '4M' });
    // out 0x92, al; jmp 0x103000: runs what lies at 0x3000
    pc.write(0x1000, [0xe6, 0x92, 0xe9, 0xf9, 0x1f, 0x10, 0x00]);
    pc.write(0x3000, [0x43]);
    pc.write(0x103000, [0x41]);
    pc.flat(0x1000).run(3);
    expect([pc.r[3], pc.r[1]]).toEqual([1, 0]);

    const paged = new Pc({ memory: '4M' });
    // The directory at 0x110000 is the one at 0x10000 while the line is masked.
    paged.write(0x10000, [0x83, 0, 0, 0]);
    paged.write(0x1000, [0xe6, 0x92, 0x0f, 0x22, 0xda, 0x0f, 0x22, 0xc1, 0x43]);
    paged.flat(0x1000);
    paged.r[2] = 0x110000;
    paged.r[1] = paged.r[48] | 0x80000000;
    paged.r[51] = 0x10;
    paged.run(4);
    expect(paged.stopText).toBe('');
    expect(paged.r[3]).toBe(1);
  });
});

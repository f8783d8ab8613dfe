// SPDX-License-Identifier: MIT
//
// A device stores to memory while machine code runs: the code sees it at once, through whatever the engine had cached of the page, and
// a store outside the kernel's windows is not done.
import { describe, expect, test } from 'vitest';
import { EngineStop } from '../../kernel-worker/engines/engine.ts';
import { Request } from '../../shared/jump-lines.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { TestDriver, WRITE } from '../devices/virtio-driver.ts';
import { le32 } from './le32.ts';
import { Pc, REGISTER } from './pc.ts';

const CODE = 0x1000;
const QUEUES = 8;
const PAGE = 0x40000;
/** Behind the notification the code runs this long, and the device stores within it. */
const LOOPS = 1000;

const load = (register: 'eax' | 'ebx', at: number): number[] =>
  register === 'eax' ? [0xa1, ...le32(at)] : [0x8b, 0x1d, ...le32(at)];
const NOTIFY = [0xc7, 0x05, ...le32(0xd0000650), ...le32(0)];
/** mov $LOOPS, %ecx; loop . */
const WAIT = [0xb9, ...le32(LOOPS), 0xe2, 0xfe];
const ALL = 2 * LOOPS;

/** A PC whose entropy device has got `length` bytes at `at` to fill, and will hear of it from the code. */
function drivenPc(
  at: number,
  length: number,
): { pc: Pc; driver: TestDriver<{ bus: Pc['board']['bus']; ram: Pc['parts']['memory'] }> } {
  const pc = new Pc();
  const driver = new TestDriver({ bus: pc.board.bus, ram: pc.parts.memory }, 'virtio-entropy', { place: QUEUES });
  driver.start();
  driver.give(0, [{ at, length, flags: WRITE }], { notify: false });
  return { pc, driver };
}

/** Paging on, every page of the first 4 MiB where it is; the tables at 0x10000 and 0x11000. */
function usePaging(pc: Pc): void {
  const { memory } = pc.parts;
  for (let page = 0; page < 1024; page++) memory.write32(0x61000 + 4 * page, (page << 12) | 7);
  memory.write32(0x60000, 0x61007);
  for (let page = 0; page < 1024; page++) memory.write32(0x62000 + 4 * page, (0xd0000000 + (page << 12)) | 7);
  memory.write32(0x60000 + 4 * (0xd0000000 >>> 22), 0x62007);
  pc.r[CPU.cr3 / 4] = 0x60000;
  pc.r[CPU.cr0 / 4] = 0x80000011 | 0;
  pc.engine.invalidate();
}

describe('What a device stores', () => {
  test.each(['a page of zeros', 'a page of its own', 'a page that a snapshot shares'])(
    'into %s is what the code loads',
    (what) => {
      const { pc, driver } = drivenPc(PAGE, 4);
      if (what !== 'a page of zeros') pc.write(PAGE, [1, 2, 3, 4]);
      const { captures } = pc.parts;
      const capture = what === 'a page that a snapshot shares' ? captures.create() : null;
      pc.write(CODE, [load('eax', PAGE), NOTIFY, WAIT, load('ebx', PAGE), [0xeb, 0xfe]].flat()).flat(CODE);
      pc.run(ALL);
      expect(driver.used(0)).toEqual([[0, 4]]);
      const [eax, ebx] = [pc.r[REGISTER.eax], pc.r[REGISTER.ebx]];
      expect(eax).toBe(what === 'a page of zeros' ? 0 : 0x04030201);
      expect(ebx).toBe(pc.parts.memory.read32(PAGE));
      expect(ebx).not.toBe(eax);
      if (capture !== null) expect([...captures.viewOfPage(capture, PAGE >>> 12).subarray(0, 4)]).toEqual([1, 2, 3, 4]);
    },
  );

  test('into code is what runs', () => {
    // The store has one byte, the low byte of the constant: mov $imm32, %ebx; ret.
    const { pc } = drivenPc(PAGE + 1, 1);
    pc.write(PAGE, [0xbb, 0, 0, 0, 0, 0xc3]);
    const call = (from: number): number[] => [0xe8, ...le32(PAGE - (from + 5))];
    const first = CODE;
    const second = CODE + 5 + 2 + NOTIFY.length + WAIT.length;
    pc.write(CODE, [...call(first), 0x89, 0xda, ...NOTIFY, ...WAIT, ...call(second), 0xeb, 0xfe]).flat(CODE);
    pc.r[REGISTER.esp] = 0x8000;
    pc.run(ALL);
    expect(pc.parts.memory.read8(PAGE + 1)).not.toBe(0);
    expect([pc.r[REGISTER.edx], pc.r[REGISTER.ebx]]).toEqual([0, pc.parts.memory.read8(PAGE + 1)]);
  });

  test('into a page table is what addresses mean', () => {
    // The second byte of the entry for PAGE + 4K: some other page of the first MiB.
    const entry = 0x61000 + 4 * ((PAGE >>> 12) + 1) + 1;
    const { pc } = drivenPc(entry, 1);
    usePaging(pc);
    for (let page = 0; page < 256; page++) {
      if (page !== 1 && (page < 0x10 || page >= 0x64)) pc.parts.memory.write32(page << 12, page + 1);
    }
    pc.write(PAGE + 0x1000, [0xff]);
    pc.write(CODE, [load('eax', PAGE + 0x1000), NOTIFY, WAIT, load('ebx', PAGE + 0x1000), [0xeb, 0xfe]].flat());
    pc.r[CPU.eip / 4] = CODE;
    pc.engine.invalidate();
    pc.run(ALL);
    const target = pc.parts.memory.read32(entry - 1) & -4096;
    expect(target).not.toBe(PAGE + 0x1000);
    expect([pc.r[REGISTER.eax], pc.r[REGISTER.ebx]]).toEqual([0xff, pc.parts.memory.read32(target)]);
  });

  test('outside the windows of the kernel is not stored, and the kernel stops', () => {
    const { pc, driver } = drivenPc(PAGE - 2, 4);
    pc.slot.windows = [{ firstPage: 0, endPage: PAGE >>> 12, shared: false }];
    pc.engine.invalidate();
    pc.write(CODE, [...NOTIFY, ...WAIT, 0xeb, 0xfe]).flat(CODE);
    expect(pc.run(ALL)).toBe(EngineStop.request);
    expect([pc.parts.memory.read32(PAGE - 2), driver.used(0), driver.read('status')]).toEqual([0, [], 0x4f]);
    expect(pc.slot.get('request')).toBe(Request.stop);
    expect(pc.slot.steps).toBeLessThan(LOOPS);
    expect(pc.stopText).toBe("a store of virtio-entropy at 0x00040000 is outside the kernel's windows");
  });
});

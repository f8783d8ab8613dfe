// SPDX-License-Identifier: MIT
//
// Jumps that are refused because something is wrong, not because a test asked for it; and what kernels that lean on each other
// may do to each other: replace each other's images, share an address, go away.
import { describe, expect, test } from 'vitest';
import { unloadImage } from '../../orchestrator/placing.ts';
import { Errno } from '../../shared/errno.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { dependents, endKernel, parkedIn } from '../../shared/kexec/ending.ts';
import { CONTROL } from '../../shared/layout/control-page.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { TraceType } from '../../shared/trace-ring.ts';
import { JumpBench, PAGE } from './jump-bench.ts';

const FIRST = 64;
const END = 88;
const INSIDE = FIRST + 1;

function booted(options = {}) {
  const bench = new JumpBench(options);
  const a = bench.boot('a');
  bench.fill(16, 200, 1);
  return { bench, a };
}

/** Everything but what a request and its answer leave in the leaver's slot, and the count of a slot's lives. */
function expectRefusal(bench: JumpBench, errno: number, to: KernelSlot | null = null): void {
  const before = bench.picture();
  expect(bench.jump(to)).toBe(errno);
  const changed = bench.differences(before, bench.picture());
  expect(changed.filter((where) => !/ (requestTarget|result|fault\w+|life)$/.test(where))).toEqual([]);
  expect(bench.current.state).toBe(KernelState.RUNNING);
  expect(bench.parts.captures.audit()).toEqual([]);
}

describe('a jump is refused, with nothing changed', () => {
  test('case 60: with EBUSY when the freezer fails, and nothing is left frozen', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'b', FIRST, END);
    bench.engine(a).refusal = Errno.ENOMEM;
    bench.forget();
    expectRefusal(bench, Errno.EBUSY);
    // The freezer has thawed itself: nobody asks the tasks to thaw.
    expect(bench.engine(a).calls).toEqual(['freeze']);
    expect(bench.events.find(({ type }) => type === TraceType.refused)).toMatchObject({ a: Errno.EBUSY, b: 2, c: 0 });
    bench.engine(a).refusal = 0;
    expect(bench.jump()).toBe(0);
  });

  test('with EBUSY while the lock is taken', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'b', FIRST, END);
    a.set('kexecLock', 1);
    expectRefusal(bench, Errno.EBUSY);
    a.set('kexecLock', 0);
    expect(bench.jump()).toBe(0);
  });

  test('with EINVAL to itself, to a kernel that is over, and to a slot that does not exist', () => {
    const { bench, a } = booted();
    expectRefusal(bench, Errno.EINVAL, a);
    const b = bench.loadImage(a, 'b', FIRST, END, false);
    bench.jump();
    expectRefusal(bench, Errno.EINVAL, a);
    expect([a.state, b.state]).toEqual([KernelState.OFF, KernelState.RUNNING]);
    b.set('requestTarget', 99);
    b.set('request', 1);
    expect(bench.departAsAsked()).toBe(Errno.EINVAL);
  });

  test('with EINVAL when the kernel has damaged its list, and the image can be replaced', () => {
    const { bench, a } = booted();
    bench.guestLoad(a, FIRST, END);
    const list = a.kexecImage.head & ~0xfff;
    bench.memory.write(list, new Uint8Array(PAGE).fill(0x22));
    expectRefusal(bench, Errno.EINVAL);
    expect(bench.parts.journal.active).toBe(false);
  });

  test('with EINVAL when the kernel has damaged the list in which it was loaded by another', () => {
    const { bench, a } = booted();
    bench.guestLoad(a, FIRST, END);
    const list = a.kexecImage.head & ~0xfff;
    const kept = bench.memory.read(list, PAGE);
    bench.jump();
    bench.memory.write(list, new Uint8Array(PAGE).fill(0x22));
    expectRefusal(bench, Errno.EINVAL);
    bench.memory.write(list, kept);
    expect(bench.jump()).toBe(0);
  });

  test.each([
    ['a hidden page', (bench: JumpBench) => (bench.memory.ramPages + 3) * PAGE],
    ['no memory', () => 0xfffff000 | 0],
    ['no page', () => 40 * PAGE + 4],
  ])('with EINVAL when the control page names as context page %s', (_, address) => {
    const { bench, a } = booted();
    bench.load('c', FIRST, END);
    bench.guestLoad(a, FIRST, END);
    bench.memory.write32(a.kexecImage.controlCodePage + CONTROL.contextPages + 8, address(bench));
    expectRefusal(bench, Errno.EINVAL);
  });

  test('with ENOMEM when there is no slot for the kernel that the image brings', () => {
    const { bench, a } = booted({ maxKernels: 2 });
    const b = bench.load('b', FIRST, END);
    bench.guestLoad(a, FIRST, END);
    expectRefusal(bench, Errno.ENOMEM);
    bench.remove(b);
    expect(bench.jump()).toBe(0);
  });

  test('with ENOMEM when there are no hidden pages for the kernel that the image brings', () => {
    const { bench, a } = booted({ spare: '32K' });
    bench.guestLoad(a, FIRST, END);
    expectRefusal(bench, Errno.ENOMEM);
  });

  test('with EBUSY when a device is still at work behind the line that froze it', () => {
    const { bench, a } = booted();
    bench.loadImage(a, 'b', FIRST, END);
    const device = bench.board(a).devices[4];
    let busy: string | null = 'it never stops';
    Object.assign(device, { busyReason: () => busy });
    expectRefusal(bench, Errno.EBUSY);
    busy = null;
    expect(bench.jump()).toBe(0);
  });

  test('with ENOEXEC when the image holds no kernel at its entry', () => {
    const { bench, a } = booted();
    const segments = [{ physAddr: FIRST * PAGE, bytes: new Uint8Array(PAGE).fill(0x90) }];
    expect(bench.guest(a).kexec.load({ entry: FIRST * PAGE, segments })).toBe(0);
    expectRefusal(bench, Errno.ENOEXEC);
  });

  test('with EINVAL by a plain kexec that would store outside what the leaver’s home list keeps for others', () => {
    const { bench, a } = booted();
    const c = bench.load('c', FIRST, END);
    bench.jump(c);
    bench.loadImage(c, 'too large', FIRST - 1, END, false);
    expectRefusal(bench, Errno.EINVAL);
    bench.loadImage(c, 'fits', FIRST, END, false);
    expect(bench.jump()).toBe(0);
    expect(bench.jump(a)).toBe(0);
    expect(bench.foreign(16, 200, 1)).toEqual([]);
  });

  test('with EINVAL to a kernel in a plain image of somebody else', () => {
    const { bench, a } = booted();
    const b = bench.loadImage(a, 'b', FIRST, END, false);
    const c = bench.load('c', FIRST, END);
    bench.jump(c);
    expectRefusal(bench, Errno.EINVAL, b);
    bench.jump(a);
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(b.index);
  });
});

describe('kernels that lean on each other', () => {
  test('a kernel that the image places at physical address 0 is entered', () => {
    const { bench, a } = booted();
    expect(bench.guestLoad(a, 0, 14)).toBe(0);
    expect(bench.jump()).toBe(0);
    expect([bench.cpu.eip, bench.current.address('entry')]).toEqual([0, 0]);
  });

  test('two kernels in one window, parked at one address, are each gone back to by their own child', () => {
    const { bench, a } = booted();
    const [c, d] = ['c', 'd'].map((name) => bench.load(name, FIRST, FIRST + 60));
    for (const twin of [c, d, c, d]) {
      expect(bench.jump(twin)).toBe(0);
      if (!twin.kexecImage.loaded) bench.guestLoad(twin, FIRST + 4, FIRST + 20);
      const child = bench.parts.slots[twin.kexecImage.target] ?? null;
      expect(bench.jump(child)).toBe(0);
      // The child goes back to its parent, which comes to its child again, and leaves it there: parked at the image's address.
      expect(bench.jump()).toBe(0);
      expect(bench.current.name).toBe(twin.name);
      expect(bench.jump()).toBe(0);
      expect(bench.jump(a)).toBe(0);
    }
    expect(c.address('reentry')).toBe(d.address('reentry'));
  });

  test('the console is in the foreground of a kernel that is entered for the first time', () => {
    const { bench, a } = booted();
    const b = bench.load('b', FIRST, END);
    bench.jump(b);
    expect(bench.parts.clock.foreground).toBe(b.index);
    bench.jump(a);
    expect(bench.parts.clock.foreground).toBe(a.index);
  });

  test('the host replaces and drops an image that the kernel made, and the kernel one that the host made', () => {
    const { bench, a } = booted();
    const bitmap = () => Buffer.from(bench.memory.read(2 * PAGE, PAGE)).toString('hex');
    // Nothing may be taken for bits of the bitmap behind its end.
    bench.memory.write(2 * PAGE + 256 / 8, new Uint8Array(PAGE - 256 / 8).fill(0xff));
    const before = bitmap();
    bench.guestLoad(a, FIRST, END);
    expect(bitmap()).not.toBe(before);
    const b = bench.loadImage(a, 'b', FIRST, END);
    expect(bitmap()).toBe(before);
    const ram = bench.memory.read(0, bench.memory.ramPages * PAGE);
    expect(bench.guest(a).kexec.unload()).toBe(0);
    expect(Buffer.compare(bench.memory.read(0, ram.length), ram)).toBe(0);
    expect([b.state, [...bench.memory.hiddenOwners].filter((owner) => owner > 0).length]).toEqual([
      KernelState.EMPTY,
      6,
    ]);
    bench.guestLoad(a, FIRST, END);
    bench.jump();
    bench.jump();
    unloadImage(bench.parts, a);
    expect([bitmap(), a.kexecImage.loaded]).toEqual([before, false]);
    expect(bench.parts.captures.audit()).toEqual([]);
  });

  test('a kernel that goes takes with it those in its memory, and theirs', () => {
    const { bench, a } = booted();
    const c = bench.load('c', FIRST, 200);
    bench.jump(c);
    bench.guestLoad(c, 80, 130);
    bench.jump();
    const d = bench.current;
    bench.guestLoad(d, 85, 95);
    bench.jump();
    const e = bench.current;
    bench.jump(a);
    const { parts, memory } = bench;
    expect(dependents(parts.slots, c).map(({ index }) => index)).toEqual([d.index, e.index]);
    endKernel(memory, parts.hidden, parts.slots, c);
    expect([c.state, d.state, e.state]).toEqual([KernelState.EMPTY, KernelState.EMPTY, KernelState.EMPTY]);
    expect(parts.hidden.of(a.index)).toHaveLength(6);
    expect([...memory.hiddenOwners].filter((owner) => owner > 0)).toHaveLength(6);
    expect(bench.foreign(16, 200, 1)).toEqual([]);
  });

  test('case 57: unloading in the loader ends the kernel of the image and those in its memory', () => {
    const { bench, a } = booted();
    bench.guestLoad(a, FIRST, 130);
    bench.jump();
    const b = bench.current;
    bench.guestLoad(b, 70, 80);
    bench.jump();
    const c = bench.current;
    bench.jump(a);
    expect(bench.guest(a).kexec.unload()).toBe(0);
    expect([b.state, c.state]).toEqual([KernelState.EMPTY, KernelState.EMPTY]);
    expectRefusal(bench, Errno.EINVAL, c);
  });

  test('a kernel that left through an image of the orchestrator is parked in pages of the kernel that it carries', () => {
    const { bench, a } = booted();
    const b = bench.loadImage(a, 'b', FIRST, END);
    const c = bench.load('c', FIRST, END);
    bench.jump();
    bench.jump(c);
    expect(parkedIn(bench.memory, bench.parts.slots, b).map(({ name }) => name)).toEqual(['a']);
    bench.jump(a);
    expect(parkedIn(bench.memory, bench.parts.slots, b)).toEqual([]);
    endKernel(bench.memory, bench.parts.hidden, bench.parts.slots, b);
    // The image went with its pages.
    expect(a.kexecImage.loaded).toBe(false);
    expect(bench.loadImage(a, 'b2', FIRST, END).state).toBe(KernelState.LOADED);
    expect(bench.jump()).toBe(0);
  });

  test('the heir of a plain kexec is carried by the image that carried the leaver, and has the leaver’s windows', () => {
    const { bench, a } = booted();
    bench.guestLoad(a, FIRST, 100);
    bench.jump();
    const b = bench.current;
    const { windows } = b;
    bench.guestLoad(b, FIRST, END, false);
    expect(bench.jump()).toBe(0);
    const heir = bench.current;
    expect([b.state, a.kexecImage.target, heir.windows]).toEqual([KernelState.OFF, heir.index, windows]);
    bench.jump(a);
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(heir.index);
    bench.jump(a);
    expect(bench.guest(a).kexec.unload()).toBe(0);
    expect(heir.state).toBe(KernelState.EMPTY);
    expect(bench.foreign(16, 200, 1)).toEqual([]);
  });

  test('a kernel that is put where another was finds its memory empty and its pages free', () => {
    const { bench, a } = booted();
    bench.memory.write(2 * PAGE, new Uint8Array(PAGE).fill(0xff));
    a.moveTo(KernelState.OFF);
    const next = bench.boot('next');
    expect(bench.guest(next).pages.allocate()).toBe(255 * PAGE);
    expect(bench.memory.read(INSIDE * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
  });
});

// SPDX-License-Identifier: MIT
//
// The border between two kernels: what the peer finds at its first instruction, what has changed when the first one is back,
// and what the next jump does. Each case for an image that the orchestrator loaded into hidden pages and for one that the
// kernel loaded itself into pages of its own.
import { beforeEach, describe, expect, test } from 'vitest';
import { Errno } from '../../shared/errno.ts';
import type { KernelSlot } from '../../shared/kernel-slot.ts';
import { walkList } from '../../shared/kexec/relocate.ts';
import { CONTROL, REENTRY_OFFSET } from '../../shared/layout/control-page.ts';
import { CPU, EFLAGS_DF, EFLAGS_IF, SEGMENT } from '../../shared/layout/cpu-state.ts';
import { KernelState } from '../../shared/lifecycle.ts';
import { JumpBench, PAGE, pattern } from './jump-bench.ts';

const FIRST = 64;
const END = 88;
/** Behind the entry page of the window. */
const INSIDE = FIRST + 1;

const RETURN_REQUEST = 2;

let bench: JumpBench;
let a: KernelSlot;

beforeEach(() => {
  bench = new JumpBench();
  a = bench.boot('a');
  bench.fill(16, 200, 1);
});

/** Source page of each destination page of A's image. */
function sources(): Map<number, number> {
  const found = new Map<number, number>();
  walkList(bench.memory, a.kexecImage.head, (to, from) => found.set(to / PAGE, from / PAGE));
  return found;
}

test('case 31: a jump with nothing loaded and nobody to go back to is EINVAL', () => {
  const before = bench.picture();
  expect(bench.jump()).toBe(Errno.EINVAL);
  expect(a.get('result')).toBe(Errno.EINVAL);
  expect(a.state).toBe(KernelState.RUNNING);
  const changed = bench.differences(before, bench.picture());
  expect(changed.filter((where) => !/ (requestTarget|result|fault\w+)$/.test(where))).toEqual([]);
});

const LOADS: readonly [string, (preserve?: boolean, routine?: boolean) => void][] = [
  ['an image of the orchestrator', (preserve) => void bench.loadImage(a, 'b', FIRST, END, preserve)],
  [
    'an image of the kernel’s own',
    (preserve, routine) => expect(bench.guestLoad(a, FIRST, END, preserve, routine)).toBe(0),
  ],
];

describe.each(LOADS)('with %s', (_, load) => {
  /** Registers that the border must not leave as they are. */
  function upsetCpu(): void {
    const { cpu } = bench;
    Object.assign(cpu, { eax: 1, ebx: 2, ecx: 3, edx: 4, esi: 5, edi: 6, ebp: 7 });
    cpu.eflags = 0x2 | EFLAGS_IF | EFLAGS_DF | 0x41;
    cpu.setWord(CPU.cr0, 0xe005003f | 0);
    cpu.setWord(CPU.cr2, 0xdeadb000 | 0);
    cpu.setWord(CPU.cr3, 0x5000);
    cpu.setWord(CPU.cr4, 0x6b0);
    for (const table of [CPU.gdtr, CPU.idtr]) {
      cpu.setWord(table, 0xc1000);
      cpu.setWord(table + 4, 0xff);
    }
    for (let i = 0; i < 8; i++) cpu.setWord(CPU.dr + 4 * i, 0x400 + i);
    for (const segment of [CPU.cs, CPU.ss, CPU.ds, CPU.es]) {
      cpu.setWord(segment + SEGMENT.selector, 0x7b);
      cpu.setWord(segment + SEGMENT.base, 0x1000);
      cpu.setWord(segment + SEGMENT.limit, 0xffff);
    }
  }

  test('case 33: the peer sees ESP = SW+0xFFC, [ESP] = CP+re-entry, CR0 masked, CR3 = CR4 = 0, IF = DF = 0, no GDT, no IDT', () => {
    load();
    upsetCpu();
    expect(bench.depart()).toBe(0);
    const { cpu } = bench;
    const { kexecImage: image } = a;
    expect(cpu.eip >>> 0).toBe(FIRST * PAGE);
    expect(cpu.esp >>> 0).toBe(image.swapPage + 0xffc);
    expect(bench.stackWord).toBe(image.controlCodePage + REENTRY_OFFSET);
    expect(a.address('reentry')).toBe(bench.stackWord);
    expect(cpu.cr0 >>> 0).toBe(((0xe005003f & 0x7ffafff3) | 1) >>> 0);
    expect([cpu.cr3, cpu.cr4, cpu.word(CPU.cr2) >>> 0]).toEqual([0, 0, 0xdeadb000]);
    expect(cpu.eflags).toBe(0x06);
    expect([CPU.gdtr, CPU.gdtr + 4, CPU.idtr, CPU.idtr + 4].map((at) => cpu.word(at))).toEqual([0, 0, 0, 0]);
    for (const segment of [CPU.cs, CPU.ss, CPU.ds, CPU.es]) {
      expect(cpu.word(segment + SEGMENT.selector)).toBe(segment === CPU.cs ? 0x60 : 0x68);
      expect([cpu.word(segment + SEGMENT.base), cpu.word(segment + SEGMENT.limit)]).toEqual([0, -1]);
    }
  });

  test('case 34: a plain kexec peer sees all GPRs 0, ESP = CP+0xFFC, [ESP] = 0', () => {
    load(false);
    upsetCpu();
    const { controlCodePage } = a.kexecImage;
    expect(bench.depart()).toBe(0);
    const { eax, ebx, ecx, edx, esi, edi, ebp, esp, eip, eflags, cr3, cr4 } = bench.cpu;
    expect([eax, ebx, ecx, edx, esi, edi, ebp, cr3, cr4]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0]);
    expect(esp >>> 0).toBe(controlCodePage + 0xffc);
    expect(bench.stackWord).toBe(0);
    expect(eip >>> 0).toBe(FIRST * PAGE);
    expect(eflags).toBe(0x46);
    expect(a.state).toBe(KernelState.OFF);
    const b = bench.wake();
    expect(b.get('backEntry')).toBe(0);
    // Nobody is left to go back to.
    expect(bench.jump()).toBe(Errno.EINVAL);
  });

  test('case 35: EAX = 0, EBX = head, ECX = 4, EDX = entry, ESI = 1, EDI = CP, EBP = the page list', () => {
    load();
    upsetCpu();
    expect(bench.depart()).toBe(0);
    const { eax, ebx, ecx, edx, esi, edi, ebp } = bench.cpu;
    const { head, controlCodePage, swapPage } = a.kexecImage;
    expect([eax, ebx >>> 0, ecx, edx, esi, edi >>> 0]).toEqual([0, head, 4, FIRST * PAGE, 1, controlCodePage]);
    const pageList = [0, 4, 8, 12].map((at) => bench.memory.read32(ebp + at) >>> 0);
    expect(pageList).toEqual([controlCodePage, controlCodePage, 0, swapPage]);
  });

  test('the control page holds the saved ESP and control registers, the swap page and the list', () => {
    load();
    upsetCpu();
    const esp = bench.cpu.esp >>> 0;
    const { head, controlCodePage: control, swapPage } = a.kexecImage;
    bench.depart();
    const word = (at: number) => bench.memory.read32(control + at) >>> 0;
    expect(word(CONTROL.savedEsp)).toBe(esp);
    expect([word(CONTROL.savedCr0), word(CONTROL.savedCr3), word(CONTROL.savedCr4)]).toEqual([
      0xe005003f, 0x5000, 0x6b0,
    ]);
    expect([word(CONTROL.controlVa), word(CONTROL.swapPage), word(CONTROL.head)]).toEqual([control, swapPage, head]);
  });

  test('case 37: the swap page holds the last source’s old bytes, but for the word that the call pushed', () => {
    load();
    const last = [...sources()].at(-1) ?? [0, 0];
    bench.memory.write(last[1] * PAGE, pattern(9, last[1]));
    expect(bench.depart()).toBe(0);
    const swap = bench.page(a.kexecImage.swapPage / PAGE);
    const expected = pattern(9, last[1]).slice();
    new DataView(expected.buffer).setUint32(0xffc, a.address('reentry'), true);
    expect(Buffer.compare(swap, expected)).toBe(0);
  });

  test('case 41: after there and back only the peer’s changed source pages, the swap page, CP data and context pages differ', () => {
    load();
    bench.cpu.ebx = 77;
    const cpuBefore = bench.picture().records;
    const changedPage = INSIDE + 3;
    const before = bench.memory.read(0, bench.memory.ramPages * PAGE);
    const source = sources().get(changedPage) ?? -1;
    const { controlCodePage, swapPage } = a.kexecImage;
    bench.jump();
    bench.memory.write(changedPage * PAGE, pattern(2, changedPage));
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(a.index);
    const after = bench.memory.read(0, bench.memory.ramPages * PAGE);
    const context = [0, 1, 2, 3].map((i) => bench.memory.read32(controlCodePage + CONTROL.contextPages + 4 * i) / PAGE);
    const allowed = new Set([source, swapPage / PAGE, controlCodePage / PAGE, ...context]);
    for (let page = 0; page < bench.memory.ramPages; page++) {
      const [x, y] = [before, after].map((bytes) => bytes.subarray(page * PAGE, (page + 1) * PAGE));
      if (!allowed.has(page)) expect({ page, equal: Buffer.compare(x, y) === 0 }).toEqual({ page, equal: true });
      if (page * PAGE !== controlCodePage) continue;
      // The call at the re-entry, Linux's data block, kjump's marker and context pages, the page list. Nothing used the stack.
      const bytes = [...x.keys()].filter((i) => x[i] !== y[i]);
      const isReentry = (i: number): boolean => i >= REENTRY_OFFSET && i < REENTRY_OFFSET + 4;
      const known = bytes.filter((i) => isReentry(i) || (i >= 0x800 && i < 0x834) || (i >= 0x840 && i < 0x850));
      expect(bytes).toEqual(known);
    }
    // The CPU and the devices are as they were: nothing ran on A's side and no time passed.
    const { machine } = bench.parts;
    const start = machine.region('clock').offset;
    const [cpu, slots] = [machine.region('cpu').offset - start, machine.region('slots').offset - start];
    expect(Buffer.compare(bench.picture().records.subarray(cpu, slots), cpuBefore.subarray(cpu, slots))).toBe(0);
  });

  test('case 42: bytes written by B in W are found in its source page after the return, and in W again on the next visit', () => {
    load();
    const keptAt = sources();
    bench.jump();
    bench.fill(INSIDE, END, 2);
    bench.jump();
    expect(bench.foreign(INSIDE, END, 1)).toEqual([]);
    for (let page = INSIDE; page < END; page++) {
      expect(Buffer.compare(bench.page(keptAt.get(page) ?? -1), pattern(2, page))).toBe(0);
    }
    bench.jump();
    expect(bench.foreign(INSIDE, END, 2)).toEqual([]);
  });

  test('case 43: bytes written by B outside W stay', () => {
    load();
    bench.jump();
    // As machine code could: the windows of TypeScript kernels would not let them.
    bench.memory.write(20 * PAGE, pattern(2, 20));
    bench.jump();
    expect(bench.foreign(19, 22, 1)).toEqual([20]);
    expect(bench.foreign(20, 21, 2)).toEqual([]);
  });

  test('case 44: the jump returns 0 after success and the image is still loaded', () => {
    load();
    a.set('result', Errno.EIO);
    expect(bench.jump()).toBe(0);
    expect(bench.jump()).toBe(0);
    expect([bench.current.index, a.get('result'), a.kexecImage.loaded]).toEqual([a.index, 0, true]);
    expect([a.state, a.get('kexecLock')]).toEqual([KernelState.RUNNING, 0]);
  });

  test('case 45: image->start is the peer’s re-entry after a return', () => {
    load();
    expect(a.kexecImage.start).toBe(FIRST * PAGE);
    bench.jump();
    const b = bench.current;
    bench.depart();
    const reentry = b.address('reentry');
    expect(reentry).toBe(b.address('controlPage') + REENTRY_OFFSET);
    bench.wake();
    expect([a.kexecImage.start, a.address('backEntry')]).toEqual([reentry, reentry]);
  });

  test('case 46: if the peer returns, image->start is the first word of the page after SW, and a next jump is refused', () => {
    load(true, true);
    const { swapPage } = a.kexecImage;
    bench.jump();
    const routine = bench.current;
    const word = bench.memory.read32(swapPage + PAGE) >>> 0;
    // What the engine leaves in the slot when a function has returned.
    routine.set('requestTarget', a.index);
    routine.set('request', RETURN_REQUEST);
    expect(bench.departAsAsked()).toBe(0);
    expect(bench.cpu.esp >>> 0).toBe(swapPage + PAGE);
    bench.wake();
    expect([a.kexecImage.start, a.address('backEntry')]).toEqual([word, word]);
    expect(routine.state).toBe(KernelState.OFF);
    // Linux would go there and crash.
    expect(bench.jump()).toBe(word === 0 ? Errno.EINVAL : Errno.ENOEXEC);
    expect(a.state).toBe(KernelState.RUNNING);
  });

  test('case 48: the second jump continues the peer after its own jump', () => {
    load();
    bench.jump();
    const b = bench.current;
    Object.assign(bench.cpu, { eax: 0x1b, eip: FIRST * PAGE + 0x123, interruptsEnabled: true });
    bench.jump();
    Object.assign(bench.cpu, { eax: 0x1a, eip: 0x1111 });
    expect(bench.jump()).toBe(0);
    expect(bench.current.index).toBe(b.index);
    expect([bench.cpu.eax, bench.cpu.eip, bench.cpu.interruptsEnabled]).toEqual([0x1b, FIRST * PAGE + 0x123, true]);
    expect([b.get('arrivals'), b.get('departures'), b.get('result')]).toEqual([2, 1, 0]);
    bench.jump();
    expect([bench.cpu.eax, bench.cpu.eip]).toEqual([0x1a, 0x1111]);
  });

  test('case 49: over many round trips A’s data stays, W holds A’s bytes after each and B’s bytes between', () => {
    load();
    bench.jump();
    bench.fill(INSIDE, END, 2);
    for (let trip = 0; trip < 20; trip++) {
      bench.jump();
      expect(bench.current.index).toBe(a.index);
      expect(bench.foreign(16, 200, 1)).toEqual([]);
      bench.jump();
      expect(bench.foreign(INSIDE, END, 2)).toEqual([]);
      expect(bench.foreign(16, FIRST, 1)).toEqual([]);
      expect(bench.foreign(END, 200, 1)).toEqual([]);
    }
    expect(bench.parts.captures.audit()).toEqual([]);
  });

  test('case 54: debug registers are zero at the peer, and A’s again after the return', () => {
    load();
    upsetCpu();
    bench.cpu.eflags |= 0x100;
    bench.depart();
    const dr = () => [0, 1, 2, 3, 6, 7].map((i) => bench.cpu.word(CPU.dr + 4 * i));
    expect(dr()).toEqual([0, 0, 0, 0, 0, 0]);
    bench.wake();
    bench.jump();
    expect(dr()).toEqual([0x400, 0x401, 0x402, 0x403, 0x406, 0x407]);
    expect(bench.cpu.eflags & 0x100).toBe(0x100);
  });

  test('case 57: a reload in A while B is parked ends B; the new image has a new control page and starts anew', () => {
    load();
    bench.jump();
    const b = bench.current;
    bench.fill(INSIDE, END, 2);
    bench.jump();
    const { controlCodePage } = a.kexecImage;
    const life = b.get('life');
    load();
    expect(a.kexecImage.controlCodePage).not.toBe(controlCodePage);
    expect(b.state === KernelState.EMPTY || b.get('life') !== life).toBe(true);
    expect(bench.jump()).toBe(0);
    expect(bench.current.get('arrivals')).toBe(1);
    expect(bench.memory.read(INSIDE * PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
    bench.jump();
    expect(bench.parts.captures.audit()).toEqual([]);
  });
});

test('case 43: bytes written in a window that is shared stay, and bytes in the private one do not', () => {
  const shared = [{ firstPage: 40, endPage: 42, shared: true }];
  const b = bench.load('b', FIRST, END, shared);
  bench.jump(b);
  const k = bench.guest(b);
  k.memory.write(40 * PAGE, pattern(2, 40));
  k.memory.write(INSIDE * PAGE, pattern(2, INSIDE));
  expect(() => k.memory.write8(42 * PAGE, 0)).toThrow("outside the kernel's windows");
  bench.jump(a);
  expect(bench.foreign(16, 200, 1)).toEqual([40]);
  bench.jump(b);
  expect(bench.foreign(INSIDE, INSIDE + 1, 2)).toEqual([]);
});

test('case 47: entered with [ESP] = 0, by a plain kexec into its re-entry, a kernel has image->start = 0', () => {
  // The hibernation without ACPI: A's memory, saved while B has the machine, is brought back by C in another machine.
  const saved = new JumpBench();
  const first = saved.boot('a', 0, 100);
  saved.fill(16, 60, 1);
  saved.guestLoad(first, 30, 54);
  saved.cpu.ecx = 0xa11;
  saved.jump();
  saved.fill(31, 54, 2);
  const memory = saved.memory.read(0, 100 * PAGE);
  const reentry = first.address('reentry');

  const c = bench.boot('c', 120, 256);
  const segments = [{ physAddr: 0, bytes: memory }];
  expect(bench.guest(c).kexec.load({ entry: reentry, segments, preserve: false })).toBe(0);
  expect(bench.jump()).toBe(0);
  const revived = bench.current;
  expect([revived.name, revived.state, c.state]).toEqual(['a', KernelState.RUNNING, KernelState.OFF]);
  expect(bench.cpu.ecx).toBe(0xa11);
  expect(bench.foreign(16, 60, 1)).toEqual([]);
  expect([revived.kexecImage.start, revived.get('backEntry'), revived.kexecImage.loaded]).toEqual([0, 0, true]);
  // Jumping to 0 is what Linux would do next: reload first.
  expect(bench.jump()).toBe(Errno.EINVAL);
  expect(bench.guestLoad(revived, 30, 54)).toBe(0);
  expect(bench.jump()).toBe(0);
  expect(bench.parts.captures.audit()).toEqual([]);
});

// SPDX-License-Identifier: MIT
//
// There and back in machine code: which bytes are not what they were, where what the peer wrote is, and where the leaver goes next
// time. The stub's return value, in EAX at the caller's next instruction, is what a kernel keeps as image->start.
import { describe, expect, test } from 'vitest';
import { firstDifference, pattern } from '../kexec/loading-kernel.ts';
import { AT, CALLER, changedBytes, DONE, destination, FREE_PAGE, PAGE, StubPc, source } from './stub-pc.ts';

const W = FREE_PAGE;
const PAGES = 24;
const SOURCE = FREE_PAGE + 0x100;
const OUTSIDE = FREE_PAGE + 0x80;
const START = W * PAGE;
const COUNTER = (W + 5) * PAGE + 0x123;

const bytesOf = (value: number): number[] =>
  [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
/** L: INC DWORD [COUNTER]; INC DWORD [OUTSIDE]; MOV EAX, [ESP]; CALL EAX; JMP L. */
const CALLS = [
  0xff,
  0x05,
  ...bytesOf(COUNTER),
  0xff,
  0x05,
  ...bytesOf(OUTSIDE * PAGE),
  0x8b,
  0x04,
  0x24,
  0xff,
  0xd0,
  0xeb,
  0xed,
];
/** Where its call comes back to. */
const PEER_REENTRY = START + CALLS.length - 2;
/** INC DWORD [COUNTER]; RET. */
const RETURNS = [0xff, 0x05, ...bytesOf(COUNTER), 0xc3];
/** MOV EAX, [ESP]; PUSH 0; JMP EAX: in through the re-entry as after a plain kexec. */
const ENTERS_WITH_ZERO = [0x8b, 0x04, 0x24, 0x6a, 0x00, 0xff, 0xe0];

const KERNELS = [
  { pae: false, relocation: 'exchange' },
  { pae: true, relocation: 'exchange' },
  { pae: false, relocation: 'copy' },
] as const;

function kernel(peer: readonly number[], options: ConstructorParameters<typeof StubPc>[0] = {}): StubPc {
  const pc = new StubPc(options);
  for (let page = FREE_PAGE; page < pc.memory.ramPages; page++) pc.memory.write(page * PAGE, pattern(page));
  pc.writeList([destination(W), ...Array.from({ length: PAGES }, (_, i) => source(SOURCE + i)), DONE]);
  pc.pc.write(SOURCE * PAGE, peer);
  pc.put((SOURCE + 5) * PAGE + 0x123, 0);
  return pc;
}

/** The stub once, with its way back: image->start. */
function thereAndBack(pc: StubPc, start = START): number {
  expect(pc.call({ start })).toBe('to the peer');
  expect(pc.register('eip')).toBe(start);
  expect(pc.run()).toBe('back');
  return pc.register('eax');
}

describe.each(KERNELS)('with PAE: $pae, whole pages in mode $relocation', (options) => {
  test('case 41: only source pages that the peer changed, the swap page, CP data and stack words, and dead stack differ', () => {
    const pc = kernel(CALLS, options);
    pc.pc.write(AT.control, pc.stub.bytes);
    // The first time fills in the stack’s arguments, and what else is the caller’s.
    thereAndBack(pc);
    const before = pc.ram();
    thereAndBack(pc, PEER_REENTRY);
    const esp = pc.callerEsp - 0xc0000000;
    const stack = AT.control + PAGE;
    const unknown = changedBytes(before, pc.ram()).filter((at) => {
      const counter = at - (COUNTER - W * PAGE + SOURCE * PAGE);
      const isPeers = (counter >= 0 && counter < 4) || Math.floor(at / PAGE) === OUTSIDE;
      const isStub = (at >= AT.control + 0x800 && at < AT.control + 0x820) || (at >= stack - 40 && at < stack);
      const isDeadStack = at >= esp - 20 && at < esp;
      // The start of the second call is another one.
      const isArgument = at >= esp + 12 && at < esp + 16;
      return !isPeers && !isStub && !isDeadStack && !isArgument && Math.floor(at / PAGE) !== AT.swap / PAGE;
    });
    expect(unknown).toEqual([]);
  });

  test('case 41: the caller finds its registers, flags, control registers and stack again', () => {
    const pc = kernel(CALLS, options);
    thereAndBack(pc);
    const { ebx, esi, edi, ebp, eflags, cr0 } = CALLER;
    const names = ['ebx', 'esi', 'edi', 'ebp', 'eflags', 'cr0', 'cr3', 'cr4', 'esp'] as const;
    const found = names.map((name) => pc.register(name));
    expect(found).toEqual([ebx, esi, edi, ebp, eflags, cr0 >>> 0, AT.tables, pc.cr4, pc.callerEsp + 4]);
  });

  test('case 42: bytes written by the peer in W are in its source page after the return, and in W again on the next visit', () => {
    const pc = kernel(CALLS, options);
    const start = thereAndBack(pc);
    expect(pc.word((SOURCE + 5) * PAGE + 0x123)).toBe(1);
    expect(firstDifference(pc.page(W + 5), pattern(W + 5))).toBe(-1);
    pc.call({ start });
    expect(pc.word(COUNTER)).toBe(1);
    expect(firstDifference(pc.page(SOURCE + 5), pattern(W + 5))).toBe(-1);
    expect(pc.run()).toBe('back');
    expect(pc.word((SOURCE + 5) * PAGE + 0x123)).toBe(2);
  });

  test('case 43: bytes written by the peer outside W stay', () => {
    const pc = kernel(CALLS, options);
    const before = pc.word(OUTSIDE * PAGE);
    thereAndBack(pc);
    expect(pc.word(OUTSIDE * PAGE)).toBe(before + 1);
  });

  test('case 45: image->start is the peer’s re-entry if it came back by CALL', () => {
    expect(thereAndBack(kernel(CALLS, options))).toBe(PEER_REENTRY);
  });

  test('case 46: if the peer returns, image->start is the first word of the page after SW', () => {
    const pc = kernel(RETURNS, options);
    pc.put(AT.behindSwap, 0x55575653);
    expect(thereAndBack(pc)).toBe(0x55575653);
  });

  test('case 47: entered with [ESP] = 0, image->start is 0', () => {
    expect(thereAndBack(kernel(ENTERS_WITH_ZERO, options))).toBe(0);
  });

  test('case 48: the second call goes on in the peer behind its own call, and the third', () => {
    const pc = kernel(CALLS, options);
    let start = thereAndBack(pc);
    for (const visits of [2, 3]) {
      start = thereAndBack(pc, start);
      expect([start, pc.word((SOURCE + 5) * PAGE + 0x123)]).toEqual([PEER_REENTRY, visits]);
    }
  });

  test('case 49: over many round trips the leaver’s data stays, W holds its bytes after each and the peer’s between', () => {
    const pc = kernel(CALLS, options);
    for (let trip = 1, start = START; trip <= 40; trip++) {
      expect(pc.call({ start })).toBe('to the peer');
      for (const page of [W + 1, W + 23]) expect(firstDifference(pc.page(page), pattern(SOURCE + page - W))).toBe(-1);
      expect(pc.run()).toBe('back');
      start = pc.register('eax');
      for (let page = W; page < W + PAGES; page++) expect(firstDifference(pc.page(page), pattern(page))).toBe(-1);
      expect(pc.word((SOURCE + 5) * PAGE + 0x123)).toBe(trip);
    }
    expect(pc.pc.parts.captures.audit()).toEqual([]);
  });
});

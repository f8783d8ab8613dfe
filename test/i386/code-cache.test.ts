// SPDX-License-Identifier: MIT
// Code that changes under its decoded form: SDM vol. 3A §11.6 asks for a jump behind a change; ours is exact even for the next
// instruction. And the other way round: what has not changed is not decoded again.
import { describe, expect, test } from 'vitest';
import { Pc } from './pc.ts';

const CODE = 0x1000;
const EAX = 0;
const ECX = 1;
const ESI = 6;

/** 32-bit little-endian bytes. */
const dword = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

function boot(code: readonly number[], at = CODE): Pc {
  const pc = new Pc({ memory: '1M' });
  pc.write(at, code);
  pc.flat(at);
  pc.r[4] = 0x8000;
  return pc;
}

describe('self-modifying code', () => {
  test('a store to the very next instruction is seen by it', () => {
    // mov byte [CODE + 8], 0x41 (inc ecx); inc eax -> inc ecx
    const pc = boot([0xc6, 0x05, ...dword(CODE + 7), 0x41, 0x40]);
    pc.run(2);
    expect([pc.r[EAX], pc.r[ECX]]).toEqual([0, 1]);
  });

  test('a store in a loop that is linked to itself is seen in its next round', () => {
    // mov ecx, 3; L: inc eax; mov byte [L], 0x46 (inc esi); loop L
    const pc = boot([0xb9, ...dword(3), 0x40, 0xc6, 0x05, ...dword(CODE + 5), 0x46, 0xe2, 0xf6]);
    pc.run(1 + 3 * 3);
    expect([pc.r[EAX], pc.r[ESI]]).toEqual([1, 2]);
  });

  test('a call whose pushed return address overwrites the code that it calls runs the new code', () => {
    // mov esp, F + 4; call F; F: inc eax (overwritten by the return address, CODE + 10 = 0x0000100a: or al, [eax]...)
    const code = [0xbc, ...dword(CODE + 10 + 4), 0xe8, ...dword(0), 0x40, 0x40, 0x40, 0x40, 0x46];
    const pc = boot(code);
    pc.r[EAX] = 0x4000;
    pc.write(0x4000, [0x55]);
    // The bytes at F are now 0a 10 00 00: or dl, [eax]; add [eax], al.
    pc.run(4);
    expect(pc.r[2]).toBe(0x55);
    expect(pc.r[EAX]).toBe(0x4000);
  });

  test('a store through another linear mapping of the frame is seen', () => {
    const pc = boot([0xc6, 0x05, ...dword(0x400000 + CODE + 7), 0x41, 0x40]);
    // A page directory that maps the first 4 MiB twice.
    const directory = 0x10000;
    pc.write(directory, [...dword(0x83), ...dword(0x83)]);
    pc.r[51] = 0x10;
    pc.r[50] = directory;
    pc.r[48] |= 0x80000000;
    pc.engine.invalidate();
    pc.run(2);
    expect([pc.r[EAX], pc.r[ECX]]).toEqual([0, 1]);
  });

  test('a string store over code that lies ahead is seen', () => {
    // mov edi, next; mov al, 0x41; mov ecx, 2; rep stosb; next: inc eax; inc eax
    const pc = boot([0xbf, ...dword(CODE + 14), 0xb0, 0x41, 0xb9, ...dword(2), 0xf3, 0xaa, 0x40, 0x40]);
    pc.run(6);
    expect([pc.r[EAX] & 0xff, pc.r[ECX]]).toEqual([0x41, 2]);
  });

  test('a page that is copied over the page of the code, frame and all, goes on behind the copy', () => {
    // mov esi, 3000; mov edi, CODE; mov ecx, 400; rep movsd; inc eax, and inc ebx in the copy
    const copy = [0xbe, ...dword(0x3000), 0xbf, ...dword(CODE), 0xb9, ...dword(0x400), 0xf3, 0xa5, 0x40, 0xeb, 0xfe];
    const pc = boot(copy);
    pc.write(0x3000, copy.with(-3, 0x43));
    pc.run(6);
    expect(pc.board.memory.frameOf(CODE >>> 12)).toBe(pc.board.memory.frameOf(3));
    expect([pc.r[EAX], pc.r[3]]).toEqual([0, 1]);
  });

  test('a store by anybody else between two runs is seen', () => {
    const pc = boot([0x40, 0xeb, 0xfd]);
    pc.run(10);
    pc.write(CODE, [0x41]);
    const eax = pc.r[EAX];
    pc.run(10);
    expect(pc.r[EAX]).toBe(eax);
    expect(pc.r[ECX]).toBe(5);
  });

  test('a frame that is given up and used again holds other code', () => {
    const pc = boot([0x40, 0xeb, 0xfd]);
    pc.run(10);
    const { memory } = pc.parts;
    memory.zero(CODE >>> 12);
    pc.write(0x5000, [1]);
    pc.write(CODE, [0x41, 0xeb, 0xfd]);
    pc.run(10);
    expect(pc.r[ECX]).toBe(5);
  });
});

describe('code that stays', () => {
  const rounds = 1000;

  test('is decoded once, however often it runs', () => {
    const pc = boot([0x40, 0x49, 0x75, 0xfc, 0xeb, 0xfe]);
    pc.r[ECX] = rounds;
    pc.run(3 * rounds);
    expect(pc.r[EAX]).toBe(rounds);
    expect(pc.engine.cache.decoded).toBeLessThan(10);
  });

  test('is decoded once although its last instruction lies across two pages', () => {
    // inc eax; add ebx, imm32 (across); dec ecx; jnz back
    const at = 0x1ffd;
    const pc = boot([0x40, 0x81, 0xc3, ...dword(1), 0x49, 0x75, 0xf6, 0xeb, 0xfe], at);
    pc.r[ECX] = rounds;
    pc.run(4 * rounds);
    expect([pc.r[EAX], pc.r[3]]).toEqual([rounds, rounds]);
    expect(pc.engine.cache.decoded).toBeLessThan(10);
  });

  test('is decoded once although data in its page changes', () => {
    // L: inc dword [CODE + 0x800]; dec ecx; jnz L
    const pc = boot([0xff, 0x05, ...dword(CODE + 0x800), 0x49, 0x75, 0xf7, 0xeb, 0xfe]);
    pc.r[ECX] = rounds;
    pc.run(3 * rounds);
    expect(pc.parts.memory.read32(CODE + 0x800)).toBe(rounds);
    expect(pc.engine.cache.decoded).toBeLessThan(10);
  });

  test('is decoded once although pages with other code change places around it', () => {
    // L: call 2000; mov esi, edx; mov edi, 2000; mov ecx, 400; rep movsd; xor edx, 7000; dec ebx; jnz L
    const call = [
      0xe8,
      ...dword(0x2000 - CODE - 5),
      0x89,
      0xd6,
      0xbf,
      ...dword(0x2000),
      0xb9,
      ...dword(0x400),
      0xf3,
      0xa5,
    ];
    const pc = boot([...call, 0x81, 0xf2, ...dword(0x7000), 0x4b, 0x75, 0xe4, 0xeb, 0xfe]);
    for (const page of [0x2000, 0x3000, 0x4000]) pc.write(page, [0x40, 0xc3]);
    [pc.r[2], pc.r[3]] = [0x3000, rounds];
    pc.run(10 * rounds);
    expect(pc.r[EAX]).toBe(rounds);
    expect(pc.engine.cache.decoded).toBeLessThan(30);
  });

  test('is not decoded again after a switch of address spaces', () => {
    // L: mov cr3, edx; dec ecx; jnz L
    const pc = boot([0x0f, 0x22, 0xda, 0x49, 0x75, 0xfa, 0xeb, 0xfe]);
    const directory = 0x10000;
    pc.write(directory, dword(0x83));
    pc.r[2] = directory;
    pc.r[51] = 0x10;
    pc.r[50] = directory;
    pc.r[48] |= 0x80000000;
    pc.r[ECX] = rounds;
    pc.engine.invalidate();
    pc.run(3 * rounds);
    expect(pc.r[ECX]).toBe(0);
    expect(pc.engine.cache.decoded).toBeLessThan(10);
  });
});

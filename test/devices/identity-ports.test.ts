// SPDX-License-Identifier: MIT
// What a system reads about itself at ports 0x5E0 to 0x5FF.
import { beforeEach, describe, expect, test } from 'vitest';
import { Bus } from '../../kernel-worker/bus.ts';
import { IdentityPorts } from '../../kernel-worker/devices/identity-ports.ts';

const PORT = 0x5e0;

describe('the identity ports', () => {
  let bus: Bus;
  let id: Uint8Array;
  let seconds = 0;
  beforeEach(() => {
    bus = new Bus({ view: new DataView(new ArrayBuffer(1024)), base: 0 });
    id = Uint8Array.from({ length: 16 }, (_, i) => 0xf0 + i);
    seconds = 0x12345;
    new IdentityPorts(
      () => seconds,
      () => id,
    ).attach(bus);
  });

  test('give a signature, their size, the seconds outside, and the generation id, in any width', () => {
    const words = [0, 4, 8, 12, 16, 20, 24, 28].map((at) => bus.read32(PORT + at) >>> 0);
    expect(words).toEqual([0x504d4a4b, 32, 0x12345, 0, 0xf3f2f1f0, 0xf7f6f5f4, 0xfbfaf9f8, 0xfffefdfc]);
    expect([bus.read8(PORT + 9), bus.read16(PORT + 17)]).toEqual([0x23, 0xf2f1]);
    expect([bus.ownerOf(PORT - 1), bus.ownerOf(PORT + 32)]).toEqual(['nobody', 'nobody']);
  });

  test('are those of whoever asks, at the moment', () => {
    id = new Uint8Array(16).fill(7);
    seconds = 2 ** 31 - 1;
    expect([bus.read32(PORT + 8), bus.read32(PORT + 16)]).toEqual([0x7fffffff, 0x07070707]);
  });

  test('cannot be written', () => {
    for (let at = 0; at < 32; at += 4) bus.write32(PORT + at, 0);
    expect([bus.read32(PORT + 4), bus.read8(PORT + 31)]).toEqual([32, 0xff]);
    expect(id[0]).toBe(0xf0);
  });
});

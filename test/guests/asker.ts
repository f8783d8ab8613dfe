// SPDX-License-Identifier: MIT
//
// Asks the machine who it is, and its clock what time it is, and writes the answers: the interface of TypeScript kernels and the
// ports of machine code.
import type { Guest } from '../../shared/guest.ts';

const IDENTITY = 0x5e0;

function rtc(k: Guest, index: number): string {
  k.ports.out8(0x70, index);
  return k.ports.in8(0x71).toString(16).padStart(2, '0');
}

export function step(k: Guest): void {
  const ports = Array.from({ length: 32 }, (_, i) =>
    k.ports
      .in8(IDENTITY + i)
      .toString(16)
      .padStart(2, '0'),
  ).join('');
  const time = [4, 2, 0].map((index) => rtc(k, index)).join(':');
  k.console.write(`${k.generationId} ${k.outsideSeconds} ${ports} ${time}\n`);
}

// SPDX-License-Identifier: MIT
//
// A function of the kind that a BIOS offers, called in physical mode: the date of the real-time clock (INT 1Ah, AH = 04h).
// Out: CH century, CL year, DH month, DL day, in BCD; and the date as a text at EDI, if EDI is not 0.
import type { Guest } from '../../shared/guest.ts';

const CMOS_INDEX = 0x70;
const CMOS_DATA = 0x71;
const [DAY, MONTH, YEAR, CENTURY] = [7, 8, 9, 0x32];

export function call(k: Guest): void {
  const [century, year, month, day] = [CENTURY, YEAR, MONTH, DAY].map((register) => {
    k.ports.out8(CMOS_INDEX, register);
    return k.ports.in8(CMOS_DATA);
  });
  k.cpu.ecx = (century << 8) | year;
  k.cpu.edx = (month << 8) | day;
  // BCD digits read right in hexadecimal.
  const two = (bcd: number) => bcd.toString(16).padStart(2, '0');
  if (k.cpu.edi === 0) return;
  k.memory.write(k.cpu.edi, new TextEncoder().encode(`${two(century)}${two(year)}-${two(month)}-${two(day)}`));
}

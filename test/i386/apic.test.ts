// SPDX-License-Identifier: MIT
//
// Machine code with the local APIC and the I/O APIC: their interrupts reach the CPU like those of the 8259A, end HLT, and are over by a
// store to EOI.
import { describe, expect, test } from 'vitest';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { IO_APIC_ADDRESS } from '../../shared/layout/io-apic-state.ts';
import { LOCAL_APIC_ADDRESS } from '../../shared/layout/local-apic-state.ts';
import { le32 } from './le32.ts';
import { Pc, REGISTER } from './pc.ts';

const CODE = 0x1000;
const HANDLER = 0x2000;
const VECTOR = 0x40;
const SVR = LOCAL_APIC_ADDRESS + 0xf0;
const EOI = LOCAL_APIC_ADDRESS + 0xb0;
const ISR = LOCAL_APIC_ADDRESS + 0x120;
const ICR = LOCAL_APIC_ADDRESS + 0x300;
const TIMER = LOCAL_APIC_ADDRESS + 0x320;
const INITIAL = LOCAL_APIC_ADDRESS + 0x380;
const DIVIDE = LOCAL_APIC_ADDRESS + 0x3e0;

/** mov dword [address], value in 16-bit code. */
const store = (address: number, value: number): number[] => [0x66, 0x67, 0xc7, 0x05, ...le32(address), ...le32(value)];
const out8 = (port: number, value: number): number[] => [0xb0, value, 0xe6, port];
const INC_CX = 0x41;
const INC_BX = 0x43;
const STI_HLT = [0xfb, 0xf4];
const SPIN = [0xeb, 0xfe];

/** Real mode with segments of 4 GiB; the handler of the vector counts in CX, and then does what it is given. */
function pcWith(code: number[], handler: number[]): Pc {
  const pc = new Pc();
  pc.write(VECTOR * 4, [...le32(HANDLER)]).write(HANDLER, [INC_CX, ...handler, 0xcf]);
  pc.write(CODE, code).real(0, CODE);
  for (let n = 0; n < 6; n++) pc.r[CPU.es / 4 + 4 * n + 2] = -1;
  pc.r[REGISTER.esp] = 0x8000;
  pc.engine.invalidate();
  return pc;
}

const inService = (pc: Pc): number => pc.board.bus.readMemory(ISR, 4);

describe('Machine code', () => {
  test('is woken from HLT by the timer of the local APIC, at its tick, again and again', () => {
    const start = [
      ...store(SVR, 0x1ff),
      ...store(DIVIDE, 0xb),
      ...store(TIMER, 0x20000 | VECTOR),
      ...store(INITIAL, 5000),
    ];
    const loop = [...STI_HLT, INC_BX, 0xeb, 0xfb];
    const pc = pcWith([...start, ...loop], store(EOI, 0));
    pc.run(4);
    const started = pc.parts.clock.nowTick() - 100 - 10;
    pc.engine.run(1000, started + 3 * 50_000 + 1000);
    expect([pc.r[REGISTER.ecx], pc.r[REGISTER.ebx], inService(pc)]).toEqual([3, 3, 0]);
  });

  test('that commands an interrupt for itself is interrupted behind that very store', () => {
    const pc = pcWith([...store(SVR, 0x1ff), 0xfb, 0x90, ...store(ICR, 0x40000 | VECTOR), INC_BX, ...SPIN], []);
    pc.run(6);
    expect([pc.r[REGISTER.ecx], pc.r[REGISTER.ebx], inService(pc)]).toEqual([1, 0, 1]);
  });

  test('that does not end an interrupt gets no other of its class', () => {
    const command = store(ICR, 0x40000 | VECTOR);
    const pc = pcWith([...store(SVR, 0x1ff), 0xfb, 0x90, ...command, INC_BX, ...command, ...SPIN], []);
    pc.run(30);
    expect([pc.r[REGISTER.ecx], pc.r[REGISTER.ebx]]).toEqual([1, 1]);
  });

  test('in symmetric mode is interrupted by the 8254 through the I/O APIC, and by the 8259A no more', () => {
    const symmetric = [...out8(0x22, 0x70), ...out8(0x23, 1)];
    const pics = [...out8(0x20, 0x11), ...out8(0x21, 0x50), ...out8(0x21, 4), ...out8(0x21, 1), ...out8(0x21, 0)];
    const pit = [...out8(0x43, 0x34), ...out8(0x40, 0x00), ...out8(0x40, 0x01)];
    const entry = [...store(IO_APIC_ADDRESS, 0x14), ...store(IO_APIC_ADDRESS + 0x10, VECTOR)];
    const loop = [...STI_HLT, INC_BX, 0xeb, 0xfb];
    const pc = pcWith([...store(SVR, 0x1ff), ...symmetric, ...pics, ...pit, ...entry, ...loop], store(EOI, 0));
    pc.write(0x50 * 4, le32(0x3000)).write(0x3000, SPIN);
    pc.engine.run(1000, 1_000_000);
    // 256 pulses of 1.193182 MHz are 214.6 µs.
    expect([pc.r[REGISTER.ecx], pc.r[REGISTER.ebx], pc.board.pic.intr()]).toEqual([4, 4, true]);
  });
});

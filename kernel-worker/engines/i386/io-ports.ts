// SPDX-License-Identifier: MIT
//
// IN and OUT, and who may (SDM vol. 1 §18.5; vol. 3A §20.2.8.2): IOPL, or the permission bitmap of the task state. Devices live in
// virtual time, so they are told the time of the access first; an access may move deadlines and interrupt lines, so decoded
// code is left behind it.
import { type Bus, PORT_TICKS } from '../../bus.ts';
import type { Cpu } from './cpu.ts';
import { ioPrivilege } from './descriptors.ts';
import { type Helper, readRegister, sizeOf, writeRegister } from './operands.ts';

const EAX = 0;
const EDX = 2;
const TR_BASE = 41;
const TR_LIMIT = 42;
const TR_ATTRIBUTES = 43;
const GENERAL_PROTECTION = 13;
/** Type of a task state without its busy bit. */
const TSS32 = 9;
const IO_MAP_BASE = 0x66;

/** True if `size` ports from `port` on may be used; otherwise a fault is posted: #GP(0), or #PF of the bitmap. */
export function mayUsePort(cpu: Cpu, port: number, size: number): boolean {
  if (!cpu.protectedMode || (!cpu.virtual8086 && cpu.cpl <= ioPrivilege(cpu))) return true;
  if (isInBitmap(cpu, port, size)) return true;
  cpu.raise(GENERAL_PROTECTION, 0);
  return false;
}

function isInBitmap(cpu: Cpu, port: number, size: number): boolean {
  const { r } = cpu;
  const limit = r[TR_LIMIT] >>> 0;
  if ((r[TR_ATTRIBUTES] & 0x9d) !== (0x80 | TSS32) || limit < IO_MAP_BASE + 1) return false;
  const mapBase = cpu.loadSystem16((r[TR_BASE] + IO_MAP_BASE) | 0);
  if (cpu.fault !== 0) return false;
  // Two bytes are read, whatever the port: the bits of an access may straddle them.
  const at = mapBase + (port >>> 3);
  if (at + 1 > limit) return false;
  const bits = cpu.loadSystem16((r[TR_BASE] + at) | 0);
  return cpu.fault === 0 && ((bits >>> (port & 7)) & ((1 << size) - 1)) === 0;
}

/** Reads 1, 2 or 4 bytes; 4 are signed. */
export function readPort(bus: Bus, port: number, size: number): number {
  if (size === 4) return bus.read32(port);
  return size === 2 ? bus.read16(port) : bus.read8(port);
}

export function writePort(bus: Bus, port: number, size: number, value: number): void {
  if (size === 4) bus.write32(port, value);
  else if (size === 2) bus.write16(port, value);
  else bus.write8(port, value);
}

/** Behind every port access. */
export function portAccessed(cpu: Cpu): void {
  cpu.board.touchDeadlines();
  cpu.spendTicks(PORT_TICKS);
  cpu.noticeA20();
  cpu.leaveRun();
}

/** IN: `immediate` is the port, −1 for DX. */
function inPort(cpu: Cpu, operands: number, immediate: number): void {
  const size = sizeOf(operands);
  const port = immediate < 0 ? cpu.r16[EDX * 2] : immediate;
  if (!mayUsePort(cpu, port, size)) return;
  cpu.syncTime();
  writeRegister(cpu, EAX, size, readPort(cpu.board.bus, port, size));
  portAccessed(cpu);
}

function outPort(cpu: Cpu, operands: number, immediate: number): void {
  const size = sizeOf(operands);
  const port = immediate < 0 ? cpu.r16[EDX * 2] : immediate;
  if (!mayUsePort(cpu, port, size)) return;
  cpu.syncTime();
  writePort(cpu.board.bus, port, size, readRegister(cpu, EAX, size));
  portAccessed(cpu);
}

export const PORT_HELPERS = { in: inPort, out: outPort } as const satisfies Record<string, Helper>;

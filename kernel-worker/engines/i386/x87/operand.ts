// SPDX-License-Identifier: MIT
//
// Memory operands of the x87, up to the 108 bytes of FSAVE: the whole operand is checked against its segment at once (SDM vol. 3A
// §5.3), and before a store every page of it.
import type { Cpu } from '../cpu.ts';

const T1 = 129;
/** Bank of the MMU while alignment checks are on. */
const NO_BANK = 2 << 20;
const ALIGNMENT_CHECK = 17;

/** Linear address of the operand, or 0 with the fault posted. `alignment` in bytes (SDM vol. 3A table 6-7). */
export function operandAddress(cpu: Cpu, operands: number, size: number, alignment: number, isWrite: boolean): number {
  const linAddr = cpu.linear((operands >>> 10) & 7, cpu.r[T1], size, isWrite);
  if (cpu.fault !== 0) return 0;
  if (cpu.mmu.bank === NO_BANK && (linAddr & (alignment - 1)) !== 0) {
    cpu.raise(ALIGNMENT_CHECK, 0);
    return 0;
  }
  return linAddr;
}

/** The same for an operand to be stored in items of `item` bytes: the stores that follow cannot fault. */
export function storeAddress(cpu: Cpu, operands: number, size: number, alignment: number, item: number): number {
  const linAddr = operandAddress(cpu, operands, size, alignment, true);
  if (cpu.fault === 0) canStore(cpu, linAddr, size, item);
  return linAddr;
}

/** Whether an operand can be stored: none has more than two pages, and CR2 of a fault in the second is where that begins. */
export function canStore(cpu: Cpu, linAddr: number, size: number, item: number): boolean {
  const lastPage = (linAddr + size - 1) & -4096;
  if (!cpu.mmu.probeWrite(linAddr, item)) return false;
  return (linAddr & -4096) === lastPage || cpu.mmu.probeWrite(lastPage, 1);
}

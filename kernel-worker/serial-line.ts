// SPDX-License-Identifier: MIT
//
// The serial port as the other end of its line sees it: whether a system is there that receives (PC16550D, modem control register).
import { deviceOffset } from '../shared/layout/device-map.ts';
import { UART } from '../shared/layout/uart-state.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';

const IER_ERBFI = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT2 = 0x08;

/** True if RTS is on, or an interrupt would tell of what comes in. Before that a driver that starts up empties the FIFOs. */
export function isReceiving(machine: MachineMemory): boolean {
  const record = machine.region('devices').offset + deviceOffset('uart0');
  const mcr = machine.u8[record + UART.MCR];
  return (mcr & MCR_RTS) !== 0 || ((mcr & MCR_OUT2) !== 0 && (machine.u8[record + UART.IER] & IER_ERBFI) !== 0);
}

// SPDX-License-Identifier: MIT
// The serial port, written by kernel-worker/devices/uart.ts. Registers by the names of National's PC16550D data sheet.
// Both FIFOs are ring buffers in the bytes; the byte being shifted out is TSR.
import { field, recordLayout } from './fields.ts';

export const UART_FIFO_BYTES = 16;

export const UART = {
  TX_DEADLINE: 0,
  TIMEOUT_DEADLINE: 8,
  FROZEN_TICK: 16,
  RX_FIFO: 24,
  TX_FIFO: 40,
  RX_HEAD: 56,
  RX_COUNT: 57,
  TX_HEAD: 58,
  TX_COUNT: 59,
  TSR: 60,
  IER: 61,
  FCR: 62,
  LCR: 63,
  MCR: 64,
  LSR_ERRORS: 65,
  MSR: 66,
  SCR: 67,
  DLL: 68,
  DLM: 69,
  THRE_PENDING: 70,
  TIMEOUT_PENDING: 71,
  SAVED_IER: 72,
  SAVED_MCR: 73,
  OVERRUNS: 76,
} as const;

export const UART_STATE_BYTES = 128;

export const UART_STATE = recordLayout('uart0', UART_STATE_BYTES, [
  field('txDeadlineTick', UART.TX_DEADLINE, 'f64', 'tick at which TSR is shifted out, Infinity when idle'),
  field('timeoutDeadlineTick', UART.TIMEOUT_DEADLINE, 'f64', 'tick of the character timeout, Infinity for none'),
  field('frozenTick', UART.FROZEN_TICK, 'f64', 'tick of the freeze, Infinity when not frozen'),
  field('rxFIFO', UART.RX_FIFO, 'u8', 'receiver FIFO', UART_FIFO_BYTES),
  field('txFIFO', UART.TX_FIFO, 'u8', 'transmitter FIFO', UART_FIFO_BYTES),
  field('rxHead', UART.RX_HEAD, 'u8', 'index of the oldest received byte'),
  field('rxCount', UART.RX_COUNT, 'u8', 'bytes in the receiver FIFO'),
  field('txHead', UART.TX_HEAD, 'u8', 'index of the next byte to send'),
  field('txCount', UART.TX_COUNT, 'u8', 'bytes in the transmitter FIFO'),
  field('TSR', UART.TSR, 'u8', 'transmitter shift register'),
  field('IER', UART.IER, 'u8', 'interrupt enable register'),
  field('FCR', UART.FCR, 'u8', 'FIFO control register'),
  field('LCR', UART.LCR, 'u8', 'line control register'),
  field('MCR', UART.MCR, 'u8', 'modem control register'),
  field('lsrErrors', UART.LSR_ERRORS, 'u8', 'LSR bits that reading LSR clears'),
  field('MSR', UART.MSR, 'u8', 'modem status register'),
  field('SCR', UART.SCR, 'u8', 'scratch register'),
  field('DLL', UART.DLL, 'u8', 'divisor latch, low byte'),
  field('DLM', UART.DLM, 'u8', 'divisor latch, high byte'),
  field('threPending', UART.THRE_PENDING, 'u8', 'THRE interrupt not yet read or answered'),
  field('timeoutPending', UART.TIMEOUT_PENDING, 'u8', 'character timeout interrupt'),
  field('savedIER', UART.SAVED_IER, 'u8', 'IER from before the freeze'),
  field('savedMCR', UART.SAVED_MCR, 'u8', 'MCR from before the freeze'),
  field('overruns', UART.OVERRUNS, 'u32', 'received bytes lost since power-on'),
]);

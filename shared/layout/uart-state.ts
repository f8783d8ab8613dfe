// SPDX-License-Identifier: MIT
// The serial port, written by kernel-worker/devices/uart.ts. Registers by the names of National's PC16550D data sheet.
// The receiver's FIFO and the wire behind it are ring buffers in the bytes: what was sent to the port and is not there yet.
// The transmitter keeps nothing.
import { field, recordLayout } from './fields.ts';

export const UART_FIFO_BYTES = 16;

/** Bytes that the wire holds: a line that was typed, in most cases. */
export const UART_WIRE_BYTES = 160;

export const UART = {
  RX_DEADLINE: 0,
  TIMEOUT_DEADLINE: 8,
  FROZEN_TICK: 16,
  RX_FIFO: 24,
  WIRE: 40,
  RX_HEAD: 200,
  RX_COUNT: 201,
  WIRE_HEAD: 202,
  WIRE_COUNT: 203,
  IER: 204,
  FCR: 205,
  LCR: 206,
  MCR: 207,
  LSR_ERRORS: 208,
  MSR: 209,
  SCR: 210,
  DLL: 211,
  DLM: 212,
  THRE_PENDING: 213,
  TIMEOUT_PENDING: 214,
  SAVED_IER: 215,
  SAVED_MCR: 216,
  OVERRUNS: 220,
} as const;

export const UART_STATE_BYTES = 256;

export const UART_STATE = recordLayout('uart0', UART_STATE_BYTES, [
  field(
    'rxDeadlineTick',
    UART.RX_DEADLINE,
    'f64',
    'tick at which the next byte on the wire is here, Infinity for none',
  ),
  field('timeoutDeadlineTick', UART.TIMEOUT_DEADLINE, 'f64', 'tick of the character timeout, Infinity for none'),
  field('frozenTick', UART.FROZEN_TICK, 'f64', 'tick of the freeze, Infinity when not frozen'),
  field('rxFIFO', UART.RX_FIFO, 'u8', 'receiver FIFO', UART_FIFO_BYTES),
  field('wire', UART.WIRE, 'u8', 'bytes sent to the port and not received yet', UART_WIRE_BYTES),
  field('rxHead', UART.RX_HEAD, 'u8', 'index of the oldest received byte'),
  field('rxCount', UART.RX_COUNT, 'u8', 'bytes in the receiver FIFO'),
  field('wireHead', UART.WIRE_HEAD, 'u8', 'index of the next byte to arrive'),
  field('wireCount', UART.WIRE_COUNT, 'u8', 'bytes on the wire'),
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

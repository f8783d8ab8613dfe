// SPDX-License-Identifier: MIT
// The line into the serial port: bytes that the other end has sent and the receiver has not taken yet, a ring in the bytes of the
// 'uart0' record (shared/layout/uart-state.ts). When the next of them is there is the business of ./uart.ts.
import { assert } from '../../shared/errors.ts';
import { UART, UART_WIRE_BYTES } from '../../shared/layout/uart-state.ts';

export class UartWire {
  private readonly view: DataView;
  private readonly base: number;

  constructor(view: DataView, base: number) {
    this.view = view;
    this.base = base;
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** Bytes that there is room for. */
  get room(): number {
    return UART_WIRE_BYTES - this.count;
  }

  /** Takes at most `room` bytes. */
  push(bytes: ArrayLike<number>): void {
    const { count, room } = this;
    assert(bytes.length <= room, `uart0: ${bytes.length} bytes for a wire with room for ${room}`);
    const end = this.head + count;
    for (let i = 0; i < bytes.length; i++) this.set(UART.WIRE + ((end + i) % UART_WIRE_BYTES), bytes[i]!);
    this.set(UART.WIRE_COUNT, count + bytes.length);
  }

  /** Takes the oldest byte off; there must be one. */
  shift(): number {
    const { head } = this;
    this.set(UART.WIRE_HEAD, (head + 1) % UART_WIRE_BYTES);
    this.set(UART.WIRE_COUNT, this.count - 1);
    return this.view.getUint8(this.base + UART.WIRE + head);
  }

  clear(): void {
    for (let i = 0; i < UART_WIRE_BYTES; i++) this.set(UART.WIRE + i, 0);
    this.set(UART.WIRE_HEAD, 0);
    this.set(UART.WIRE_COUNT, 0);
  }

  private get head(): number {
    return this.view.getUint8(this.base + UART.WIRE_HEAD);
  }

  private get count(): number {
    return this.view.getUint8(this.base + UART.WIRE_COUNT);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}

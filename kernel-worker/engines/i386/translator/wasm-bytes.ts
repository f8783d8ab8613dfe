// SPDX-License-Identifier: MIT
//
// Bytes that grow, with the integers of WebAssembly (core specification 2.0, §5.2.2).

export class WasmBytes {
  length = 0;
  private bytes = new Uint8Array(256);

  /** A byte. */
  push(byte: number): void {
    if (this.length === this.bytes.length) this.grow(this.length + 1);
    this.bytes[this.length++] = byte;
  }

  /** An unsigned LEB128. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    for (; rest >= 0x80; rest >>>= 7) this.push((rest & 0x7f) | 0x80);
    this.push(rest);
  }

  /** A signed LEB128. */
  signed(value: number): void {
    let rest = value | 0;
    for (; rest < -64 || rest > 63; rest >>= 7) this.push((rest & 0x7f) | 0x80);
    this.push(rest & 0x7f);
  }

  append({ bytes, length }: WasmBytes): void {
    if (this.length + length > this.bytes.length) this.grow(this.length + length);
    this.bytes.set(bytes.subarray(0, length), this.length);
    this.length += length;
  }

  /** What has been written; valid until more is. */
  get view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.length);
  }

  private grow(least: number): void {
    const grown = new Uint8Array(Math.max(least, this.bytes.length * 2));
    grown.set(this.bytes);
    this.bytes = grown;
  }
}

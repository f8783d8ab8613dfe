// SPDX-License-Identifier: MIT
//
// The x87 without an engine: its helpers on a bare CPU, called as the decoder calls them. Operands lie at OPERAND, and state goes in
// and out as the 108 bytes of FSAVE.
import { X87_HELPERS } from '../../kernel-worker/engines/i386/x87/x87.ts';
import { CPU } from '../../shared/layout/cpu-state.ts';
import { BareCpu } from './bare-cpu.ts';

export const OPERAND = 0x3000;
const IMAGE = 0x2000;
const IMAGE_BYTES = 108;
const T1 = 129;
const EIP = 8;
const EFLAGS = 9;
const CR0 = 48;
const DS = 3;
const MEMORY = 0x200;
const ADDRESS32 = 0x2000;
const SIZE32 = 0x10000;

/** How an instruction is given, where it is not in flat 32-bit protected mode with its operand at OPERAND in DS. */
export interface Form {
  readonly offset?: number;
  readonly segment?: number;
  readonly size32?: boolean;
}

export interface Outcome {
  readonly fault: string;
  readonly flags: number;
  readonly image: Uint8Array;
  readonly memory: Uint8Array;
  readonly ax: number;
}

export class X87Bench extends BareCpu {
  constructor() {
    super();
    this.flat();
  }

  /** Flat protected mode with CR0.NE, and the x87 as FNINIT leaves it. */
  flat(ring = 0): void {
    this.protectedMode(ring);
    this.r[CR0] |= 0x20;
    this.fpu(0xdb, 0xe3);
  }

  word(name: keyof typeof CPU): number {
    return this.r[CPU[name] >>> 2];
  }
  get status(): number {
    return this.word('fpuStatus');
  }

  /** Runs an instruction of D8 to DF, by its first byte and ModRM. Gives the fault as text, or an empty one. */
  fpu(byte: number, modrm: number, { offset = OPERAND, segment = DS, size32 = true }: Form = {}): string {
    const memory = modrm < 0xc0 ? MEMORY : 0;
    const operands = 4 | memory | (segment << 10) | ADDRESS32 | (size32 ? SIZE32 : 0);
    return this.call(offset, () => X87_HELPERS.fpu(this.cpu, operands, (byte << 8) | modrm));
  }
  fxsave(offset = OPERAND): string {
    return this.call(offset, () => X87_HELPERS.fxsave(this.cpu, MEMORY | (DS << 10) | ADDRESS32));
  }
  fxrstor(offset = OPERAND): string {
    return this.call(offset, () => X87_HELPERS.fxrstor(this.cpu, MEMORY | (DS << 10) | ADDRESS32));
  }
  fwait(): string {
    return this.call(0, () => X87_HELPERS.fwait(this.cpu));
  }

  private call(offset: number, helper: () => void): string {
    this.cpu.fault = 0;
    this.cpu.leave = 0;
    this.r[T1] = offset;
    helper();
    this.r[T1] = 0;
    const { fault } = this;
    this.cpu.fault = 0;
    return fault;
  }

  write(bytes: Uint8Array, address = OPERAND): void {
    this.cpu.memory.write(address, bytes);
  }
  read(length: number, address = OPERAND): Uint8Array {
    return this.cpu.memory.read(address, length);
  }

  pushDouble(value: number): void {
    this.write(bytesOfDouble(value));
    this.fpu(0xdd, 0x06);
  }
  popDouble(): number {
    this.fpu(0xdd, 0x1e);
    return new DataView(this.read(8).buffer).getFloat64(0, true);
  }

  /** FRSTOR and FNSAVE, 32 bits, protected mode. */
  restore(image: Uint8Array): void {
    this.write(image, IMAGE);
    this.fpu(0xdd, 0x20, { offset: IMAGE });
  }
  save(): Uint8Array {
    this.fpu(0xdd, 0x30, { offset: IMAGE });
    return this.read(IMAGE_BYTES, IMAGE);
  }

  /** One instruction between FRSTOR and FNSAVE, with arithmetic flags and an operand. */
  transform(byte: number, modrm: number, flags: number, image: Uint8Array, memory: Uint8Array): Outcome {
    this.r[EIP] = 0;
    this.restore(image);
    this.write(memory);
    this.r[EFLAGS] = flags | 2;
    const fault = this.fpu(byte, modrm);
    return {
      fault,
      flags: this.cpu.getEflags(),
      image: this.save(),
      memory: this.read(memory.length),
      ax: this.r[0] & 0xffff,
    };
  }
}

export function bytesOfDouble(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return bytes;
}

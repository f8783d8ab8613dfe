// SPDX-License-Identifier: MIT
//
// The documented differences between the chip that vectors were recorded from and a P6, and what of a vector they leave to compare.
// The lists are data, in `differences/`: for which opcodes, on which condition, what is left out, and why.
import { readFile } from 'node:fs/promises';
import { conditionNamed } from './conditions.ts';
import { decode, type Instruction } from './instruction.ts';
import { REGISTERS, type Register, type Vector } from './vector.ts';

const FLAGS: Readonly<Record<string, number>> = {
  CF: 0x1,
  PF: 0x4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  TF: 0x100,
  IF: 0x200,
  DF: 0x400,
  OF: 0x800,
  IOPL: 0x3000,
  NT: 0x4000,
  'bit 15': 0x8000,
};

interface Difference {
  /** `D2`, `D2.4` (the reg field of ModRM), `60-6F`, or `*`. */
  readonly opcodes: readonly string[];
  /** Name of a condition; always, if there is none. */
  readonly when?: string;
  /** What is left out: flags (in FLAGS and in pushed flags), registers, pushed or stored words; `vector` for all of it. */
  readonly leaves: readonly string[];
  readonly reason: string;
}

interface DifferenceList {
  readonly cpu: string;
  /** Whether a vector is over after one instruction, or at the HLT that follows it. */
  readonly ends: 'after one instruction' | 'at HLT';
  /** Whether address line 20 is held low, as on a chip with 20 of them. */
  readonly addressLines: 20 | 24;
  /** Bits that are set in the flags of every vector and that a P6 in real mode has not; they are taken out. */
  readonly initialFlagsMask: string;
  readonly differences: readonly Difference[];
}

/** What is not compared. */
export interface Leniency {
  /** The reason why the vector is not run at all, or null. */
  readonly skipped: string | null;
  /** Flags that count. */
  readonly flags: number;
  /** Bit n: register n of REGISTERS is left out. */
  readonly registers: number;
  readonly returnAddress: boolean;
  readonly stores: boolean;
}

const ALL_FLAGS = 0xffff;

export class Differences {
  readonly cpu: string;
  readonly ends: DifferenceList['ends'];
  readonly addressLines: number;
  readonly initialFlags: number;
  private readonly rules: readonly Rule[];

  constructor(list: DifferenceList) {
    this.cpu = list.cpu;
    this.ends = list.ends;
    this.addressLines = list.addressLines;
    this.initialFlags = Number(list.initialFlagsMask);
    this.rules = list.differences.map((difference) => new Rule(difference));
  }

  /** Reads a list. Throws an `Error` for one that names what there is not. */
  static async read(file: string | URL): Promise<Differences> {
    return new Differences(JSON.parse(await readFile(file, 'utf8')) as DifferenceList);
  }

  of(vector: Vector): Leniency {
    const instruction = decode(vector);
    let skipped: string | null = null;
    let flags = ALL_FLAGS;
    let registers = 0;
    let returnAddress = false;
    let stores = false;
    for (const rule of this.rules) {
      if (!rule.applies(vector, instruction)) continue;
      if (rule.vector) skipped ??= rule.reason;
      flags &= ~rule.flags;
      registers |= rule.registers;
      returnAddress ||= rule.returnAddress;
      stores ||= rule.stores;
    }
    return { skipped, flags, registers, returnAddress, stores };
  }
}

/** Where the lists of the project are, run from source or built. */
export function differencesOf(cpu: string): URL {
  const folder = import.meta.url.endsWith('.ts') ? './differences/' : '../../../test/conformance/differences/';
  return new URL(`${folder}${cpu}.json`, import.meta.url);
}

class Rule {
  readonly reason: string;
  readonly vector: boolean;
  readonly flags: number;
  readonly registers: number;
  readonly returnAddress: boolean;
  readonly stores: boolean;
  private readonly opcodes: Uint8Array;
  private readonly condition: ((vector: Vector, instruction: Instruction) => boolean) | null;

  constructor({ opcodes, when, leaves, reason }: Difference) {
    this.reason = reason;
    this.vector = leaves.includes('vector');
    this.returnAddress = leaves.includes('return address');
    this.stores = leaves.includes('stores');
    this.flags = leaves.reduce((mask, name) => mask | (FLAGS[name] ?? 0), 0);
    this.registers = leaves.reduce((mask, name) => mask | registerBit(name), 0);
    this.opcodes = opcodeSet(opcodes);
    this.condition = when === undefined ? null : conditionNamed(when);
    for (const name of leaves) {
      if (!['vector', 'return address', 'stores'].includes(name) && !(name in FLAGS) && registerBit(name) === 0) {
        throw new Error(`nothing is called '${name}'`);
      }
    }
  }

  applies(vector: Vector, instruction: Instruction): boolean {
    if ((this.opcodes[instruction.opcode] & (1 << instruction.reg)) === 0) return false;
    return this.condition === null || this.condition(vector, instruction);
  }
}

function registerBit(name: string): number {
  const index = REGISTERS.indexOf(name as Register);
  return index < 0 ? 0 : 1 << index;
}

/** For each opcode a bit for each value of the reg field. */
function opcodeSet(patterns: readonly string[]): Uint8Array {
  const set = new Uint8Array(256);
  for (const pattern of patterns) {
    const match = /^(?:\*|([0-9A-F]{2})(?:-([0-9A-F]{2})|\.([0-7]))?)$/.exec(pattern);
    if (match === null) throw new Error(`'${pattern}' names no opcodes`);
    const first = Number.parseInt(match[1] ?? '00', 16);
    const last = Number.parseInt(match[2] ?? match[1] ?? 'FF', 16);
    const fields = match[3] === undefined ? 0xff : 1 << Number(match[3]);
    for (let opcode = first; opcode <= last; opcode++) set[opcode] |= fields;
  }
  return set;
}

// SPDX-License-Identifier: MIT
//
// ModRM operands: registers, and memory operands built backwards from the address they are to reach (SDM vol. 2A §2.1.5).
import { DATA, DATA_ALIAS, DATA_HIGH, DATA_SUPERVISOR, READ_ONLY } from './batch-layout.ts';
import { segmentOf } from './modes.ts';
import { little, type Sequence } from './sequence.ts';

export interface Operand {
  readonly prefixes: readonly number[];
  /** The register, for register operands. */
  readonly register?: number;
  /** The linear address, for memory operands where it is known. */
  readonly linear?: number;
  /** ModRM, SIB and displacement, with `reg` in the reg field. */
  encode(reg: number): number[];
}

type Access = 'read' | 'write';

export const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const CS = 1;
const SS = 2;
const DS = 3;

export function registerOperand(register: number): Operand {
  return { prefixes: [], register, encode: (reg) => [0xc0 | (reg << 3) | register] };
}

/** A register or memory, as they come. */
export function anyOperand(s: Sequence, size: number, access: Access): Operand {
  if (s.chance(55)) return memoryOperand(s, size / 8, access);
  return registerOperand(access === 'write' ? s.destination(size as 8 | 16 | 32) : s.below(8));
}

/** Where in memory an operand of `bytes` should lie: mostly where nothing happens, in a paging mode sometimes where it faults. */
function chooseLinear(s: Sequence, bytes: number): number {
  const near = DATA + 0x400 + s.below(0x100 - bytes);
  if (!s.mode.paged || s.chance(88)) return s.chance(85) ? near : DATA + 0x100 + s.below(0x4f0 - bytes);
  return s.pick([
    DATA + 0x1000 - 1 - s.below(8),
    DATA - 1 - s.below(8),
    READ_ONLY + s.below(0x1000 - bytes),
    DATA + 0x1000 + s.below(0x100),
    DATA_SUPERVISOR + 0x400 + s.below(0x100),
    DATA_ALIAS + 0x400 + s.below(0x100),
    DATA_HIGH + 0x400 + s.below(0x100),
    DATA_HIGH + 0x1000 - 1 - s.below(8),
    DATA_HIGH - 1 - s.below(8),
  ]);
}

/** A memory operand of `bytes` bytes; `linear` if it must be at a certain place. */
export function memoryOperand(s: Sequence, bytes: number, access: Access, linear?: number): Operand {
  for (;;) {
    s.tag = '';
    const target = linear ?? chooseLinear(s, bytes);
    const addressBits = s.chance(85) ? s.mode.bits : 48 - s.mode.bits;
    const found = addressBits === 32 ? tryAddress32(s, target, bytes, access) : tryAddress16(s, target, bytes, access);
    if (found) return found;
  }
}

/** The segments that an operand may use: the default of its base register, with no prefix, or any other. */
function chooseSegment(s: Sequence, normal: number): { segment: number; prefixes: number[] } {
  if (s.chance(75)) return { segment: normal, prefixes: [] };
  const segment = s.below(6);
  return { segment, prefixes: [SEGMENT_PREFIXES[segment]!] };
}

/** The offset that reaches `linear` through a segment register, or undefined if that segment cannot be used. */
function offsetIn(s: Sequence, segment: number, linear: number, bytes: number, access: Access): number | undefined {
  const selector = s.selectors[segment];
  const found = selector === undefined ? undefined : segmentOf(s.mode, selector);
  if (!found || (access === 'write' && !found.writable && segment !== CS)) return undefined;
  if (segment === CS && access === 'write' && !(s.mode.ring3 && s.chance(2))) return undefined;
  const offset = (linear - found.base) >>> 0;
  const { small } = found;
  // What wraps around 4 GiB may or may not fault (SDM vol. 3A §5.3).
  if (offset + bytes > (small ? 0xffff : 2 ** 32)) return undefined;
  if (segment === CS && access === 'write' && !s.mode.virtual8086) s.tag = 'cs write ';
  return offset;
}

function tryAddress32(s: Sequence, linear: number, bytes: number, access: Access): Operand | undefined {
  const usable = [0, 1, 2, 3, 4, 5, 6, 7].filter((r) => s.known[r] !== undefined);
  const base = usable.length > 0 && s.chance(80) ? s.pick(usable) : undefined;
  const indexes = usable.filter((r) => r !== 4);
  const index = indexes.length > 0 && s.chance(30) ? s.pick(indexes) : undefined;
  const scale = s.below(4);
  const { segment, prefixes } = chooseSegment(s, base === 4 || base === 5 ? SS : DS);
  const offset = offsetIn(s, segment, linear, bytes, access);
  if (offset === undefined) return undefined;
  let displacement = offset;
  if (base !== undefined) displacement -= s.known[base]!;
  if (index !== undefined) displacement -= s.known[index]! * 2 ** scale;
  displacement |= 0;
  const addressPrefix = s.mode.bits === 32 ? [] : [0x67];
  return {
    prefixes: [...prefixes, ...addressPrefix],
    linear,
    encode: (reg) =>
      encode32(reg, base, index, scale, displacement, s.mode.bits === 32 && base === undefined && s.below(2) === 0),
  };
}

function encode32(
  reg: number,
  base: number | undefined,
  index: number | undefined,
  scale: number,
  displacement: number,
  sibAnyway: boolean,
): number[] {
  const short = displacement === (displacement << 24) >> 24;
  const mod = base === undefined || (displacement === 0 && base !== 5) ? 0 : short ? 1 : 2;
  const tail = base === undefined || mod === 2 ? little(displacement, 32) : mod === 1 ? [displacement & 0xff] : [];
  if (index === undefined && base !== 4 && !sibAnyway) return [(mod << 6) | (reg << 3) | (base ?? 5), ...tail];
  const sib = (scale << 6) | ((index ?? 4) << 3) | (base ?? 5);
  return [(mod << 6) | (reg << 3) | 4, sib, ...tail];
}

/** Registers that ModRM adds in 16-bit addressing, by the rm field. */
const PAIRS16 = [[3, 6], [3, 7], [5, 6], [5, 7], [6], [7], [5], [3]];

function tryAddress16(s: Sequence, linear: number, bytes: number, access: Access): Operand | undefined {
  const rm = s.below(8);
  const registers = PAIRS16[rm]!;
  const absolute = s.chance(25) || registers.some((r) => s.known[r] === undefined);
  const { segment, prefixes } = chooseSegment(s, !absolute && registers.includes(5) ? SS : DS);
  const offset = offsetIn(s, segment, linear, bytes, access);
  if (offset === undefined || offset + bytes > 0xffff) return undefined;
  const addressPrefix = s.mode.bits === 16 ? [] : [0x67];
  const all = { prefixes: [...prefixes, ...addressPrefix], linear };
  if (absolute) return { ...all, encode: (reg) => [(reg << 3) | 6, ...little(offset, 16)] };
  const sum = registers.reduce((total, r) => total + s.known[r]!, 0);
  const displacement = ((offset - sum) << 16) >> 16;
  const short = displacement === (displacement << 24) >> 24;
  const mod = displacement === 0 && rm !== 6 ? 0 : short ? 1 : 2;
  const tail = mod === 0 ? [] : little(displacement, mod * 8);
  return { ...all, encode: (reg) => [(mod << 6) | (reg << 3) | rm, ...tail] };
}

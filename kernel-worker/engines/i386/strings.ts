// SPDX-License-Identifier: MIT
//
// MOVS, CMPS, SCAS, LODS, STOS (SDM vol. 2A, 2B). One call does the elements up to the next page boundary of either operand. Where
// both operands lie in memory that the segments allow, that is one operation on host memory; else element by element, and a
// fault leaves the registers at the element that failed. The flags are those of the last element of all: a fault before leaves
// them as they were before the instruction (SDM vol. 2B REP).
//
// A copy of one whole page to another copies nothing: the pages share the frame until one of them is stored to.
import type { Cpu } from './cpu.ts';
import { Mode } from './mode.ts';
import {
  type Helper,
  OPERAND_ADDRESS32,
  readRegister,
  repeatOf,
  segmentOf,
  sizeOf,
  writeRegister,
} from './operands.ts';
import { advance, atMost, elementsInPage, finish, goOn, offsetIn, repetitions, stepOf } from './string-registers.ts';

const EAX = 0;
const ECX = 1;
const ESI = 6;
const EDI = 7;
const EFLAGS = 9;
const DR7 = 59;
const TF = 0x100;
const DF = 0x400;
const ES = 0;
const PAGE = 4096;
/** Elements that one step of a repeated comparison looks at, one by one: so many take the time of some hundred instructions. */
const COMPARED_MAX = 256;
const USER_BANK = 1 << 20;
const REPNE = 2;
const ADDRESS32 = OPERAND_ADDRESS32;
/** ECX times, by either prefix. */
const REPEATED32 = 0xa000;
// Local names for hot code: where a loader makes CommonJS of this file, an imported name is a call of a getter.
const bytesOf = sizeOf;
const sourceSegmentOf = segmentOf;
const FLAT_DATA = Mode.flatData;
/** Segments that `Mode.flatData` speaks of: ES, SS, DS. */
const FLAT_SEGMENT = [1, 0, 1, 1, 0, 0] as const;
/** Below this many bytes a loop costs less than the calls. */
const FEW = 24;

// ---- whole parts in host memory -------------------------------------------------------------------------------------

/**
 * True if `bytes` bytes lie in one page and the segment allows all of them, so that any one element stands for all. `offset` is
 * that of the first element; downwards the others lie below it. Alignment checks look at every element.
 */
function isOnePiece(
  cpu: Cpu,
  operands: number,
  segment: number,
  offset: number,
  step: number,
  bytes: number,
  isWrite: boolean,
): boolean {
  if (cpu.mmu.bank > USER_BANK) return false;
  const first = step > 0 ? offset >>> 0 : (offset >>> 0) - bytes - step;
  const within = (cpu.segmentBase(segment) + first) & 0xfff;
  if (first < 0 || within + bytes > PAGE) return false;
  if ((cpu.mode & FLAT_DATA) !== 0 && (operands & ADDRESS32) !== 0 && FLAT_SEGMENT[segment] !== 0) return true;
  // SI and DI wrap at 64 KiB, whatever the limit is.
  if ((operands & ADDRESS32) === 0 && first + bytes > 0x10000) return false;
  cpu.linear(segment, first | 0, bytes, isWrite);
  const isAllowed = cpu.fault === 0;
  cpu.fault = 0;
  return isAllowed;
}

/** Copies upwards as the CPU does it, element by element: a destination a little above the source gets it again and again. */
export function copyUp(u8: Uint8Array, from: number, to: number, bytes: number, size: number): void {
  const distance = to - from;
  if (distance <= 0 || distance >= bytes) {
    if (bytes > FEW) u8.copyWithin(to, from, from + bytes);
    else for (let i = 0; i < bytes; i++) u8[to + i] = u8[from + i];
  } else if (distance < size) {
    // An element is read whole before any of it is written.
    for (let at = 0; at < bytes; at += size) u8.copyWithin(to + at, from + at, from + at + size);
  } else {
    // What lies from the source on repeats itself every `distance` bytes; each step doubles it.
    for (let done = 0; done < bytes; ) {
      const length = Math.min(distance + done, bytes - done);
      u8.copyWithin(to + done, from, from + length);
      done += length;
    }
  }
}

/** Copies downwards from `from` and `to`, the addresses of the first and uppermost elements. */
export function copyDown(u8: Uint8Array, from: number, to: number, bytes: number, size: number): void {
  const distance = from - to;
  if (distance <= 0 || distance >= bytes) {
    const below = bytes - size;
    u8.copyWithin(to - below, from - below, from + size);
  } else {
    for (let at = 0; at < bytes; at += size) u8.copyWithin(to - at, from - at, from - at + size);
  }
}

/** Fills `bytes` bytes with a value of 1, 2 or 4 bytes. */
export function fillWith(
  u8: Uint8Array,
  i32: Int32Array,
  to: number,
  bytes: number,
  value: number,
  size: number,
): void {
  const word = size === 4 ? value : size === 2 ? (value & 0xffff) * 0x10001 : (value & 0xff) * 0x1010101;
  const head = Math.min(bytes, -to & 3);
  const middle = (bytes - head) & -4;
  for (let i = 0; i < head; i++) u8[to + i] = word >>> (8 * i);
  if (middle > 0) {
    const turned = head === 0 ? word : (word >>> (8 * head)) | (word << (32 - 8 * head));
    const first = (to + head) >>> 2;
    i32.fill(turned, first, first + (middle >>> 2));
  }
  for (let i = head + middle; i < bytes; i++) u8[to + i] = word >>> (8 * (i & 3));
}

// ---- MOVS -----------------------------------------------------------------------------------------------------------

function movs(cpu: Cpu, operands: number): void {
  if (movesPage(cpu, operands) || cpu.fault !== 0) return;
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const segment = segmentOf(operands);
  const source = offsetIn(cpu, operands, ESI);
  const target = offsetIn(cpu, operands, EDI);
  const sourceLin = (cpu.segmentBase(segment) + source) | 0;
  const targetLin = (cpu.segmentBase(ES) + target) | 0;
  const part = atMost(cpu, total, Math.min(elementsInPage(sourceLin, step), elementsInPage(targetLin, step)));
  let done = 0;
  const bytes = part * size;
  if (
    part > 1 &&
    isOnePiece(cpu, operands, segment, source, step, bytes, false) &&
    isOnePiece(cpu, operands, ES, target, step, bytes, true) &&
    copyPart(cpu, sourceLin, targetLin, bytes, size, step)
  ) {
    advance(cpu, operands, ESI, part * step);
    advance(cpu, operands, EDI, part * step);
    done = part;
    if (bytes === PAGE && !cpu.paging) cpu.handOver.pageMoved(targetLin & -PAGE, sourceLin & -PAGE);
  }
  while (done < part && cpu.fault === 0) {
    const value = cpu.load(segment, offsetIn(cpu, operands, ESI), size);
    if (cpu.fault !== 0) break;
    cpu.store(ES, offsetIn(cpu, operands, EDI), size, value);
    if (cpu.fault !== 0) break;
    advance(cpu, operands, ESI, step);
    advance(cpu, operands, EDI, step);
    done++;
  }
  finish(cpu, operands, total, done, true);
}

/** A page at a page, upwards, in segments that do not matter, shares its frame. False if it is to be copied, or faults. */
function movesPage(cpu: Cpu, operands: number): boolean {
  const { r } = cpu;
  const [source, target] = [r[ESI], r[EDI]];
  if (((source | target) & (PAGE - 1)) !== 0 || (operands & REPEATED32) !== REPEATED32) return false;
  // Of 1, 2 or 4 bytes.
  const elements = PAGE >>> (bytesOf(operands) >>> 1);
  const count = r[ECX];
  if ((count >= 0 && count < elements) || !cpu.aliasesPages) return false;
  if ((cpu.mode & FLAT_DATA) === 0 || FLAT_SEGMENT[sourceSegmentOf(operands)] === 0) return false;
  if ((r[EFLAGS] & (TF | DF)) !== 0 || (r[DR7] & 0xff) !== 0 || !cpu.mmu.aliasPage(target, source)) return false;
  if (!cpu.paging) cpu.handOver.pageMoved(target, source);
  r[ESI] = source + PAGE;
  r[EDI] = target + PAGE;
  r[ECX] = count - elements;
  if (count !== elements) goOn(cpu);
  return true;
}

/** True if the part was copied; false with a fault posted, or without one where there is no memory. */
function copyPart(cpu: Cpu, sourceLin: number, targetLin: number, bytes: number, size: number, step: number): boolean {
  const { mmu } = cpu;
  if (mmu.pageForRead(sourceLin) === 0) return false;
  const to = mmu.pageForWrite(targetLin);
  if (to === 0) return false;
  // Again: the store may have moved the page that both addresses mean.
  const from = mmu.pageForRead(sourceLin);
  if (from <= 0 || to < 0) return false;
  mmu.aboutToStore(step > 0 ? targetLin : (targetLin - bytes + size) | 0, to, bytes);
  const copy = step > 0 ? copyUp : copyDown;
  copy(cpu.u8, from | (sourceLin & 0xfff), to | (targetLin & 0xfff), bytes, size);
  return true;
}

// ---- STOS and LODS --------------------------------------------------------------------------------------------------

function stos(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const value = readRegister(cpu, EAX, size);
  const offset = offsetIn(cpu, operands, EDI);
  const linAddr = (cpu.segmentBase(ES) + offset) | 0;
  const part = atMost(cpu, total, elementsInPage(linAddr, step));
  const bytes = part * size;
  let done = 0;
  if (part > 1 && isOnePiece(cpu, operands, ES, offset, step, bytes, true)) {
    const { mmu } = cpu;
    const host = mmu.pageForWrite(linAddr);
    if (host > 0) {
      const first = step > 0 ? linAddr : (linAddr - bytes + size) | 0;
      mmu.aboutToStore(first, host, bytes);
      fillWith(cpu.u8, cpu.board.machine.i32, host | (first & 0xfff), bytes, value, size);
      advance(cpu, operands, EDI, part * step);
      done = part;
    }
  }
  while (done < part && cpu.fault === 0) {
    cpu.store(ES, offsetIn(cpu, operands, EDI), size, value);
    if (cpu.fault !== 0) break;
    advance(cpu, operands, EDI, step);
    done++;
  }
  finish(cpu, operands, total, done, true);
}

function lods(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const segment = segmentOf(operands);
  const linAddr = (cpu.segmentBase(segment) + offsetIn(cpu, operands, ESI)) | 0;
  const part = atMost(cpu, total, elementsInPage(linAddr, step));
  let done = 0;
  for (; done < part; done++) {
    const value = cpu.load(segment, offsetIn(cpu, operands, ESI), size);
    if (cpu.fault !== 0) break;
    writeRegister(cpu, EAX, size, value);
    advance(cpu, operands, ESI, step);
  }
  finish(cpu, operands, total, done, true);
}

// ---- CMPS and SCAS --------------------------------------------------------------------------------------------------

function readHost(cpu: Cpu, host: number, size: number): number {
  if (size === 4) return cpu.view.getInt32(host, true);
  return size === 2 ? cpu.view.getUint16(host, true) : cpu.u8[host];
}

/** Host address of the part's first element if all of it can be read there; 0 with or without a fault posted. */
function hostOfPart(cpu: Cpu, operands: number, segment: number, offset: number, step: number, part: number): number {
  const bytes = part * sizeOf(operands);
  if (part <= 1 || !isOnePiece(cpu, operands, segment, offset, step, bytes, false)) return 0;
  const linAddr = (cpu.segmentBase(segment) + offset) | 0;
  const host = cpu.mmu.pageForRead(linAddr);
  return host <= 0 ? 0 : host | (linAddr & 0xfff);
}

function cmps(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const segment = segmentOf(operands);
  const untilEqual = repeatOf(operands) === REPNE;
  const first = offsetIn(cpu, operands, ESI);
  const second = offsetIn(cpu, operands, EDI);
  const firstElements = elementsInPage((cpu.segmentBase(segment) + first) | 0, step);
  const secondElements = Math.min(COMPARED_MAX, elementsInPage((cpu.segmentBase(ES) + second) | 0, step));
  const part = atMost(cpu, total, Math.min(firstElements, secondElements));
  const firstHost = hostOfPart(cpu, operands, segment, first, step, part);
  const secondHost = firstHost === 0 ? 0 : hostOfPart(cpu, operands, ES, second, step, part);
  let done = 0;
  let goesOn = true;
  let a = 0;
  let b = 0;
  if (secondHost !== 0) {
    while (done < part && goesOn) {
      a = readHost(cpu, firstHost + done * step, size);
      b = readHost(cpu, secondHost + done * step, size);
      goesOn = (a === b) !== untilEqual;
      done++;
    }
    advance(cpu, operands, ESI, done * step);
    advance(cpu, operands, EDI, done * step);
  } else {
    while (done < part && goesOn && cpu.fault === 0) {
      const x = cpu.load(segment, offsetIn(cpu, operands, ESI), size);
      if (cpu.fault !== 0) break;
      const y = cpu.load(ES, offsetIn(cpu, operands, EDI), size);
      if (cpu.fault !== 0) break;
      a = x;
      b = y;
      goesOn = (a === b) !== untilEqual;
      advance(cpu, operands, ESI, step);
      advance(cpu, operands, EDI, step);
      done++;
    }
  }
  if (!goesOn || done === total) cpu.flags.setSub(size, a, b, (a - b) | 0);
  finish(cpu, operands, total, done, goesOn);
}

function scas(cpu: Cpu, operands: number): void {
  const total = repetitions(cpu, operands);
  if (total === 0) return;
  const size = sizeOf(operands);
  const step = stepOf(cpu, operands);
  const untilEqual = repeatOf(operands) === REPNE;
  const wanted = readRegister(cpu, EAX, size);
  const offset = offsetIn(cpu, operands, EDI);
  const part = atMost(cpu, total, Math.min(COMPARED_MAX, elementsInPage((cpu.segmentBase(ES) + offset) | 0, step)));
  const host = hostOfPart(cpu, operands, ES, offset, step, part);
  let done = 0;
  let goesOn = true;
  let found = 0;
  if (host !== 0) {
    while (done < part && goesOn) {
      found = readHost(cpu, host + done * step, size);
      goesOn = (found === wanted) !== untilEqual;
      done++;
    }
    advance(cpu, operands, EDI, done * step);
  } else {
    while (done < part && goesOn && cpu.fault === 0) {
      const value = cpu.load(ES, offsetIn(cpu, operands, EDI), size);
      if (cpu.fault !== 0) break;
      found = value;
      goesOn = (found === wanted) !== untilEqual;
      advance(cpu, operands, EDI, step);
      done++;
    }
  }
  if (!goesOn || done === total) cpu.flags.setSub(size, wanted, found, (wanted - found) | 0);
  finish(cpu, operands, total, done, goesOn);
}

/** Helpers without an r/m operand: the segment field is that of the source, which a prefix may change; DI is in ES. */
export const STRING_HELPERS = { movs, cmps, scas, lods, stos } as const satisfies Record<string, Helper>;

// SPDX-License-Identifier: MIT
// Files of the engine have copies of the constants they use, which a compiler can fold: here the copies are compared with the one
// table of them, and the table with the layout of the CPU record.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as registers from '../../kernel-worker/engines/i386/registers.ts';
import { CPU, SEGMENT } from '../../shared/layout/cpu-state.ts';

const ENGINE = new URL('../../kernel-worker/engines/i386/', import.meta.url);
const TABLE = new Map<string, number>(Object.entries(registers));
const SEGMENT_NAMES = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const;
const SEGMENT_WORDS = Object.entries(SEGMENT).map(([name, offset]) => [name.toUpperCase(), offset / 4] as const);
SEGMENT_NAMES.forEach((name, n) => {
  for (const [part, word] of SEGMENT_WORDS) TABLE.set(`${name}_${part}`, registers.SEGMENTS + n * 4 + word);
});

/** File-local constants whose value is one number, of every file but the table. */
function copies(): { where: string; name: string; value: number }[] {
  const found = [];
  for (const file of readdirSync(ENGINE, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file === 'registers.ts') continue;
    const source = readFileSync(new URL(file, ENGINE), 'utf8');
    for (const [, name, sign, digits] of source.matchAll(/^ *const ([A-Z][A-Z0-9_]*) = (-?)(0x[0-9a-f]+|\d+);$/gm)) {
      const value = sign === '' ? Number(digits) : -Number(digits);
      // Where a register and its word in the record could be mixed up, the word says what it is.
      found.push({ where: `${file}: ${name}`, name: name.replace(/_WORD$/, ''), value });
    }
  }
  return found;
}

describe('constants of the i386 engine', () => {
  test('are the same in every file that has a copy', () => {
    const known = copies().filter(({ name }) => TABLE.has(name));
    expect(known.length).toBeGreaterThan(300);
    const wrong = known.filter(({ name, value }) => TABLE.get(name) !== value);
    expect(wrong).toEqual([]);
  });

  test('are each of use to a file', () => {
    const used = new Set(copies().map(({ name }) => name));
    // General registers and segment registers are listed whole, as ModRM numbers them; EAX to EDI, ES to TR.
    const lists = new Set<string>(['EAX', 'ECX', 'EDX', 'EBX', 'ESP', 'EBP', 'ESI', 'EDI', ...SEGMENT_NAMES]);
    expect(Object.keys(registers).filter((name) => !used.has(name) && !lists.has(name))).toEqual([]);
  });

  test('index the words of the record where its layout says', () => {
    const field = (name: string): string => name.toLowerCase().replace(/_(.)/g, (_, letter) => letter.toUpperCase());
    const offsets = new Map<string, number>(Object.entries(CPU));
    offsets.set('gdtrBase', CPU.gdtr).set('gdtrLimit', CPU.gdtr + 4);
    offsets.set('idtrBase', CPU.idtr).set('idtrLimit', CPU.idtr + 4);
    offsets
      .set('dr0', CPU.dr)
      .set('dr6', CPU.dr + 24)
      .set('dr7', CPU.dr + 28);
    const segments = new Set<string>(SEGMENT_NAMES);
    let compared = 0;
    for (const [name, index] of Object.entries(registers)) {
      const offset = segments.has(name) ? undefined : offsets.get(field(name));
      if (offset === undefined) continue;
      expect(index * 4, name).toBe(offset);
      compared++;
    }
    expect(compared).toBeGreaterThan(30);
    SEGMENT_NAMES.forEach((name, n) => {
      expect(TABLE.get(name)).toBe(n);
      expect((registers.SEGMENTS + n * 4) * 4, name).toBe(offsets.get(name.toLowerCase()));
    });
  });
});

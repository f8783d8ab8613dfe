// SPDX-License-Identifier: MIT
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UOP_NAMES } from '../../kernel-worker/engines/i386/uops.ts';

const source = readFileSync(new URL('../../kernel-worker/engines/i386/interpreter.ts', import.meta.url), 'utf8');

describe('the switch of the interpreter', () => {
  test('has a case for every micro-operation, with the number that the table gives it', () => {
    const cases = [...source.matchAll(/case (\d+): (?:\{\s*)?\/\/ ([A-Z0-9_]+)$/gm)];
    expect(cases.map(([, number, name]) => `${number} ${name}`)).toEqual(
      UOP_NAMES.map((name, number) => `${number} ${name}`),
    );
  });
});

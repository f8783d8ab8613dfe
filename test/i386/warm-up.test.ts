// SPDX-License-Identifier: MIT
//
// What a thread executes before its first kernel of machine code.
import { expect, test } from 'vitest';
import { BLOCK_HEADER } from '../../kernel-worker/engines/i386/code-cache.ts';
import { endOf } from '../../kernel-worker/engines/i386/translator/region.ts';
import { UOP_NAMES } from '../../kernel-worker/engines/i386/uops.ts';
import { executeEverything } from '../../kernel-worker/engines/i386/warm-up.ts';
import { THREAD_OPTIONS } from '../thread-options.ts';

const FIRST_BLOCK = 4;
/** Of 16-bit code, which no system is in for long. */
const LEFT_OUT = ['JMP16', 'JCC16'];

test('the warm-up decodes every micro-operation of 32-bit code, and comes round often enough to have its loop translated', () => {
  const { cache, translator } = executeEverything(THREAD_OPTIONS);
  const { code } = cache;
  const seen = new Set<string>();
  for (let block = FIRST_BLOCK; code[block] !== 0; block = endOf(code, block)) {
    for (let at = block + BLOCK_HEADER; at < endOf(code, block); at += 4) seen.add(UOP_NAMES[code[at]]);
  }
  expect(UOP_NAMES.filter((name) => !seen.has(name) && !LEFT_OUT.includes(name))).toEqual([]);
  expect(translator.modules).toBe(1);
});

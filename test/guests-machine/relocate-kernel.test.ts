// SPDX-License-Identifier: MIT
//
// The handover in machine code: what is committed in several places must be one thing. The binaries are made from assembly
// by examples/guests/machine/build.sh, and so is the TypeScript file; the layout of the control page is written down twice.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { RELOCATE_KERNEL, SAVED_GDT_OFFSET } from '../../shared/kexec/relocate-kernel-code.ts';
import { CONTEXT_PAGES, CONTROL, REENTRY_OFFSET } from '../../shared/layout/control-page.ts';

const FOLDER = new URL('../../examples/guests/machine/relocate-kernel/', import.meta.url);

/** The numbers that the C header defines. */
function headerConstants(): Record<string, number> {
  const header = readFileSync(new URL('control-page.h', FOLDER), 'utf8');
  const defines = header.matchAll(/^#define\s+(\w+)\s+(\w+)$/gm);
  return Object.fromEntries([...defines].map(([, name, value]) => [name!, Number(value)]));
}

describe.each(['strict', 'repaired'] as const)('the %s stub', (kind) => {
  const code = RELOCATE_KERNEL[kind];

  test('is the committed binary', () => {
    expect(Buffer.from(code.bytes)).toEqual(readFileSync(new URL(`relocate-kernel.${kind}.bin`, FOLDER)));
  });

  test('fits below the data block', () => {
    expect(code.bytes.length).toBeLessThanOrEqual(CONTROL.savedEsp);
  });

  test('calls the peer right before the re-entry, which is where everybody expects it', () => {
    expect(code.reentry).toBe(REENTRY_OFFSET);
    const CALL_EDX = [0xff, 0xd2];
    expect([...code.bytes.subarray(code.reentry - 2, code.reentry)]).toEqual(CALL_EDX);
  });
});

test('the two stubs are one up to the return leg', () => {
  const { strict, repaired } = RELOCATE_KERNEL;
  // But for the displacements of the jump to the code behind and of the first call, which reach over the repair.
  const differing = [...strict.bytes.subarray(0, strict.reentry).entries()].filter(([i, b]) => b !== repaired.bytes[i]);
  expect(differing).toHaveLength(2);
  expect(repaired.bytes.length).toBeGreaterThan(strict.bytes.length);
});

describe('the control page in C and in TypeScript', () => {
  const c = headerConstants();

  test('has its words at the same offsets', () => {
    expect([c.CP_SAVED_ESP, c.CP_SAVED_CR0, c.CP_SAVED_CR3, c.CP_SAVED_CR4]).toEqual([
      CONTROL.savedEsp,
      CONTROL.savedCr0,
      CONTROL.savedCr3,
      CONTROL.savedCr4,
    ]);
    expect([c.CP_CONTROL_VA, c.CP_PGD, c.CP_SWAP_PAGE, c.CP_HEAD]).toEqual([
      CONTROL.controlVa,
      CONTROL.transitionPgd,
      CONTROL.swapPage,
      CONTROL.head,
    ]);
    expect(c.CONTROL_CODE_MAX).toBe(CONTROL.savedEsp);
    expect(c.REENTRY_OFFSET).toBe(REENTRY_OFFSET);
    expect(c.CP_SAVED_GDT).toBe(SAVED_GDT_OFFSET);
  });

  test('keeps the saved GDT clear of the context pages', () => {
    expect(SAVED_GDT_OFFSET).toBeGreaterThanOrEqual(CONTROL.contextPages + 4 * CONTEXT_PAGES);
  });
});

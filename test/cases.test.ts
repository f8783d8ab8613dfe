// SPDX-License-Identifier: MIT
// CASES.md says which test shows which case of the list of testable invariants. A table that nothing reads is soon wrong: every
// case is there once, every test that it names exists under that title, and every test that names a case is in it.
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const TESTS = fileURLToPath(new URL('.', import.meta.url));
const LAST_CASE = 73;

interface Row {
  readonly number: number;
  readonly file: string;
  readonly says: string;
}

/** Rows `| 31 | jump/border.test.ts | title |`; a case without a test has – for its file, and a reason. */
function readTable(): Row[] {
  const rows: Row[] = [];
  for (const line of readFileSync(join(TESTS, 'CASES.md'), 'utf8').split('\n')) {
    const cells = /^\| (\d+) \| (\S+) \| (.+) \|$/.exec(line);
    if (cells !== null) rows.push({ number: Number(cells[1]), file: cells[2], says: cells[3] });
  }
  return rows;
}

/** The titles of all tests in a file, as they are written there. */
function titlesIn(file: string): string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    const title = ts.isCallExpression(node) ? node.arguments[0] : undefined;
    if (title !== undefined && ts.isStringLiteralLike(title) && isTest((node as ts.CallExpression).expression)) {
      titles.push(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(join(TESTS, file), 'utf8'), ts.ScriptTarget.Latest));
  return titles;
}

/** `test`, or `test.each(...)`. */
function isTest(called: ts.Expression): boolean {
  if (ts.isCallExpression(called)) return isTest(called.expression);
  if (ts.isPropertyAccessExpression(called)) return called.name.text === 'each' && isTest(called.expression);
  return ts.isIdentifier(called) && called.text === 'test';
}

const rows = readTable();
const files = readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll(sep, '/'))
  .filter((file) => file.endsWith('.test.ts'));

describe('the table of cases', () => {
  test('has every case, in order, and each either with tests or with one reason', () => {
    const numbers = rows.map(({ number }) => number);
    expect([...new Set(numbers)]).toEqual(Array.from({ length: LAST_CASE }, (_, i) => i + 1));
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    const withoutTest = rows.filter(({ file }) => file === '–').map(({ number }) => number);
    for (const number of withoutTest) expect(rows.filter((row) => row.number === number)).toHaveLength(1);
  });

  test('names tests that exist, under that title', () => {
    const missing = rows.filter(({ file, says }) => file !== '–' && !titlesIn(file).includes(says));
    expect(missing).toEqual([]);
  });

  test('has every test that names a case, at that case', () => {
    const named = files.flatMap((file) =>
      titlesIn(file).flatMap((title) => {
        const number = /^case (\d+): /.exec(title)?.[1];
        return number === undefined ? [] : [{ number: Number(number), file, says: title }];
      }),
    );
    const listed = new Set(rows.map((row) => JSON.stringify(row)));
    const absent = named.filter((row) => !listed.has(JSON.stringify(row)));
    expect(absent).toEqual([]);
  });
});

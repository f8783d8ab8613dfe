// SPDX-License-Identifier: MIT
// Imports point one way: examples -> orchestrator -> shared <- kernel-worker. The two sides of the machine know each
// other only through shared/, so neither can come to lean on the other's objects; shared/ leans on nothing, so it may
// run anywhere. There are no barrels: orchestrator/index.ts alone hands names on, and lists them one by one.
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

/** What each folder may import from; `packages` is whether npm packages and Node's own modules are among it. */
const FOLDERS: Record<string, { folders: readonly string[]; packages: boolean }> = {
  shared: { folders: ['shared'], packages: false },
  'kernel-worker': { folders: ['kernel-worker', 'shared'], packages: true },
  orchestrator: { folders: ['orchestrator', 'shared'], packages: true },
  examples: { folders: ['examples', 'orchestrator', 'shared'], packages: true },
};
/** These may import anything, but hand nothing on either. */
const FREE_FOLDERS = ['test', 'bench'];
const PUBLIC_API = 'orchestrator/index.ts';

interface ModuleLinks {
  /** Every module named by a literal: import, export from, import(), require(), import('...') in a type. */
  readonly specifiers: string[];
  readonly reExports: string[];
  readonly starReExports: string[];
}

function linksOf(file: string, source: string): ModuleLinks {
  const links: ModuleLinks = { specifiers: [], reExports: [], starReExports: [] };
  const imported = new Set<string>();
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) links.specifiers.push(specifier);
    if (ts.isImportClause(node) && node.name) imported.add(node.name.text);
    if (ts.isImportSpecifier(node) || ts.isNamespaceImport(node)) imported.add(node.name.text);
    ts.forEachChild(node, visit);
  };
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);
  visit(tree);

  // Imports are hoisted, so this needs all of them to be known.
  for (const statement of tree.statements) {
    if (!ts.isExportDeclaration(statement)) continue;
    const clause = statement.exportClause;
    if (!clause || ts.isNamespaceExport(clause)) links.starReExports.push(specifierOf(statement)!);
    else
      for (const { name, propertyName } of clause.elements) {
        if (statement.moduleSpecifier || imported.has((propertyName ?? name).text)) links.reExports.push(name.text);
      }
  }
  return links;
}

function specifierOf(node: ts.Node): string | undefined {
  let literal: ts.Node | undefined;
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) literal = node.moduleSpecifier;
  else if (ts.isExternalModuleReference(node)) literal = node.expression;
  else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) literal = node.argument.literal;
  else if (ts.isCallExpression(node)) {
    const callee = node.expression;
    const loads = callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
    if (loads) literal = node.arguments[0];
  }
  return literal && ts.isStringLiteralLike(literal) ? literal.text : undefined;
}

/** The violations in one file, in plain English; `file` is relative to the project, with forward slashes. */
function violations(file: string, source: string): string[] {
  const links = linksOf(file, source);
  const found = links.starReExports.map((specifier) => `${file}: export * from '${specifier}'`);
  if (file !== PUBLIC_API) found.push(...links.reExports.map((name) => `${file}: re-exports ${name}`));

  const rule = FOLDERS[file.split('/')[0]!];
  for (const specifier of rule ? links.specifiers : []) {
    const relative = specifier.startsWith('./') || specifier.startsWith('../');
    const target = relative ? posix.join(posix.dirname(file), specifier).split('/')[0]! : specifier;
    // Under its own name the package is the built one: source and build would run side by side.
    const allowed = relative
      ? rule!.folders.includes(target)
      : rule!.packages && !/^(kjump(\/|$)|\/|file:)/.test(target);
    if (!allowed) found.push(`${file}: may not import '${specifier}'`);
  }
  return found;
}

function sourceFiles(): string[] {
  const root = fileURLToPath(new URL('..', import.meta.url));
  return [...Object.keys(FOLDERS), ...FREE_FOLDERS].flatMap((folder) =>
    readdirSync(root + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => posix.join(folder, name.replaceAll('\\', '/'))),
  );
}

describe('the source tree', () => {
  test('has files in every folder the rules are about', () => {
    const folders = new Set(sourceFiles().map((file) => file.split('/')[0]));
    expect([...folders].sort()).toEqual([...Object.keys(FOLDERS), ...FREE_FOLDERS].sort());
  });

  test('keeps the import directions', () => {
    const root = new URL('..', import.meta.url);
    expect(sourceFiles().flatMap((file) => violations(file, readFileSync(new URL(file, root), 'utf8')))).toEqual([]);
  });
});

describe('the checker', () => {
  test.each([
    ['shared/units.ts', "import { assert } from './errors.ts';"],
    ['shared/layout/clock.ts', "import type { Layout } from '../layout.ts';"],
    ['kernel-worker/main.ts', "import * as Comlink from 'comlink'; import { OWNER } from '../shared/ownership.ts';"],
    [
      'kernel-worker/devices/pic.ts',
      "import { Bus } from '../bus.ts'; import { PIC } from '../../shared/layout/pic.ts';",
    ],
    ['orchestrator/machine.ts', "import { Piscina } from 'piscina'; import { Kernel } from './kernel.ts';"],
    ['orchestrator/index.ts', "export { createMachine } from './machine.ts'; export type { A } from './a.ts';"],
    ['examples/guests/counter.ts', "import type { Guest } from '../../shared/guest.ts';"],
    ['examples/tour.ts', "import { createMachine } from '../orchestrator/index.ts';"],
    ['test/a.test.ts', "import { Bus } from '../kernel-worker/bus.ts'; import '../orchestrator/index.ts';"],
    ['shared/text.ts', "const quoted = \"import x from '../orchestrator/machine.ts'\"; // import '../test/a.ts'"],
    ['kernel-worker/load.ts', 'export const load = (path: string) => import(path);'],
    ['shared/names.ts', 'const a = 1; export { a };'],
  ])('accepts %s with %s', (file, source) => {
    expect(violations(file, source)).toEqual([]);
  });

  test.each([
    ['shared/units.ts', "import { Machine } from '../orchestrator/machine.ts';"],
    ['shared/units.ts', "import type { Bus } from '../kernel-worker/bus.ts';"],
    ['shared/layout/pic.ts', "import { readFileSync } from 'node:fs';"],
    ['shared/units.ts', "import { Piscina } from 'piscina';"],
    ['shared/units.ts', "import '../test/helper.ts';"],
    ['kernel-worker/main.ts', "import { Machine } from '../orchestrator/machine.ts';"],
    ['kernel-worker/main.ts', "type M = import('../orchestrator/machine.ts').Machine;"],
    ['kernel-worker/main.ts', "await import('../orchestrator/machine.ts');"],
    ['kernel-worker/main.ts', 'await import(`../orchestrator/machine.ts`);'],
    ['kernel-worker/main.ts', "const machine = require('../orchestrator/machine.ts');"],
    ['kernel-worker/main.ts', "import machine = require('../orchestrator/machine.ts');"],
    ['kernel-worker/devices/pic.ts', "import '../../orchestrator/machine.ts';"],
    ['orchestrator/machine.ts', "import type { Bus } from '../kernel-worker/bus.ts';"],
    ['orchestrator/cli.ts', "import { tour } from '../examples/tour.ts';"],
    ['orchestrator/cli.ts', "import { suite } from '../bench/main.ts';"],
    ['orchestrator/index.ts', "export { run } from '../kernel-worker/run-loop.ts';"],
    ['examples/tour.ts', "import { run } from '../kernel-worker/run-loop.ts';"],
    ['examples/tour.ts', "import { createMachine } from 'kjump';"],
    ['examples/guests/a.ts', "import type { Guest } from 'kjump/guest';"],
  ])('reports the import in %s: %s', (file, source) => {
    expect(violations(file, source)).toEqual([expect.stringMatching(/may not import/)]);
  });

  test.each([
    ['shared/index.ts', "export { assert } from './errors.ts';", 're-exports assert'],
    ['shared/a.ts', "export type { Units } from './units.ts';", 're-exports Units'],
    ['shared/a.ts', "export { b as c }; import { b } from './b.ts';", 're-exports c'],
    ['orchestrator/loaders/index.ts', "import * as elf from './elf.ts'; export { elf };", 're-exports elf'],
    ['orchestrator/index.ts', "export * from './machine.ts';", "export * from './machine.ts'"],
    ['orchestrator/index.ts', "export * as elf from './loaders/elf.ts';", "export * from './loaders/elf.ts'"],
    ['test/helpers.ts', "export * from '../shared/units.ts';", "export * from '../shared/units.ts'"],
    ['bench/helpers.ts', "export { a } from '../shared/units.ts';", 're-exports a'],
  ])('reports the barrel %s: %s', (file, source, message) => {
    expect(violations(file, source)).toEqual([`${file}: ${message}`]);
  });
});

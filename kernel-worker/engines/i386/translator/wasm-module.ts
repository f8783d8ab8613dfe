// SPDX-License-Identifier: MIT
//
// A WebAssembly module as bytes (core specification 2.0, §5.5): functions of 32-bit integers with one result, over one imported
// shared memory. Functions are numbered imports first.
import { I32, pushUnsigned } from './wasm-code.ts';

export interface ModuleImport {
  readonly name: string;
  readonly parameters: number;
}

export interface ModuleFunction {
  /** Empty: not exported. */
  readonly name: string;
  readonly parameters: number;
  /** Locals behind the parameters, by type in runs: [count, type]. */
  readonly locals: readonly (readonly [number, number])[];
  /** Body, with its end. */
  readonly code: readonly number[];
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const FUNCTION_TYPE = 0x60;
const SHARED_WITH_MAXIMUM = 3;
const FUNCTION_REFERENCE = 0x70;
/** Type n is that of functions with n parameters. */
const PARAMETERS_MAX = 5;
const MEMORY = { name: 'memory', parameters: 0 };
const TABLE = { name: 'functions', parameters: 0 };
/** Section numbers. */
const TYPES = 1;
const IMPORTS = 2;
const FUNCTIONS = 3;
const EXPORTS = 7;
const CODE = 10;

/**
 * Encodes a module. Everything imported is named in the module `host`: the memory is `memory`, the table of functions `functions`. Type n
 * is that of functions with n parameters.
 */
export function encodeModule(
  memoryPages: number,
  imports: readonly ModuleImport[],
  functions: readonly ModuleFunction[],
): Uint8Array<ArrayBuffer> {
  const typeOf = (parameters: number): number => parameters;
  const arities = Array.from({ length: PARAMETERS_MAX + 1 }, (_, parameters) => parameters);
  const bytes = [...HEADER];
  section(bytes, TYPES, arities, (out, parameters) => {
    out.push(FUNCTION_TYPE);
    pushUnsigned(out, parameters);
    for (let i = 0; i < parameters; i++) out.push(I32);
    out.push(1, I32);
  });
  section(bytes, IMPORTS, [MEMORY, TABLE, ...imports], (out, entry) => {
    pushName(out, 'host');
    pushName(out, entry.name);
    if (entry === TABLE) out.push(1, FUNCTION_REFERENCE, 0, 0);
    else if (entry === MEMORY) {
      out.push(2, SHARED_WITH_MAXIMUM);
      pushUnsigned(out, memoryPages);
      pushUnsigned(out, memoryPages);
    } else out.push(0, typeOf(entry.parameters));
  });
  section(bytes, FUNCTIONS, functions, (out, { parameters }) => out.push(typeOf(parameters)));
  const exported = [...functions.entries()].filter(([, { name }]) => name !== '');
  section(bytes, EXPORTS, exported, (out, [index, { name }]) => {
    pushName(out, name);
    out.push(0);
    pushUnsigned(out, imports.length + index);
  });
  section(bytes, CODE, functions, (out, { locals, code }) => {
    const head: number[] = [];
    pushUnsigned(head, locals.length);
    for (const [count, type] of locals) {
      pushUnsigned(head, count);
      head.push(type);
    }
    pushUnsigned(out, head.length + code.length);
    for (const byte of head) out.push(byte);
    for (const byte of code) out.push(byte);
  });
  return Uint8Array.from(bytes);
}

function section<T>(bytes: number[], id: number, entries: readonly T[], put: (out: number[], entry: T) => void): void {
  const content: number[] = [];
  pushUnsigned(content, entries.length);
  for (const entry of entries) put(content, entry);
  bytes.push(id);
  pushUnsigned(bytes, content.length);
  for (const byte of content) bytes.push(byte);
}

/** Names are ASCII. */
function pushName(out: number[], name: string): void {
  pushUnsigned(out, name.length);
  for (let i = 0; i < name.length; i++) out.push(name.charCodeAt(i));
}

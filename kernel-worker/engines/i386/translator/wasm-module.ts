// SPDX-License-Identifier: MIT
//
// A WebAssembly module as bytes (core specification 2.0, §5.5): functions of 32-bit integers with one result, over one imported
// shared memory. Functions are numbered imports first.
import { WasmBytes } from './wasm-bytes.ts';
import { I32 } from './wasm-code.ts';

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
  readonly code: WasmBytes;
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
  const bytes = new WasmBytes();
  for (const byte of HEADER) bytes.push(byte);
  section(bytes, TYPES, arities, (out, parameters) => {
    out.push(FUNCTION_TYPE);
    out.unsigned(parameters);
    for (let i = 0; i < parameters; i++) out.push(I32);
    out.push(1);
    out.push(I32);
  });
  section(bytes, IMPORTS, [MEMORY, TABLE, ...imports], (out, entry) => {
    name(out, 'host');
    name(out, entry.name);
    if (entry === TABLE) for (const byte of [1, FUNCTION_REFERENCE, 0, 0]) out.push(byte);
    else if (entry === MEMORY) {
      out.push(2);
      out.push(SHARED_WITH_MAXIMUM);
      out.unsigned(memoryPages);
      out.unsigned(memoryPages);
    } else {
      out.push(0);
      out.push(typeOf(entry.parameters));
    }
  });
  section(bytes, FUNCTIONS, functions, (out, { parameters }) => out.push(typeOf(parameters)));
  const exported = [...functions.entries()].filter(([, { name }]) => name !== '');
  section(bytes, EXPORTS, exported, (out, [index, exportedFunction]) => {
    name(out, exportedFunction.name);
    out.push(0);
    out.unsigned(imports.length + index);
  });
  section(bytes, CODE, functions, (out, { locals, code }) => {
    const head = new WasmBytes();
    head.unsigned(locals.length);
    for (const [count, type] of locals) {
      head.unsigned(count);
      head.push(type);
    }
    out.unsigned(head.length + code.length);
    out.append(head);
    out.append(code);
  });
  return bytes.view;
}

function section<T>(bytes: WasmBytes, id: number, entries: readonly T[], put: (out: WasmBytes, entry: T) => void) {
  const content = new WasmBytes();
  content.unsigned(entries.length);
  for (const entry of entries) put(content, entry);
  bytes.push(id);
  bytes.unsigned(content.length);
  bytes.append(content);
}

/** Names are ASCII. */
function name(out: WasmBytes, text: string): void {
  out.unsigned(text.length);
  for (let i = 0; i < text.length; i++) out.push(text.charCodeAt(i));
}

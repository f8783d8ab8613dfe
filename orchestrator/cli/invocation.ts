// SPDX-License-Identifier: MIT
//
// What every command is given beside its arguments.
import type { Interruption } from './interruption.ts';
import type { Output } from './output.ts';

export interface Invocation {
  readonly output: Output;
  readonly interruption: Interruption;
  /** Options of the command and of the program, by their names. */
  readonly options: Readonly<Record<string, unknown>>;
}

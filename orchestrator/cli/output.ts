// SPDX-License-Identifier: MIT
//
// What a command says, and where: the result goes to stdout, everything else to stderr. With --json the result is one object,
// also when the command fails. An error is three lines: what, why, what to do; its stack is for --debug.
import { inspect } from 'node:util';
import picocolors from 'picocolors';
import { KjumpError } from '../../shared/errors.ts';
import { formatDeathReport } from '../death/format.ts';
import type { DeathReport } from '../death-report.ts';
import { wrapText } from './columns.ts';
import { exitCodeOf, isKjumpError } from './exit-codes.ts';

type Colors = ReturnType<typeof picocolors.createColors>;

export interface OutputOptions {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  /** False for --no-color. */
  readonly color?: boolean;
}

const COLUMNS = { fallback: 80, min: 40, max: 120 } as const;

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly debug: boolean;
  readonly colorAllowed: boolean;
  /** Colours of stderr. */
  readonly colors: Colors;
  /** True if stderr can show what changes in place. */
  readonly live: boolean;
  private readonly resultColors: boolean;
  private readonly command: string;

  constructor(command: string, { json, quiet, verbose, debug, color = true }: OutputOptions) {
    this.command = command;
    this.json = json === true;
    this.quiet = quiet === true;
    this.verbose = verbose === true && !this.quiet;
    this.debug = debug === true;
    this.colorAllowed = color;
    this.colors = picocolors.createColors(color && wantsColor(process.stderr));
    this.resultColors = color && wantsColor(process.stdout);
    this.live = !this.quiet && process.stderr.isTTY === true && process.env.TERM !== 'dumb' && !process.env.CI;
  }

  /** Columns to fill on stderr. */
  get columns(): number {
    return Math.max(COLUMNS.min, Math.min(process.stderr.columns ?? COLUMNS.fallback, COLUMNS.max));
  }

  /** Of what is part of the result. */
  get resultStyle(): { bold: (text: string) => string; dim: (text: string) => string } {
    const { bold, dim } = picocolors.createColors(this.resultColors);
    return { bold, dim };
  }

  /** The result: `fields` as JSON, or else `text`. */
  result(fields: Readonly<Record<string, unknown>>, text: string): void {
    if (this.json) this.object({ ok: true, ...fields });
    else if (text !== '') process.stdout.write(`${text}\n`);
  }

  /** A result as people read it: what JSON says of it, and no more. Throws `SCENARIO` if it says nothing. */
  pretty(value: unknown): string {
    if (value === undefined) return '';
    if (typeof value === 'string') return value;
    return inspect(JSON.parse(toJson(value)), {
      colors: this.resultColors,
      depth: 8,
      breakLength: 80,
      maxArrayLength: 12,
    });
  }

  /** A line, or some, for whoever watches. */
  say(text = ''): void {
    if (!this.quiet) process.stderr.write(`${text}\n`);
  }

  /** The same, for whoever wants to know more. */
  detail(text: string): void {
    if (this.verbose) process.stderr.write(`${this.colors.dim(text)}\n`);
  }

  /** A failure that is the command's result. */
  failed(error: unknown): void {
    this.error(error);
    if (this.json) this.object({ ok: false, error: plainError(error) });
  }

  /** Three lines on stderr. */
  error(error: unknown): void {
    const { red, bold, dim } = this.colors;
    const { code, message, why, fix, details } = plainError(error);
    const lines = [`${red(bold('error:'))} ${message} ${dim(`[${code}]`)}`];
    if (why !== '') lines.push(this.labelled('  why: ', this.debug ? why : withoutStack(why)));
    lines.push(this.labelled('   do: ', fix));
    const { report } = details as { report?: DeathReport };
    if (report !== undefined && !this.json) lines.push('', formatDeathReport(report, { bold, dim }));
    if (this.debug) lines.push(dim(inspect(error, { depth: 6 })));
    process.stderr.write(`${lines.join('\n')}\n`);
  }

  /** One line; on a terminal that is too narrow for it, one beneath the other. */
  private labelled(label: string, text: string): string {
    if (!process.stderr.isTTY || label.length + text.length <= this.columns) return label + text;
    return label + wrapText(text, this.columns, ' '.repeat(label.length)).trimStart();
  }

  private object(fields: object): void {
    process.stdout.write(`${toJson({ schema: 1, command: this.command, ...fields })}\n`);
  }
}

/** One line of a text in which somebody put a whole error. */
function withoutStack(text: string): string {
  const lines = text.split('\n');
  const stack = lines.findIndex((line) => /^\s+at /.test(line));
  return (stack < 0 ? lines : lines.slice(0, stack)).map((line) => line.trim()).join(' ');
}

/** What JSON says of an error: its code, its three texts, its facts. */
export function plainError(error: unknown) {
  const exitCode = exitCodeOf(error);
  if (isKjumpError(error)) {
    const { code, message, why, details } = error;
    return { code, message, why, fix: error.fix || 'add --debug to see where it comes from', details, exitCode };
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const fix = 'add --debug to see where it comes from';
  return { code: 'SCENARIO', message, why: '', fix, details: {}, exitCode };
}

function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new KjumpError('SCENARIO', 'the result cannot be written as JSON', {
      why: (cause as Error).message,
      fix: 'return plain values from the scenario',
      cause,
    });
  }
}

/** https://no-color.org, https://force-color.org, and terminals that say they cannot. */
function wantsColor(stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  return stream.isTTY === true && TERM !== 'dumb';
}

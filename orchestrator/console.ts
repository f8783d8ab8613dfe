// SPDX-License-Identifier: MIT
//
// A kernel's console as a script uses it: wait until it has written something, answer. The machine is run in slices of virtual time
// and stops at the end of one: where it stops depends on what was typed and when, in virtual time, and on no wall clock.
import { KjumpError } from '../shared/errors.ts';
import { KernelState } from '../shared/lifecycle.ts';
import type { ConsoleLog } from './console-log.ts';
import type { RunReport } from './events.ts';
import type { Kernel } from './kernel.ts';
import { checkOptions, wholeNumber } from './options.ts';
import { crashed, isOver } from './refusals.ts';

export interface ExpectOptions {
  /** Virtual time to wait for; default a minute. */
  readonly ticks?: number;
  /** The same in ms of the wall: for a test that must not hang. Where the machine stands then is a matter of luck. */
  readonly timeout?: number;
  /** Gives up: the call rejects with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** What a console asks of the machine. */
export interface ConsoleHost {
  consoleLog(kernel: Kernel): ConsoleLog;
  /** Takes as much of the input as there is room for; the number of bytes. */
  typeTo(kernel: Kernel, bytes: Uint8Array): number;
  /** Runs in slices until `done` says so behind one of them. */
  runUntil(done: () => boolean, limits: { readonly ticks: number; readonly signal?: AbortSignal }): Promise<RunReport>;
  find(kernel: string): Kernel;
  /** Virtual time. */
  readonly now: number;
}

interface Search {
  readonly pattern: RegExp | string;
  /** Up to here there is no match, wherever what was written may have ended. */
  tried: number;
}

const MINUTE = 60e9;
const EXPECT_CHECKS = {
  ticks: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  timeout: wholeNumber(1, 2 ** 31 - 1),
  signal: (value: unknown) => (value instanceof AbortSignal ? null : 'an AbortSignal'),
};
const SHOWN_CHARS = 400;

export class KernelConsole {
  private readonly host: ConsoleHost;
  private readonly kernel: Kernel;
  /** What lies before this place of the log has been matched. */
  private position = 0;

  constructor(host: ConsoleHost, kernel: Kernel) {
    this.host = host;
    this.kernel = kernel;
  }

  /** What the kernel has written since this process knows it, the last 256 Ki characters: lines end in \n, and colours are left out. */
  get output(): string {
    return this.log.from(0);
  }

  /**
   * Runs the machine until the pattern appears in what the kernel has written since the last match. Gives that text, up to the end
   * of the match. What it had written is looked at as it stood at each pause, a millisecond of virtual time without a character, one
   * after the other: so `$` is the end of a prompt, whatever the kernel wrote later. A match that reaches the end of what it is
   * still writing waits for its pause. Throws `TIMEOUT`, `KERNEL_CRASHED`, or `BAD_STATE` if the machine stops for another reason.
   */
  async expect(pattern: RegExp | string, options: ExpectOptions = {}): Promise<string> {
    checkOptions('console.expect', options, EXPECT_CHECKS);
    const { ticks = MINUTE, timeout, signal } = options;
    const search: Search = { pattern, tried: 0 };
    const found = this.take(search, this.isAtRest);
    if (found !== null) return found;
    const timer = timeout === undefined ? null : AbortSignal.timeout(timeout);
    const signals = [signal, timer].filter((one): one is AbortSignal => one instanceof AbortSignal);
    let text: string | null = null;
    const done = (): boolean => {
      text = this.take(search, this.isAtRest);
      return text !== null;
    };
    const limits = { ticks, signal: signals.length === 0 ? undefined : AbortSignal.any(signals) };
    let report: RunReport;
    try {
      report = await this.host.runUntil(done, limits);
    } catch (error) {
      if (timer?.aborted && !signal?.aborted) throw this.timedOut(pattern, `within ${timeout} ms`);
      throw error;
    }
    text ??= this.take(search, true);
    if (text !== null) return text;
    if (report.reason === 'limit') throw this.timedOut(pattern, `in ${ticks / 1e9} s of virtual time`);
    if (report.reason === 'crashed') {
      const dead = this.host.find(report.kernel);
      throw crashed({ ...dead.stop, report: await dead.deathReport().catch(() => undefined) });
    }
    throw new KjumpError('BAD_STATE', `${this.kernel.name} did not write ${String(pattern)}`, {
      why: `the machine stopped before: ${report.reason}`,
      fix: 'look at kernel.console.output, and at kernel.stop if it is over',
      details: { reason: report.reason, output: this.tail() },
    });
  }

  /**
   * Types on the kernel's console: it comes in at the serial port while the machine runs; to a Linux that still starts up it
   * does so when its port is opened. Enter is \n. There is room for some 1,700 bytes that the kernel has not read: beyond them it
   * throws `BAD_STATE`, and `details.typed` says how many bytes were typed.
   */
  type(text: string | Uint8Array): void {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    const { name } = this.kernel;
    if (isOver(this.kernel.slot)) {
      throw new KjumpError('BAD_STATE', `nothing can be typed to ${name}: it is over`, {
        why: this.kernel.slot.stopText,
        fix: 'look at kernel.state first',
      });
    }
    const typed = this.host.typeTo(this.kernel, bytes);
    if (typed === bytes.length) return;
    throw new KjumpError('BAD_STATE', `only ${typed} of ${bytes.length} bytes could be typed to ${name}`, {
      why: 'the kernel has not read so much yet',
      fix: 'run the machine until it has, and type the rest',
      details: { typed },
    });
  }

  private get log(): ConsoleLog {
    return this.host.consoleLog(this.kernel);
  }

  /** It writes nothing now: for the time of a pause, or because another kernel has the machine, or none. */
  private get isAtRest(): boolean {
    return this.kernel.slot.state !== KernelState.RUNNING || this.log.hasPaused(this.host.now);
  }

  private take(search: Search, atRest: boolean): string | null {
    const { log } = this;
    const start = Math.max(this.position, log.start);
    for (const place of [...log.pausesBehind(Math.max(start, search.tried)), log.end]) {
      const text = log.between(start, place);
      const length = endOfMatch(text, search.pattern);
      const mayGrow = place === log.end && !atRest;
      if (length >= 0 && !(mayGrow && length === text.length)) {
        this.position = start + length;
        return text.slice(0, length);
      }
      if (!mayGrow) search.tried = place;
    }
    return null;
  }

  private timedOut(pattern: RegExp | string, limit: string): KjumpError {
    return new KjumpError('TIMEOUT', `${this.kernel.name} did not write ${String(pattern)} ${limit}`, {
      why: `it wrote last: ${JSON.stringify(this.tail().slice(-80))}`,
      fix: 'look at kernel.console.output, or give more ticks',
      details: { output: this.tail() },
    });
  }

  private tail(): string {
    return this.log.from(Math.max(0, this.log.end - SHOWN_CHARS));
  }
}

/** Where the first match ends in the text; −1: there is none. */
function endOfMatch(text: string, pattern: RegExp | string): number {
  if (typeof pattern === 'string') {
    const at = text.indexOf(pattern);
    return at < 0 ? -1 : at + pattern.length;
  }
  // Whatever place a pattern of the caller with the flag g or y remembers is of another text.
  const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(text);
  return match === null ? -1 : match.index + match[0].length;
}

// SPDX-License-Identifier: MIT
//
// Why a command may have to end early: Ctrl-C, SIGTERM, --timeout. The first one asks: `signal` is aborted and the command closes
// what it has open. A second Ctrl-C ends the process at once.
import { setTimeout as delay } from 'node:timers/promises';
import { KjumpError } from '../../shared/errors.ts';
import { ExitCode } from './exit-codes.ts';

const SIGNALS = { SIGINT: ExitCode.interrupted, SIGTERM: ExitCode.terminated } as const;
/** What a scenario gets to run its own cleaning up, once its machines are closed. */
const GRACE_MS = 1000;

export class Interruption {
  readonly signal: AbortSignal;
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout | undefined;
  private readonly aborted: Promise<never>;

  constructor(timeoutMs: number | null) {
    this.signal = this.controller.signal;
    this.aborted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
    this.aborted.catch(() => {});
    for (const name of Object.keys(SIGNALS) as (keyof typeof SIGNALS)[]) process.on(name, this.onSignal);
    if (timeoutMs !== null) this.timer = setTimeout(() => this.controller.abort(timedOut(timeoutMs)), timeoutMs);
  }

  /**
   * Settles as `work` does, unless the command is interrupted first: then rejects with the reason, after `close` has run and
   * `work` has had a moment to end. `close` runs in every case.
   */
  async guard<T>(work: Promise<T>, close: () => Promise<void>): Promise<T> {
    try {
      return await Promise.race([work, this.aborted]);
    } catch (error) {
      // Whatever an interrupted command fails with, it failed because it was interrupted.
      throw this.signal.aborted ? this.signal.reason : error;
    } finally {
      await close();
      if (this.signal.aborted) await Promise.race([work.catch(() => {}), delay(GRACE_MS)]);
    }
  }

  end(): void {
    clearTimeout(this.timer);
    for (const name of Object.keys(SIGNALS)) process.off(name, this.onSignal);
  }

  private readonly onSignal = (name: keyof typeof SIGNALS): void => {
    if (this.signal.aborted) process.exit(SIGNALS[name]);
    this.controller.abort(
      new KjumpError('ABORTED', `interrupted by ${name}`, {
        why: 'the process was asked to end',
        fix: 'run it again: machines are closed, and no file is half written',
        details: { exitCode: SIGNALS[name] },
      }),
    );
  };
}

function timedOut(timeoutMs: number): KjumpError {
  return new KjumpError('TIMEOUT', `not done within ${timeoutMs / 1000} s`, {
    why: '--timeout gave no more time',
    fix: 'give a longer --timeout, or fewer steps, ticks or switches',
  });
}

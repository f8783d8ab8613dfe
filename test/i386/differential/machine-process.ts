// SPDX-License-Identifier: MIT
//
// Both ends of a process that runs batches: the runner in the parent, and what serves it in the child.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Outcome } from './batch-layout.ts';

interface Request {
  readonly batch: Uint8Array;
  readonly timeoutMs: number;
}

interface Answer {
  readonly outcome?: Outcome;
  readonly error?: string;
}

/** In the child: runs a batch for each message. */
export function serveBatches(run: (batch: Uint8Array, timeoutMs: number) => Promise<Outcome>): void {
  process.on('message', ({ batch, timeoutMs }: Request) => {
    run(batch, timeoutMs).then(
      (outcome) => process.send!({ outcome } satisfies Answer),
      (error: unknown) => process.send!({ error: (error as Error).stack ?? String(error) } satisfies Answer),
    );
  });
}

/** In the parent: a process for `file` of this folder that lives until it is disposed of. One run at a time. */
export class MachineProcess implements Disposable {
  readonly #file: string;
  #child: ChildProcess | undefined;
  #said = '';

  constructor(file: string) {
    this.#file = fileURLToPath(new URL(file, import.meta.url));
  }

  async run(batch: Uint8Array, timeoutMs: number): Promise<Outcome> {
    this.#child ??= this.#start();
    const child = this.#child;
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      const died = (code: number | null): void => reject(new Error(`${this.#file} ended with ${code}: ${this.#said}`));
      child.once('close', died);
      child.once('message', ({ outcome, error }: Answer) => {
        child.off('close', died);
        if (outcome) resolve(outcome);
        else reject(new Error(error));
      });
      child.send({ batch, timeoutMs } satisfies Request);
    });
    // A machine that did not come to its end may still run.
    if (!outcome.done) this[Symbol.dispose]();
    return outcome;
  }

  #start(): ChildProcess {
    const child = fork(this.#file, { execArgv: ['--import', 'tsx'], serialization: 'advanced', silent: true });
    // A fault inside v86 writes to the console by itself: heard only if the process dies of it.
    child.stderr!.on('data', (text: Buffer) => {
      this.#said = (this.#said + text.toString()).slice(-2000);
    });
    child.stdout!.resume();
    return child;
  }

  [Symbol.dispose](): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}

// SPDX-License-Identifier: MIT
//
// The serial console as this terminal: what is typed goes to the kernel that has the machine, key by key. Ctrl-A is the escape
// character, with the keys of QEMU. Where stdin is no terminal, all of it is input, as fast as the kernel reads it.
import type { ReadStream } from 'node:tty';
import type { Machine } from '../machine.ts';

const CTRL_A = 0x01;
const AGAIN_MS = 20;
const HELP = ['Ctrl-A h  this help', 'Ctrl-A x  leave', 'Ctrl-A Ctrl-A  send Ctrl-A'];

interface TerminalHooks {
  /** Ctrl-A x. */
  leave(): void;
  /** Lines for whoever sits there. */
  say(text: string): void;
}

export class Terminal {
  private readonly machine: Machine;
  private readonly stdin: ReadStream;
  private readonly hooks: TerminalHooks;
  private readonly interactive: boolean;
  /** Typed, and not taken yet. */
  private waiting: Uint8Array = new Uint8Array(0);
  private escaped = false;
  private timer: NodeJS.Timeout | undefined;
  /** Bytes that were typed, and those that `more` has told of. */
  private typed = 0;
  private told = 0;
  /** Nothing more will come. */
  private over = false;
  /** Lets `more` look again. */
  private wake: () => void = () => {};

  /** `interactive`: stdin is a terminal, and becomes one without lines and signals of its own. */
  constructor(machine: Machine, stdin: ReadStream, interactive: boolean, hooks: TerminalHooks) {
    this.machine = machine;
    this.stdin = stdin;
    this.hooks = hooks;
    this.interactive = interactive;
    if (interactive) stdin.setRawMode(true);
    stdin.on('data', this.onData).on('end', this.onEnd).on('error', this.onEnd);
  }

  /** Gives the terminal back. */
  end(): void {
    this.stop();
    this.stdin.off('data', this.onData).off('end', this.onEnd).off('error', this.onEnd).pause();
    if (this.interactive) this.stdin.setRawMode(false);
  }

  private stop(): void {
    this.over = true;
    this.waiting = new Uint8Array(0);
    clearTimeout(this.timer);
    this.wake();
  }

  /** For a machine in which only a key can make anything happen: true once one was pressed; false if none will be. */
  async more(): Promise<boolean> {
    for (;;) {
      if (this.typed !== this.told) {
        this.told = this.typed;
        return true;
      }
      if (this.over && this.waiting.length === 0) return false;
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  private readonly onData = (data: Buffer): void => {
    const input = this.interactive ? this.withoutEscapes(data) : data;
    this.waiting = Buffer.concat([this.waiting, input]);
    this.feed();
  };

  /** What waits is still fed. */
  private readonly onEnd = (): void => {
    this.over = true;
    this.wake();
  };

  /** Types as much as there is room for; the rest later, and nothing more is read until then. */
  private feed(): void {
    clearTimeout(this.timer);
    const { current } = this.machine;
    const isReady = current !== null && this.waiting.length > 0;
    const typed = isReady ? this.machine.typeTo(current, this.waiting) : 0;
    this.waiting = this.waiting.subarray(typed);
    this.typed += typed;
    if (this.waiting.length > 0) {
      this.stdin.pause();
      this.timer = setTimeout(() => this.feed(), AGAIN_MS);
    } else this.stdin.resume();
    if (typed > 0) this.wake();
  }

  private withoutEscapes(data: Buffer): Uint8Array {
    return data.filter((byte) => {
      const { escaped } = this;
      this.escaped = !escaped && byte === CTRL_A;
      if (escaped) this.command(byte);
      return escaped ? byte === CTRL_A : !this.escaped;
    });
  }

  private command(byte: number): void {
    switch (String.fromCharCode(byte).toLowerCase()) {
      case 'x':
        this.stop();
        this.hooks.leave();
        return;
      case 'h':
      case '?':
        for (const line of ['', ...HELP]) this.hooks.say(line);
        return;
    }
  }
}

// SPDX-License-Identifier: MIT
//
// What one kernel has written on its console, as plain text, and where it paused: there it is as its writer wants it to
// be read, a prompt for example. Pauses are told by the ticks of the bytes (TraceType.console) and not by who looked when: the same
// run has the same ones.
import { CONSOLE_PAUSE_TICKS } from '../shared/console-ring.ts';

const KEPT_CHARS = 256 * 1024;
/** ECMA-48 §5.4: control sequences, which move the cursor and colour text; and the escapes of two characters. */
const CONTROLS = /\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-Z\\-~]/g;
/** One of those, or a line end, that is not complete. */
const INCOMPLETE = /(?:\x1b(?:\[[0-?]*[ -/]*|[ -/]*)|\r+)$/;

/** Places in the text are counted from the first character ever written. */
export class ConsoleLog {
  private text = '';
  private rest = '';
  private lastTick = Number.NEGATIVE_INFINITY;
  private pauses: number[] = [];
  /** Place of the first character that is still kept. */
  start = 0;

  /** What was written between these ticks, with no pause in it. */
  append(written: string, firstTick: number, lastTick: number): void {
    if (this.hasPaused(firstTick)) this.pauses.push(this.end);
    this.lastTick = lastTick;
    const raw = this.rest + written;
    const cut = INCOMPLETE.exec(raw)?.index ?? raw.length;
    this.rest = raw.slice(cut);
    this.text += raw.slice(0, cut).replace(CONTROLS, '').replace(/\r+\n/g, '\n');
    // Not at every character that is too many.
    if (this.text.length <= 2 * KEPT_CHARS) return;
    this.start += this.text.length - KEPT_CHARS;
    this.text = this.text.slice(-KEPT_CHARS);
    this.pauses = this.pausesBehind(this.start);
  }

  get end(): number {
    return this.start + this.text.length;
  }

  from(place: number): string {
    return this.between(place, this.end);
  }

  between(from: number, to: number): string {
    return this.text.slice(Math.max(0, from - this.start), Math.max(0, to - this.start));
  }

  /** At this tick nothing has been written for the time of a pause; or the clock was turned back, by a restore. */
  hasPaused(nowTick: number): boolean {
    const silence = nowTick - this.lastTick;
    return silence >= CONSOLE_PAUSE_TICKS || silence < 0;
  }

  /** The places behind this one at which the kernel paused and then went on. */
  pausesBehind(place: number): number[] {
    return this.pauses.filter((pause) => pause > place);
  }
}

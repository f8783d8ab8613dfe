// SPDX-License-Identifier: MIT
//
// How far a run with a limit has come, as a bar on stderr: on a terminal only, not under CI, and not for the first moment, so
// that short runs stay without one.
import { SingleBar } from 'cli-progress';
import type { RunLimits } from '../execution.ts';
import type { Machine } from '../machine.ts';
import type { Output } from './output.ts';

const EVERY_MS = 250;

export class RunProgress {
  private readonly machine: Machine;
  private readonly output: Output;
  private readonly limits: RunLimits;
  private bar: SingleBar | null = null;
  private timer: NodeJS.Timeout | undefined;
  /** The line on the terminal is somebody else's. */
  private lineIsTaken = false;

  constructor(machine: Machine, limits: RunLimits, output: Output) {
    this.machine = machine;
    this.limits = limits;
    this.output = output;
  }

  start(): void {
    const { ticks, steps, switches } = this.limits;
    if (!this.output.live || (ticks === undefined && steps === undefined && switches === undefined)) return;
    const from = machineCounts(this.machine);
    this.timer = setInterval(() => {
      const now = machineCounts(this.machine);
      const shares = (['ticks', 'steps', 'switches'] as const).map((name) =>
        this.limits[name] ? (now[name] - from[name]) / this.limits[name] : 0,
      );
      this.show(Math.min(1, Math.max(...shares)));
    }, EVERY_MS);
  }

  /** Takes the bar away for what is written now; it comes back by itself, below a line that has ended. */
  makeRoom(lineIsTaken = false): void {
    this.lineIsTaken = lineIsTaken;
    this.bar?.stop();
    this.bar = null;
  }

  end(): void {
    clearInterval(this.timer);
    this.makeRoom();
  }

  private show(share: number): void {
    if (this.lineIsTaken) return;
    if (this.bar === null) {
      const format = 'running {bar} {percentage}%';
      this.bar = new SingleBar({
        format,
        clearOnComplete: true,
        hideCursor: true,
        barsize: 40,
        stream: process.stderr,
      });
      this.bar.start(100, 0);
    }
    this.bar.update(Math.floor(share * 100));
  }
}

/** What limits are about. Read while the machine runs: near enough for a bar. */
export function machineCounts(machine: Machine): Required<RunLimits> {
  const steps = machine.kernels.reduce((sum, kernel) => sum + kernel.slot.steps, 0);
  return { ticks: machine.now, steps, switches: machine.switches };
}

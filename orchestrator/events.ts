// SPDX-License-Identifier: MIT
//
// The typed events of a machine, and the reports they carry. Wall-clock durations are in microseconds and differ from run to
// run; everything else is the same for the same scenario.
import type { DirectionName, JumpLine, Phase, Repair } from '../shared/jump-lines.ts';
import type { KernelStateName } from '../shared/lifecycle.ts';
import type { StopCodeName, StopReasonName } from '../shared/stop.ts';
import type { DeathReport } from './death-report.ts';

/**
 * One line of a jump, done in one direction. Of machine code that jumps by itself there are two: `own-work`, its own freezing and
 * thawing as far as it can be seen, from the last instruction of a program to where paging goes off, and from where paging is on again to the
 * next; and between them `relocate`, its control page at work. It ran programs when the slice began that this is measured from: less
 * than a millisecond is added to the way down.
 */
export interface PhaseEvent {
  readonly kernel: string;
  readonly line: Phase;
  readonly direction: DirectionName;
  /** 0, or the errno that the line was refused with. */
  readonly errno: number;
  readonly tick: number;
  readonly durationUs: number;
}

/**
 * A whole switch: every phase of both sides, and the hand-over between them. It is complete when the newcomer is back in what it did:
 * behind its last line up; machine code that left by itself, in its programs. If the run ends before that, the switch is
 * reported as far as it went.
 */
export interface SwitchReport {
  readonly from: string;
  readonly to: string;
  /** `preserve`: the leaver can come back; `plain`: it is over. */
  readonly kind: 'preserve' | 'plain';
  /** Pages exchanged, out and in. */
  readonly pages: number;
  readonly tick: number;
  readonly phases: readonly PhaseEvent[];
  /**
   * What the machine supplied to machine code that came back by its own stub, because the peer had left it otherwise: its GDT, PAE
   * in CR4. Whether the stub would have done so itself is not known. Nothing in strict mode.
   */
  readonly repaired: readonly Repair[];
  /** From the owner store to the first instruction of the woken thread. */
  readonly handOverUs: number;
  /** From the first line down to the last line up. */
  readonly totalUs: number;
}

export interface ConsoleEvent {
  readonly kernel: string;
  readonly text: string;
  readonly tick: number;
}

/** A jump that was turned round; the kernel goes on. */
export interface RefusedEvent {
  readonly kernel: string;
  readonly line: JumpLine;
  readonly errno: number;
  /** True if a pm_test depth asked for it. */
  readonly byTest: boolean;
  readonly tick: number;
}

/** The end of a kernel. */
export interface StopReport {
  readonly kernel: string;
  readonly state: KernelStateName;
  readonly code: StopCodeName;
  readonly address: number;
  readonly text: string;
  readonly exitStatus: number;
  readonly tick: number;
  /** In the event of a crash of machine code: why it died. */
  readonly report?: DeathReport;
}

/** Where a run came to a stop. */
export interface RunReport {
  readonly reason: StopReasonName;
  /** The kernel that had the CPU last. */
  readonly kernel: string;
  readonly tick: number;
  readonly switches: number;
}

export interface MachineEvents {
  phase: (event: PhaseEvent) => void;
  switch: (report: SwitchReport) => void;
  refused: (event: RefusedEvent) => void;
  console: (event: ConsoleEvent) => void;
  crash: (report: StopReport) => void;
  off: (report: StopReport) => void;
  stopped: (report: RunReport) => void;
}

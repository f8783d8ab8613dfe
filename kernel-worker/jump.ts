// SPDX-License-Identifier: MIT
//
// One attempt at a jump: how deep it went, what was asked to fail, and the trace of it. The lines themselves are functions in
// kernel-kexec.ts; this object runs them down, turns round where it must, and runs them up, each as one event with its
// duration. It lives within one synchronous call: everything that must survive the switch is in the bytes.
import { Errno } from '../shared/errno.ts';
import { Direction, JUMP_LINES, type JumpLine, LINE, PM_TEST_LINES, PM_TESTS, Request } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import type { BorderPages } from '../shared/kexec/context.ts';
import { TraceType } from '../shared/trace-ring.ts';
import type { Board } from './board.ts';
import type { Engine } from './engines/engine.ts';
import type { SuspendedDevices } from './power-management.ts';
import type { JumpTarget } from './target.ts';

export type LineAction = (jump: Jump) => number;

/** A fault asked for in the slot: where the jump is to fail, and with what. */
interface FaultPlan {
  readonly line: JumpLine | null;
  /** Index in the board's device list, −1 for any. */
  readonly device: number;
  /** Device phase, or page of the relocation; −1 for any. */
  readonly index: number;
  readonly errno: number;
}

export class Jump {
  readonly board: Board;
  readonly me: KernelSlot;
  readonly engine: Engine;
  /** Lines that are done; the way back starts here. */
  private reached = 0;
  private readonly stopAfter: JumpLine | null;
  readonly fault: FaultPlan;
  /** A called function returns: it leaves no address to come back to, and its kernel is over. */
  readonly byReturn: boolean;
  /** Set by the line `lock`. */
  target: JumpTarget | null = null;
  pages: BorderPages | null = null;
  preserve = true;
  /** Devices that are down, once they are. */
  suspended: SuspendedDevices | null = null;
  /** Copies of the pages that `save` overwrote; kept only if something may still fail after it. */
  backup: { readonly physAddr: number; readonly bytes: Uint8Array }[] = [];
  /** True if the target got its slot from this jump. */
  claimed = false;
  pagesMoved = 0;
  failedLine: JumpLine = 'lock';
  turnedByTest = false;

  constructor(board: Board, me: KernelSlot, engine: Engine) {
    this.board = board;
    this.me = me;
    this.engine = engine;
    const depth = PM_TESTS[me.get('pmTest') - 1];
    this.stopAfter = depth === undefined ? null : PM_TEST_LINES[depth];
    this.fault = {
      line: JUMP_LINES[me.get('faultLine') - 1] ?? null,
      device: me.get('faultDevice'),
      index: me.get('faultIndex'),
      errno: me.get('faultErrno') || Errno.EIO,
    };
    this.byReturn = me.get('request') === Request.return;
    // One request, one plan: the next jump starts without.
    me.set('request', Request.none);
    me.set('pmTest', 0);
    me.set('faultLine', 0);
  }

  /** True if something is asked to go wrong at or after the line `save`; relocation by itself cannot fail. */
  get mayFailLate(): boolean {
    return this.fault.line === 'save' || this.fault.line === 'relocate' || this.stopAfter === 'relocate';
  }

  /** Runs a line on the way down: 0, or the errno that ends the way down. */
  down(line: JumpLine, action: LineAction): number {
    const started = this.board.wallNow();
    const injected = this.fault.line === line && !SELF_INJECTED.has(line);
    const errno = injected ? this.fault.errno : action(this);
    this.note(line, Direction.down, errno, started);
    if (errno !== 0) {
      this.failedLine = line;
      return errno;
    }
    this.reached = LINE[line] + 1;
    if (this.stopAfter === line) {
      this.failedLine = line;
      this.turnedByTest = true;
      return Errno.ECANCELED;
    }
    return 0;
  }

  /** Undoes the lines that are done, last first. */
  undo(up: Readonly<Record<JumpLine, LineAction | null>>): void {
    this.climb(up, this.reached, Direction.undo);
  }

  /** Runs the lines `core` to `lock` upwards on the side that woke. */
  resume(up: Readonly<Record<JumpLine, LineAction | null>>): void {
    this.climb(up, LINE.save, Direction.up);
  }

  private climb(up: Readonly<Record<JumpLine, LineAction | null>>, from: number, direction: number): void {
    for (let index = from - 1; index >= 0; index--) {
      const line = JUMP_LINES[index];
      const action = up[line];
      if (action === null) continue;
      const started = this.board.wallNow();
      // Errors on the way up are noted and do not stop it (case 69).
      this.note(line, direction, action(this), started);
    }
  }

  private note(line: JumpLine, direction: number, errno: number, started: number): void {
    const now = this.board.wallNow();
    this.board.trace(TraceType.phase, this.me.index, now, now - started, LINE[line], direction, errno);
  }
}

/** Lines that look at the fault plan themselves, device by device and page by page. */
const SELF_INJECTED: ReadonlySet<JumpLine> = new Set<JumpLine>(['devices', 'devices-late', 'core', 'relocate']);

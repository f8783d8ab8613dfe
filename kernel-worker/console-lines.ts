// SPDX-License-Identifier: MIT
//
// Lines 2 and 4 of the jump: whose console is in the foreground (pm_prepare_console), and whether output waits
// (suspend_console). While it is suspended, what the kernel writes lies in its ring and is announced when it resumes.
import { TraceType } from '../shared/trace-ring.ts';
import type { Jump } from './jump.ts';

export function prepareConsole({ board }: Jump): number {
  board.clock.foreground = -1;
  return 0;
}

export function restoreConsole({ board, me }: Jump): number {
  board.clock.foreground = me.index;
  return 0;
}

export function suspendConsole({ board, me }: Jump): number {
  board.endLine();
  me.set('consoleHeld', 1);
  return 0;
}

export function resumeConsole({ board, me }: Jump): number {
  // What devices transmitted on their way down waits too.
  board.endLine();
  const waiting = me.get('consoleHeld') - 1;
  me.set('consoleHeld', 0);
  if (waiting > 0) board.trace(TraceType.console, me.index, board.wallNow(), 0, waiting);
  return 0;
}

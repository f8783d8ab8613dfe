// SPDX-License-Identifier: MIT
// The debug-exit port 0xF4, written by kernel-worker/devices/debug-exit.ts and read by the run loop. It behaves as QEMU's
// isa-debug-exit: writing v asks the machine to end with status (v << 1) | 1, so that 0 always means something else.
import { field, recordLayout } from './fields.ts';

export const DEBUG_EXIT = {
  STATUS: 0,
  REQUESTED: 4,
} as const;

export const DEBUG_EXIT_STATE_BYTES = 64;

export const DEBUG_EXIT_STATE = recordLayout('debug-exit', DEBUG_EXIT_STATE_BYTES, [
  field('status', DEBUG_EXIT.STATUS, 'u32', 'exit status: (value << 1) | 1'),
  field('requested', DEBUG_EXIT.REQUESTED, 'u8', '1 once the guest asked to exit'),
]);

// SPDX-License-Identifier: MIT
//
// The caller's channel of errors, and our own. A KjumpError is the caller's mistake or a refusal the caller must handle: it
// carries a stable code, what happened, why, and what to do. A failed assertion is our own contradiction. The guest's
// mistakes are neither: they are errno values (shared/errno.ts) and stops of that guest alone.

/** Stable codes; programs may compare against them. Adding one is compatible, changing one is not. */
export const ErrorCode = {
  BAD_SIZE: 'BAD_SIZE',
  BAD_OPTION: 'BAD_OPTION',
  BAD_WINDOW: 'BAD_WINDOW',
  BAD_STATE: 'BAD_STATE',
  OUT_OF_FRAMES: 'OUT_OF_FRAMES',
  OUT_OF_PAGES: 'OUT_OF_PAGES',
  TOO_MANY_KERNELS: 'TOO_MANY_KERNELS',
  NO_SUCH_KERNEL: 'NO_SUCH_KERNEL',
  NO_SUCH_FILE: 'NO_SUCH_FILE',
  NOT_AN_IMAGE: 'NOT_AN_IMAGE',
  BAD_IMAGE: 'BAD_IMAGE',
  NOT_A_KERNEL: 'NOT_A_KERNEL',
  KEXEC_LOAD: 'KEXEC_LOAD',
  JUMP_REFUSED: 'JUMP_REFUSED',
  PM_TEST: 'PM_TEST',
  KERNEL_CRASHED: 'KERNEL_CRASHED',
  WINDOW_VIOLATION: 'WINDOW_VIOLATION',
  THREAD_DIED: 'THREAD_DIED',
  MACHINE_CLOSED: 'MACHINE_CLOSED',
  ABORTED: 'ABORTED',
  TIMEOUT: 'TIMEOUT',
  DISK: 'DISK',
  SCENARIO: 'SCENARIO',
  INTERNAL: 'INTERNAL',
} as const;
export type ErrorCode = keyof typeof ErrorCode;

export interface ErrorDetails {
  readonly why?: string;
  readonly fix?: string;
  readonly cause?: unknown;
  /** Machine-readable facts: phase, device, errno, section, expected, actual … */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** A refusal with a stable `code`; `message` says what, `why` and `fix` the rest. */
export class KjumpError extends Error {
  override readonly name = 'KjumpError';
  readonly code: ErrorCode;
  readonly why: string;
  readonly fix: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, what: string, { why = '', fix = '', cause, details = {} }: ErrorDetails = {}) {
    super(what, cause === undefined ? undefined : { cause });
    this.code = code;
    this.why = why;
    this.fix = fix;
    this.details = details;
  }
}

/** Our own contradiction: parks the machine instead of going on with wrong bytes. Never used for input. */
export class InternalError extends Error {
  override readonly name = 'InternalError';
  readonly code = ErrorCode.INTERNAL;
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InternalError(message);
}

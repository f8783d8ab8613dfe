// SPDX-License-Identifier: MIT
//
// The exit codes of every command, the errors that lead to each, and the table of them that the help shows.
import type { ErrorCode, KjumpError } from '../../shared/errors.ts';

export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  crash: 3,
  image: 4,
  timeout: 124,
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODE_TABLE: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.ok, 'done'],
  [ExitCode.failed, 'the scenario failed; a jump, a load or the host refused'],
  [ExitCode.usage, 'unknown option, bad size or window, missing file, not a kernel, no room'],
  [ExitCode.crash, 'a kernel crashed'],
  [ExitCode.image, 'not an image, or a damaged or incompatible one'],
  [ExitCode.timeout, 'the time given with --timeout is over'],
  [ExitCode.interrupted, 'interrupted (SIGINT, Ctrl-C)'],
  [ExitCode.terminated, 'terminated (SIGTERM)'],
];

/** What the caller has to mend in the command line, or in what it names, is usage. Codes that are not here are failures. */
const EXIT_CODES: Readonly<Partial<Record<ErrorCode, ExitCode>>> = {
  BAD_SIZE: ExitCode.usage,
  BAD_OPTION: ExitCode.usage,
  BAD_WINDOW: ExitCode.usage,
  NO_SUCH_FILE: ExitCode.usage,
  NOT_A_KERNEL: ExitCode.usage,
  TOO_MANY_KERNELS: ExitCode.usage,
  OUT_OF_FRAMES: ExitCode.usage,
  OUT_OF_PAGES: ExitCode.usage,
  KERNEL_CRASHED: ExitCode.crash,
  WINDOW_VIOLATION: ExitCode.crash,
  NOT_AN_IMAGE: ExitCode.image,
  BAD_IMAGE: ExitCode.image,
  TIMEOUT: ExitCode.timeout,
};

export function exitCodeOf(error: unknown): ExitCode {
  if (!isKjumpError(error)) return ExitCode.failed;
  const { exitCode } = error.details;
  return typeof exitCode === 'number' ? (exitCode as ExitCode) : (EXIT_CODES[error.code] ?? ExitCode.failed);
}

/**
 * By its name, not its class: a scenario in TypeScript that the built command runs may bring a second copy of the library,
 * and the errors of that copy mean the same.
 */
export function isKjumpError(error: unknown): error is KjumpError {
  return error instanceof Error && error.name === 'KjumpError' && 'code' in error && 'details' in error;
}

// SPDX-License-Identifier: MIT
//
// Refusals of image files. Everything that a file can do wrong ends in one of these, so that nobody ever sees a RangeError
// out of a damaged file. What the disk does wrong is DISK, with the errno.
import { KjumpError } from '../../shared/errors.ts';
import type { Section } from './image-format.ts';

/** Refuses one file: names the section, what is wrong with it, and the two values where there are two. */
export type Refuse = (section: Section, what: string, expected?: unknown, actual?: unknown) => never;

/** A refusal of `path` with `BAD_IMAGE`: a hibernation image, but a damaged or an incompatible one. */
export function badImage(path: string): Refuse {
  return (section, what, expected, actual) => {
    const values = expected === undefined ? '' : ` (expected ${expected}, found ${actual})`;
    throw new KjumpError('BAD_IMAGE', `${path}: ${section}: ${what}${values}`, {
      why: 'the image is damaged, or was written by an incompatible version',
      fix: 'use another copy of the image; nothing was changed',
      details: { path, section, expected, actual },
    });
  };
}

/** A refusal of `path` with `NOT_AN_IMAGE`: no note of ours could be found. */
export function notAnImage(path: string): Refuse {
  return (section, what, expected, actual) => {
    throw new KjumpError('NOT_AN_IMAGE', `${path} is not a hibernation image: ${section}: ${what}`, {
      why: 'a hibernation image is an ELF32 i386 core file with notes named KJUMP',
      fix: 'give a file that hibernate has written; if this is one, its first bytes are damaged',
      details: { path, section, expected, actual },
    });
  };
}

/**
 * What to throw for an error met while `doing` something with `path`: `DISK` (or `NO_SUCH_FILE`, for a file to read that is
 * not there) if the system call failed, else the error itself.
 */
export function diskError(doing: 'read' | 'write', path: string, cause: unknown): unknown {
  const { code: errno, syscall } = cause as NodeJS.ErrnoException;
  if (cause instanceof KjumpError || typeof errno !== 'string' || typeof syscall !== 'string') return cause;
  if (doing === 'read' && errno === 'ENOENT') {
    return new KjumpError('NO_SUCH_FILE', `${path}: no such file`, {
      why: 'nothing has that name',
      fix: 'check the path',
      cause,
      details: { path, errno, syscall },
    });
  }
  return new KjumpError('DISK', `cannot ${doing} ${path}: ${errno} in ${syscall}`, {
    why: 'the operating system refused',
    fix: doing === 'write' ? 'make room, or give another path; an older file there is untouched' : 'check the file',
    cause,
    details: { path, errno, syscall },
  });
}

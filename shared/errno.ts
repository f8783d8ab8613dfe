// SPDX-License-Identifier: MIT
// Error numbers as Linux's i386 ABI has them (include/uapi/asm-generic/errno-base.h and errno.h): the channel for the
// guest's mistakes and for refusals of drivers. A call returns 0 or one of these as a positive number.

export const Errno = {
  OK: 0,
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  EROFS: 30,
  ERANGE: 34,
  ENOSYS: 38,
  ENODATA: 61,
  ETIME: 62,
  EOVERFLOW: 75,
  EOPNOTSUPP: 95,
  EADDRNOTAVAIL: 99,
  ETIMEDOUT: 110,
  ECANCELED: 125,
} as const;

/** 0 or a positive number from the table; open to numbers without a name, which a host or a fault may hand in. */
export type Errno = number;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(Errno).map(([name, value]) => [value, name]));

/** 'EBUSY' for 16; 'errno 200' for a number that has no name here. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

// SPDX-License-Identifier: MIT
//
// An initial RAM disk with one more file: Linux unpacks as many archives as lie one behind the other, compressed or not
// (Documentation/driver-api/early-userspace/buffer-format.rst). What is added here is a cpio archive of the kind "newc".

const REGULAR_FILE = 0o100644;
const TRAILER = 'TRAILER!!!';

/** `path` without a leading slash, in a folder that is there. */
export function withFile(initrd: Uint8Array, path: string, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([aligned(initrd), entry(path, REGULAR_FILE, bytes), entry(TRAILER, 0, new Uint8Array(0))]);
}

function entry(path: string, mode: number, bytes: Uint8Array): Buffer {
  const name = Buffer.from(`${path}\0`);
  // ino, mode, uid, gid, nlink, mtime, filesize, four device numbers, namesize, check
  const numbers = [0, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`;
  return Buffer.concat([aligned(Buffer.concat([Buffer.from(header), name])), aligned(bytes)]);
}

/** Header, contents and archives begin at multiples of 4 bytes. */
const aligned = (bytes: Uint8Array): Buffer => Buffer.concat([bytes, new Uint8Array(-bytes.length & 3)]);

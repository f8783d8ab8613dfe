// SPDX-License-Identifier: MIT
// Sectors in a host file: opened late, never an exception.
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FileStore } from '../../kernel-worker/devices/file-store.ts';
import { Errno } from '../../shared/errno.ts';

let directory: string;
let path: string;
let store: FileStore;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kjump-disk-'));
  path = join(directory, 'disk');
  store = new FileStore(path);
});

afterEach(() => {
  store.close();
  rmSync(directory, { recursive: true });
});

const sector = (value: number) => new Uint8Array(new SharedArrayBuffer(512)).fill(value);

test('a file has as many sectors as fit in it whole', () => {
  writeFileSync(path, new Uint8Array(512 * 3 + 100));
  expect(store.sectors).toBe(3);
});

test('sectors are written where they belong and read back', () => {
  writeFileSync(path, new Uint8Array(512 * 4));
  expect(store.write(2, sector(7))).toBe(Errno.OK);
  expect(store.flush()).toBe(Errno.OK);
  const file = readFileSync(path);
  expect([file.length, file[1023], file[1024], file[1535], file[1536]]).toEqual([2048, 0, 7, 7, 0]);
  const target = sector(1);
  expect(store.read(2, target)).toBe(Errno.OK);
  expect(target).toEqual(sector(7));
});

test('nothing is opened before the first use', () => {
  writeFileSync(path, new Uint8Array(512));
  expect(store.sectors).toBe(1);
  store.close();
  rmSync(path);
  const late = new FileStore(path);
  writeFileSync(path, new Uint8Array(1024));
  expect(late.sectors).toBe(2);
  late.close();
});

test('what a file has lost since reads as zeros', () => {
  writeFileSync(path, new Uint8Array(1024).fill(9));
  expect(store.sectors).toBe(2);
  const descriptor = openSync(path, 'r+');
  ftruncateSync(descriptor, 700);
  closeSync(descriptor);
  const target = sector(1);
  expect(store.read(1, target)).toBe(Errno.OK);
  expect([target[0], target[187], target[188], target[511]]).toEqual([9, 9, 0, 0]);
});

test('a missing file is an errno from every call, until it is there', () => {
  expect([store.sectors, store.read(0, sector(0)), store.write(0, sector(0)), store.flush()]).toEqual([
    0,
    Errno.EIO,
    Errno.EIO,
    Errno.EIO,
  ]);
  writeFileSync(path, new Uint8Array(512));
  expect([store.sectors, store.flush()]).toEqual([1, Errno.OK]);
});

test('a full disk of the host is ENOSPC', () => {
  const full = new FileStore('/dev/full');
  expect(full.write(0, sector(1))).toBe(Errno.ENOSPC);
  full.close();
});

// SPDX-License-Identifier: MIT
//
// A few bytes of the physical memory that an image holds, read from where they lie in the file: the rest of it stays there.
import { open } from 'node:fs/promises';
import { PAGE_SIZE, pageAddress } from '../../shared/units.ts';
import type { Image } from './hibernation.ts';
import { diskError } from './image-errors.ts';

/** Bytes behind the end of memory are left out. Throws `DISK`. */
export async function readMemory(image: Image, physAddr: number, length: number): Promise<Uint8Array> {
  const { path, dataStart, head } = image;
  const end = Math.min(physAddr + length, head.geometry.ramPages * PAGE_SIZE);
  const bytes = new Uint8Array(Math.max(0, end - physAddr));
  try {
    const file = await open(path);
    try {
      for (const { firstPage, stored, storedPages } of head.loads) {
        const start = pageAddress(firstPage);
        const from = Math.max(physAddr, start);
        const to = Math.min(end, start + storedPages * PAGE_SIZE);
        if (from >= to) continue;
        const position = dataStart + stored * PAGE_SIZE + from - start;
        await file.read(bytes, from - physAddr, to - from, position);
      }
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw diskError('read', path, cause);
  }
  return bytes;
}

// SPDX-License-Identifier: MIT
// kexec_load(2): the numbered cases of the kexec-jump reference §10, "Loading", each with Linux's errno.
import { describe, expect, test } from 'vitest';
import { Errno } from '../../shared/errno.ts';
import { ZERO_FRAME } from '../../shared/frames.ts';
import { PairList, readList } from '../../shared/kexec/entry-list.ts';
import { kimagePages } from '../../shared/kexec/image-pages.ts';
import { Kimage } from '../../shared/kexec/kimage.ts';
import { writeLoadDisabled } from '../../shared/kexec/load.ts';
import { relocate } from '../../shared/kexec/relocate.ts';
import { KEXEC_ARCH_386, KEXEC_ON_CRASH, KEXEC_PRESERVE_CONTEXT } from '../../shared/kexec/segments.ts';
import type { PhysicalMemory } from '../../shared/physical-memory.ts';
import { allBytes, bytesOf, firstDifference, makeKernel, PAGE, RAM_PAGES, range, segment } from './loading-kernel.ts';

const one = [segment(16, 1, bytesOf(100, 7))];

function listOf(memory: PhysicalMemory, image: Kimage): PairList {
  const list = new PairList();
  readList(memory, image.head, list);
  return list;
}

const sourcesOf = (memory: PhysicalMemory, image: Kimage): number[] => {
  const list = listOf(memory, image);
  return [...list.sources.subarray(0, list.count)];
};

function snapshot(image: Kimage): Kimage {
  const copy = Kimage.detached();
  copy.copyFrom(image);
  return copy;
}

describe('kexec_load', () => {
  test('case 1: a preserve load of one page succeeds and the image is loaded', () => {
    const { load, env } = makeKernel();
    expect(load(one, { entry: 0x10004 })).toBe(Errno.OK);
    expect(env.image.loaded).toBe(true);
    expect(env.image.preserveContext).toBe(true);
    expect(env.image.crash).toBe(false);
    expect(env.image.start).toBe(0x10004);
    expect(env.image.target).toBe(-1);
    expect(env.image.segments).toEqual([{ bufsz: 100, mem: 0x10000, memsz: PAGE }]);
    expect(env.image.head & 15).toBe(2);
    expect(env.crashImage.loaded).toBe(false);
  });

  test('case 2: a second load replaces the first image and frees its pages', () => {
    const { load, env, pages } = makeKernel();
    load([segment(16, 40)]);
    const first = kimagePages(env.memory, env.image);
    expect(load(one, { entry: 4 })).toBe(Errno.OK);
    expect(env.image.start).toBe(4);
    expect(first.filter((page) => pages.taken.has(page))).toEqual([]);
    expect([...pages.taken].sort()).toEqual(kimagePages(env.memory, env.image).sort());
  });

  test.each([
    ['not aligned', Errno.EADDRNOTAVAIL, [{ ...segment(16, 1), mem: 12 }]],
    ['more than there is free', Errno.ENOMEM, [segment(0, 125)]],
    ['with an unreadable buffer', Errno.EFAULT, [segment(16, 2), { ...segment(32, 2), bufsz: 1 }]],
  ])('case 3: a failed second load, %s, leaves the first image loaded and nothing allocated', (_, errno, segments) => {
    const { load, env, pages, audit } = makeKernel();
    load(one, { entry: 0x1234 });
    const before = { image: snapshot(env.image), taken: new Set(pages.taken) };
    expect(load(segments)).toBe(errno);
    expect(snapshot(env.image)).toEqual(before.image);
    expect(pages.taken).toEqual(before.taken);
    expect(audit()).toEqual([]);
  });

  test('case 4: no segments unloads the image, and again is fine', () => {
    const { load, env, pages } = makeKernel();
    load(one);
    expect(load([])).toBe(Errno.OK);
    expect(env.image.loaded).toBe(false);
    expect(env.image.head).toBe(0);
    expect(pages.taken.size).toBe(0);
    expect(load(null)).toBe(Errno.OK);
  });

  test('case 5: a load while the lock is held is EBUSY at once and touches nothing', () => {
    const { load, env, lock, pages } = makeKernel();
    lock.held = true;
    expect(load(one)).toBe(Errno.EBUSY);
    expect(load([])).toBe(Errno.EBUSY);
    expect(lock.held).toBe(true);
    expect(env.image.loaded).toBe(false);
    expect(pages.taken.size).toBe(0);
    lock.held = false;
    expect(load(one)).toBe(Errno.OK);
    expect(lock.held).toBe(false);
  });

  test.each([4, 8, 0x10, 0x8000])('case 6: flags %i are EINVAL', (flags) => {
    expect(makeKernel().load(one, { flags })).toBe(Errno.EINVAL);
  });

  test('case 7: the preserve flag without KEXEC_JUMP is EINVAL', () => {
    const { load } = makeKernel({ kexecJump: false });
    expect(load(one, { flags: KEXEC_PRESERVE_CONTEXT })).toBe(Errno.EINVAL);
    expect(load(one, { flags: 0 })).toBe(Errno.OK);
  });

  test.each([
    ['default', 0, Errno.OK],
    ['386', KEXEC_ARCH_386, Errno.OK],
    ['x86_64', 62 << 16, Errno.EINVAL],
    ['ppc', 20 << 16, Errno.EINVAL],
    ['one with the top bit', 0x80030000, Errno.EINVAL],
  ])('case 8: the architecture %s', (_, arch, errno) => {
    expect(makeKernel().load(one, { flags: arch | KEXEC_PRESERVE_CONTEXT })).toBe(errno);
  });

  test('case 9: 16 segments load, 17 are EINVAL', () => {
    const { load, env } = makeKernel();
    const many = range(0, 17).map((i) => segment(2 * i, 1));
    expect(load(many)).toBe(Errno.EINVAL);
    expect(load(many.slice(1))).toBe(Errno.OK);
    expect(env.image.nrSegments).toBe(16);
  });

  test('case 10: a destination that is not page aligned is EADDRNOTAVAIL', () => {
    expect(makeKernel().load([{ ...segment(16, 1), mem: 0x10800, memsz: 0x800 }])).toBe(Errno.EADDRNOTAVAIL);
  });

  test('case 11: a size that is not page aligned is EADDRNOTAVAIL', () => {
    expect(makeKernel().load([{ ...segment(16, 1), memsz: 100 }])).toBe(Errno.EADDRNOTAVAIL);
  });

  test('case 12: a segment may not reach the last page of the address space, nor wrap', () => {
    const { load } = makeKernel();
    const at = (mem: number, memsz: number) => load([{ buf: null, bufsz: 0, mem, memsz }]);
    expect(at(0xfffff000, 4096)).toBe(Errno.EADDRNOTAVAIL);
    expect(at(0xffffe000, 8192)).toBe(Errno.EADDRNOTAVAIL);
    expect(at(0xfffff000, 8192)).toBe(Errno.EADDRNOTAVAIL);
    expect(at(0xffffe000, 4096)).toBe(Errno.OK);
  });

  test('case 13: overlapping segments are EINVAL, adjacent ones load', () => {
    const { load } = makeKernel();
    expect(load([segment(16, 4), segment(19, 2)])).toBe(Errno.EINVAL);
    expect(load([segment(19, 2), segment(16, 4)])).toBe(Errno.EINVAL);
    expect(load([segment(16, 4), segment(16, 4)])).toBe(Errno.EINVAL);
    expect(load([segment(20, 4), segment(16, 4), segment(24, 1)])).toBe(Errno.OK);
  });

  test("case 14: a zero-size segment may lie at another's edge, not strictly inside", () => {
    const { load } = makeKernel();
    expect(load([segment(16, 4), segment(16, 0)])).toBe(Errno.OK);
    expect(load([segment(16, 4), segment(20, 0)])).toBe(Errno.OK);
    expect(load([segment(16, 4), segment(18, 0)])).toBe(Errno.EINVAL);
    expect(load([segment(18, 0), segment(16, 4)])).toBe(Errno.EINVAL);
    expect(load([segment(18, 0), segment(18, 0)])).toBe(Errno.OK);
  });

  test('case 15: a buffer larger than its segment is EINVAL', () => {
    const { load } = makeKernel();
    expect(load([segment(16, 1, bytesOf(4097, 1))])).toBe(Errno.EINVAL);
    expect(load([segment(16, 1, bytesOf(4096, 1))])).toBe(Errno.OK);
  });

  test('case 16: one segment of more than half of the usable RAM is EINVAL, a quarter loads', () => {
    // As in a real machine, a little of RAM is never usable, so half of the nominal size is already too much.
    const { load } = makeKernel({ totalRamPages: RAM_PAGES - 1 });
    expect(load([segment(0, 128)])).toBe(Errno.EINVAL);
    expect(load([segment(0, 64)])).toBe(Errno.OK);
  });

  test('case 17: segments that exceed half of RAM only together are EINVAL', () => {
    const { load } = makeKernel({ totalRamPages: 100 });
    expect(load([segment(0, 25), segment(40, 26)])).toBe(Errno.EINVAL);
    expect(load([segment(0, 25), segment(40, 25)])).toBe(Errno.OK);
  });

  test('case 18: the passes go one after the other over all segments', () => {
    const { load } = makeKernel({ totalRamPages: 100 });
    const unaligned = { ...segment(60, 1), mem: 60 * PAGE + 4 };
    const overlap = [segment(16, 4), segment(17, 1)];
    const tooLong = { ...segment(70, 1), bufsz: 5000 };
    expect(load([...overlap, unaligned])).toBe(Errno.EADDRNOTAVAIL);
    expect(load([segment(120, 60), { ...segment(70, 1), mem: 0xfffff000 }])).toBe(Errno.EADDRNOTAVAIL);
    const region = { crashRegion: { start: 16 * PAGE, end: 32 * PAGE } };
    const crash = makeKernel(region).load([...overlap, tooLong], { entry: 16 * PAGE, flags: KEXEC_ON_CRASH });
    expect(crash).toBe(Errno.EINVAL);
  });

  test.each([
    ['page 0', 0],
    ['the page above RAM', RAM_PAGES * PAGE],
    ['the top of the address space', 0xffffe000],
  ])('case 19: a destination in %s loads, RAM or not', (_, mem) => {
    expect(makeKernel().load([{ buf: bytesOf(10, 1), bufsz: 10, mem, memsz: PAGE }])).toBe(Errno.OK);
  });

  test('case 20: an entry outside all segments loads', () => {
    const { load, env } = makeKernel();
    expect(load(one, { entry: 0xdead0000 })).toBe(Errno.OK);
    expect(env.image.start).toBe(0xdead0000);
  });

  test('case 21: an unreadable array or buffer is EFAULT, and the lock is released', () => {
    const { load, lock, pages, audit } = makeKernel();
    expect(load(null, { nrSegments: 1 })).toBe(Errno.EFAULT);
    expect(load(one, { nrSegments: 2 })).toBe(Errno.EFAULT);
    expect(load([segment(16, 1), { ...segment(20, 3), bufsz: 5000 }])).toBe(Errno.EFAULT);
    expect(load([{ ...segment(20, 3, bytesOf(5000, 1)), bufsz: 9000 }])).toBe(Errno.EFAULT);
    expect(lock.held).toBe(false);
    expect(pages.taken.size).toBe(0);
    expect(audit()).toEqual([]);
    expect(load([segment(20, 3)])).toBe(Errno.OK);
  });

  test('case 22: without CAP_SYS_BOOT it is EPERM, before any argument is looked at', () => {
    const { load, lock } = makeKernel({ capSysBoot: false });
    lock.held = true;
    expect(load(null, { nrSegments: 17, flags: 0xffff })).toBe(Errno.EPERM);
    expect(load([])).toBe(Errno.EPERM);
  });

  test('case 23: kexec_load_disabled is EPERM for load and unload, and cannot be reset', () => {
    const { load, env } = makeKernel();
    load(one);
    expect(writeLoadDisabled(env, 0)).toBe(Errno.EINVAL);
    expect(writeLoadDisabled(env, 1)).toBe(Errno.OK);
    expect(load(one)).toBe(Errno.EPERM);
    expect(load([])).toBe(Errno.EPERM);
    expect(env.image.loaded).toBe(true);
    expect(writeLoadDisabled(env, 0)).toBe(Errno.EINVAL);
    expect(load(one)).toBe(Errno.EPERM);
  });

  test('case 24: bytes behind the buffer are zeros at the destination', () => {
    const { load, env, memory } = makeKernel();
    load([segment(16, 3, bytesOf(PAGE + 100, 7))]);
    relocate(memory, env.image.head, env.image.swapPage, 'exchange');
    const expected = new Uint8Array(3 * PAGE).fill(7, 0, PAGE + 100);
    expect(firstDifference(memory.read(16 * PAGE, 3 * PAGE), expected)).toBe(-1);
  });

  test('case 25: control and swap page are never inside a destination', () => {
    const { load, env, pages } = makeKernel({ free: range(10, 60) });
    expect(load([segment(10, 20)])).toBe(Errno.OK);
    expect(env.image.controlCodePage).toBe(30 * PAGE);
    expect(env.image.swapPage / PAGE).toBeGreaterThanOrEqual(30);
    expect(env.image.swapPage).not.toBe(env.image.controlCodePage);
    expect(pages.taken.size).toBe(kimagePages(env.memory, env.image).length);
  });

  test('case 26: every source is its own destination or nobody’s', () => {
    // The first ten sources are nobody's destination. Then the first ten destinations turn out to be free: each takes its own
    // bytes, and the page that held them is the source of one of the last ten.
    const { load, env, memory } = makeKernel({ free: [100, 101, 102, ...range(110, 120), ...range(10, 20)] });
    const bytes = Uint8Array.from({ length: 20 * PAGE }, (_, i) => (i >>> 12) + 1);
    expect(load([segment(10, 20, bytes)])).toBe(Errno.OK);
    expect(sourcesOf(memory, env.image)).toEqual([...range(10, 20), ...range(110, 120)]);
    relocate(memory, env.image.head, env.image.swapPage, 'exchange');
    expect(firstDifference(memory.read(10 * PAGE, bytes.length), bytes)).toBe(-1);
  });

  test('case 27: an indirection page is never a destination', () => {
    // When the first entry is added, the only pages offered first are destinations: they are parked, and used later.
    const free = [200, 201, ...range(10, 30), ...range(202, 230)];
    const { load, env, memory } = makeKernel({ free });
    expect(load([segment(10, 20)])).toBe(Errno.OK);
    expect(listOf(memory, env.image).indirections).toEqual([202]);
    expect(sourcesOf(memory, env.image)).toEqual(range(10, 30));
  });

  test('case 29: an image of one zero-size segment is one DESTINATION word and DONE, and a jump swaps nothing', () => {
    const { load, env, memory } = makeKernel();
    expect(load([segment(0, 0)])).toBe(Errno.OK);
    const list = env.image.head - 2;
    expect(memory.read32(list)).toBe(1);
    expect(memory.read32(list + 4)).toBe(4);
    const before = allBytes(memory);
    expect(relocate(memory, env.image.head, env.image.swapPage, 'copy')).toBe(0);
    expect(relocate(memory, env.image.head, env.image.swapPage, 'exchange')).toBe(0);
    expect(firstDifference(allBytes(memory), before)).toBe(-1);
  });

  test('case 30: loading changes no destination except those that were free pages and hold their own bytes now', () => {
    const { load, env, memory } = makeKernel({ free: [12, 14, ...range(100, 140)] });
    const before = memory.read(0, RAM_PAGES * PAGE);
    expect(load([segment(10, 10, bytesOf(10 * PAGE, 9))])).toBe(Errno.OK);
    const own = new Set(sourcesOf(memory, env.image).filter((page) => page < 20));
    expect([...own].every((page) => page === 12 || page === 14)).toBe(true);
    for (const page of range(0, 100)) {
      const now = memory.read(page * PAGE, PAGE);
      expect(
        firstDifference(now, own.has(page) ? bytesOf(PAGE, 9) : before.subarray(page * PAGE, (page + 1) * PAGE)),
      ).toBe(-1);
    }
  });
});

describe('pages of a load', () => {
  test('control and swap page end below 3 GiB, and the pages offered above are given back', () => {
    const { load, env, pages } = makeKernel({ free: [0xbffff, 0xc0000, 0xc0001, ...range(100, 120)] });
    expect(load(one)).toBe(Errno.OK);
    expect(env.image.controlCodePage).toBe(100 * PAGE);
    expect([0xbffff, 0xc0000, 0xc0001].filter((page) => pages.taken.has(page))).toEqual([]);
  });

  test('a page above 4 GiB is no source page and is given back', () => {
    const { load, env, pages } = makeKernel({ free: [100, 101, 0x100000, 0x100001, ...range(102, 120)] });
    expect(load(one)).toBe(Errno.OK);
    expect(pages.taken.has(0x100000)).toBe(false);
    expect(sourcesOf(env.memory, env.image)).toEqual([103]);
  });

  test.each([0, 1, 2, 3, 4])('with only %i pages free, of five needed, a load is ENOMEM and takes none', (count) => {
    const { load, env, pages, audit } = makeKernel({ free: range(100, 100 + count) });
    expect(load([segment(16, 2, bytesOf(5000, 3))])).toBe(Errno.ENOMEM);
    expect(pages.taken.size).toBe(0);
    expect(env.image.loaded).toBe(false);
    expect(audit()).toEqual([]);
  });

  test('five pages suffice for two', () => {
    const { load, pages } = makeKernel({ free: range(100, 105) });
    expect(load([segment(16, 2)])).toBe(Errno.OK);
    expect(pages.taken.size).toBe(5);
  });

  test('a destination offered as indirection page after its source was chosen is given back in the end', () => {
    // The 1,023rd source is the 1,024th word: it needs a new indirection page, and is not listed yet while that is sought.
    const free = [1100, 1101, 1102, ...range(1103, 1103 + 1023), 1022, 3000];
    const { env, load, pages, memory } = makeKernel({ ramPages: 4096, free });
    expect(load([segment(0, 1023)])).toBe(Errno.OK);
    expect(listOf(memory, env.image).indirections).toEqual([1102, 3000]);
    expect(sourcesOf(memory, env.image)).toEqual(range(1103, 1103 + 1023));
    expect(pages.taken.has(1022)).toBe(false);
  });

  test('a load that lacks only the second indirection page is ENOMEM and takes none', () => {
    const { load, pages } = makeKernel({ ramPages: 4096, free: range(1100, 1103 + 1023) });
    expect(load([segment(0, 1023)])).toBe(Errno.ENOMEM);
    expect(pages.taken.size).toBe(0);
    expect(load([segment(0, 1022)])).toBe(Errno.OK);
  });

  test('zeros take no frame of their own', () => {
    const { load, env, memory } = makeKernel();
    load([segment(16, 4, new Uint8Array(2 * PAGE))]);
    expect(sourcesOf(memory, env.image).map((page) => memory.frameOf(page))).toEqual(Array(4).fill(ZERO_FRAME));
  });

  test('a buffer at an odd address loads like any other', () => {
    const { load, env, memory } = makeKernel();
    const bytes = new Uint8Array(2 * PAGE + 8).subarray(3, 3 + 2 * PAGE);
    bytes[PAGE + 4095] = 1;
    load([segment(16, 2, bytes)]);
    relocate(memory, env.image.head, env.image.swapPage, 'exchange');
    expect(firstDifference(memory.read(16 * PAGE, 2 * PAGE), bytes)).toBe(-1);
  });
});

describe('crash images', () => {
  const crashRegion = { start: 32 * PAGE, end: 48 * PAGE };
  const crash = { entry: 33 * PAGE, flags: KEXEC_ON_CRASH };

  test('go straight to their destination, with a control page from the region and no list', () => {
    const { load, env, memory, pages } = makeKernel({ crashRegion });
    expect(load([segment(34, 1), segment(32, 2, bytesOf(5000, 5)), segment(36, 1)], crash)).toBe(Errno.OK);
    expect(firstDifference(memory.read(32 * PAGE, 2 * PAGE), new Uint8Array(2 * PAGE).fill(5, 0, 5000))).toBe(-1);
    expect(memory.frameOf(36)).toBe(ZERO_FRAME);
    expect(env.crashImage.head).toBe(4);
    expect(env.crashImage.crash).toBe(true);
    expect(env.crashImage.controlCodePage).toBe(35 * PAGE);
    expect(env.crashImage.swapPage).toBe(0);
    expect(kimagePages(memory, env.crashImage)).toEqual([]);
    expect(pages.taken.size).toBe(0);
    expect(env.image.loaded).toBe(false);
    expect(load([], crash)).toBe(Errno.OK);
    expect(env.crashImage.loaded).toBe(false);
  });

  test('leave the other image alone', () => {
    const { load, env } = makeKernel({ crashRegion });
    load(one);
    expect(load([segment(32, 1)], crash)).toBe(Errno.OK);
    expect(load([], crash)).toBe(Errno.OK);
    expect(env.image.loaded).toBe(true);
  });

  test('give up their predecessor before they are validated', () => {
    const { load, env } = makeKernel({ crashRegion });
    load([segment(32, 1)], crash);
    expect(load([segment(32, 1)], { ...crash, entry: 48 * PAGE })).toBe(Errno.EADDRNOTAVAIL);
    expect(env.crashImage.loaded).toBe(false);
  });

  test('must lie in the region whole', () => {
    const { load } = makeKernel({ crashRegion });
    expect(load([segment(47, 2)], crash)).toBe(Errno.EADDRNOTAVAIL);
    expect(load([segment(31, 1)], crash)).toBe(Errno.EADDRNOTAVAIL);
    expect(load([segment(47, 1)], crash)).toBe(Errno.OK);
  });

  test('find no control page in a full region', () => {
    expect(makeKernel({ crashRegion }).load([segment(32, 16)], crash)).toBe(Errno.ENOMEM);
  });

  test('without a region are EADDRNOTAVAIL, with the preserve flag too', () => {
    const { load } = makeKernel();
    expect(load(one, { entry: 0x10000, flags: 3 })).toBe(Errno.EADDRNOTAVAIL);
    expect(load([segment(0, 0)], { flags: 1 })).toBe(Errno.EADDRNOTAVAIL);
    expect(load([segment(0, 1)], { flags: 1 })).toBe(Errno.EADDRNOTAVAIL);
  });

  test('case 58: the preserve flag is accepted', () => {
    const { load, env } = makeKernel({ crashRegion });
    expect(load([segment(32, 1)], { ...crash, flags: 3 })).toBe(Errno.OK);
    expect(env.crashImage.preserveContext).toBe(true);
  });
});

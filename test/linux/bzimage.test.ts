// SPDX-License-Identifier: MIT
//
// What the loader makes of a bzImage: where code, RAM disk and the loader's own pages go, what the kernel reads there, and what is
// refused, and why (Documentation/arch/x86/boot.rst).
import { describe, expect, test } from 'vitest';
import { loadBzImage } from '../../orchestrator/loaders/bzimage.ts';
import type { LoadOptions, Program } from '../../orchestrator/loaders/program.ts';
import type { KjumpError } from '../../shared/errors.ts';
import { bzImage, CODE_BYTES, codeByte } from './bzimage-file.ts';

const MIB = 1024 ** 2;
const PAGE = 4096;

function load(file: Uint8Array, options: Partial<LoadOptions> = {}, initrd: Uint8Array | null = null): Program {
  return loadBzImage(file, 'kernel', { base: 0, memory: 64 * MIB, ...options }, initrd);
}

function refusal(file: Uint8Array, options: Partial<LoadOptions> = {}, initrd: Uint8Array | null = null): KjumpError {
  try {
    load(file, options, initrd);
  } catch (error) {
    return error as KjumpError;
  }
  throw new Error('the file was not refused');
}

/** What lies at a physical address, as far as its segment goes. */
function at({ segments }: Program, physAddr: number): DataView {
  const home = segments.find((one) => physAddr >= one.physAddr && physAddr < one.physAddr + one.length);
  if (home === undefined) throw new Error(`nothing was loaded at ${physAddr.toString(16)}`);
  const { bytes } = home;
  return new DataView(
    bytes.buffer,
    bytes.byteOffset + physAddr - home.physAddr,
    home.length - physAddr + home.physAddr,
  );
}

/** The zero page, read as a kernel would. */
function zeroPage(program: Program) {
  const view = at(program, program.entryState.registers.esi!);
  const map = Array.from({ length: view.getUint8(0x1e8) }, (_, i) => {
    const [start, startHigh, length, lengthHigh, type] = [0, 4, 8, 12, 16].map((o) =>
      view.getUint32(0x2d0 + 20 * i + o, true),
    );
    return [start, start! + length!, type, startHigh! + lengthHigh!];
  });
  const text: number[] = [];
  const cmdline = at(program, view.getUint32(0x228, true));
  for (let i = 0; cmdline.getUint8(i) !== 0; i++) text.push(cmdline.getUint8(i));
  return {
    loader: view.getUint8(0x210),
    sentinel: view.getUint8(0x1ef),
    magic: view.getUint32(0x202, true),
    ramdisk: [view.getUint32(0x218, true), view.getUint32(0x21c, true)],
    cmdline: new TextDecoder().decode(Uint8Array.from(text)),
    map,
  };
}

describe('a bzImage', () => {
  test('has its code where it wants to be, and is entered there as the 32-bit boot protocol says', () => {
    const program = load(bzImage());
    const { entry, entryState } = program;
    expect(entry).toBe(16 * MIB);
    expect([0, 1, CODE_BYTES - 1].map((i) => at(program, entry).getUint8(i))).toEqual(
      [0, 1, CODE_BYTES - 1].map(codeByte),
    );
    if (entryState.mode !== 'linux32') throw new Error(entryState.mode);
    expect(Object.keys(entryState.registers)).toEqual(['esi']);
    const gdt = at(program, entryState.gdt);
    const descriptors = [0, 1, 2, 3].map((n) => gdt.getBigUint64(8 * n, true));
    expect(descriptors).toEqual([0n, 0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn]);
  });

  test('finds its command line, its RAM disk at the end of memory, and the map of a PC', () => {
    const initrd = new Uint8Array(5000).fill(9);
    const program = load(bzImage(), { append: 'console=ttyS0 größer' }, initrd);
    const { ramdisk, ...page } = zeroPage(program);
    expect(page).toEqual({
      loader: 0xff,
      sentinel: 0,
      magic: 0x53726448,
      cmdline: 'console=ttyS0 größer',
      map: [
        [0, 640 * 1024, 1, 0],
        [640 * 1024, MIB, 2, 0],
        [MIB, 64 * MIB, 1, 0],
      ],
    });
    expect(ramdisk).toEqual([64 * MIB - 2 * PAGE, 5000]);
    expect([0, 4999, 5000].map((i) => at(program, ramdisk[0]!).getUint8(i))).toEqual([9, 9, 0]);
  });

  test('without a RAM disk and a command line is told so', () => {
    const page = zeroPage(load(bzImage()));
    expect([page.ramdisk, page.cmdline]).toEqual([[0, 0], '']);
  });

  test('is told of devices that it cannot find by itself, unless its command line names some', () => {
    const hardware = 'virtio_mmio.device=512@0xd0000000:5';
    const cmdline = (append?: string) => zeroPage(load(bzImage(), { append, hardware })).cmdline;
    expect(cmdline('console=ttyS0')).toBe(`console=ttyS0 ${hardware}`);
    expect(cmdline()).toBe(hardware);
    expect(cmdline('virtio_mmio.device=1K@0xd0000400:7 ro')).toBe('virtio_mmio.device=1K@0xd0000400:7 ro');
    const long = refusal(bzImage(), { append: 'x'.repeat(2040), hardware });
    expect(long.why).toContain('2076 bytes');
  });

  test('has its RAM disk no higher than it can read it', () => {
    const program = load(bzImage([0x22c, 32, 0x1ffffff]), {}, new Uint8Array(PAGE));
    expect(zeroPage(program).ramdisk).toEqual([32 * MIB - PAGE, PAGE]);
  });

  test('in a window of its own stays in it, and is told of nothing else', () => {
    const program = load(bzImage(), { memoryStart: 17 * MIB, memory: 32 * MIB }, new Uint8Array(1));
    expect(program.entry).toBe(18 * MIB);
    expect(zeroPage(program).map).toEqual([[17 * MIB, 32 * MIB, 1, 0]]);
    for (const { physAddr, length } of program.segments) {
      expect(physAddr).toBeGreaterThanOrEqual(17 * MIB);
      expect(physAddr + length).toBeLessThanOrEqual(32 * MIB);
    }
  });

  test('of 2007, which does not say where it wants to be, goes to 1 MiB', () => {
    const old = bzImage([0x206, 16, 0x0205], [0x258, 32, 0xcccccccc], [0x260, 32, 0xcccccccc], [0x238, 32, 0xcccccccc]);
    expect(load(old, { memory: 4 * MIB }).entry).toBe(MIB);
    expect(refusal(old, { append: 'x'.repeat(256) }).why).toContain('256 bytes, and the kernel takes 255');
  });

  test.each([
    ['has no magic', bzImage([0x202, 32, 0]), {}, "no magic 'HdrS'"],
    ['ends within its header', bzImage().slice(0, 0x250), {}, 'ends within its setup header'],
    ['has another boot_flag', bzImage([0x1fe, 16, 0x55]), {}, 'boot_flag is 0x0055'],
    ['is too old', bzImage([0x206, 16, 0x0204]), {}, 'boot protocol is 2.04'],
    ['is a zImage', bzImage([0x211, 8, 0]), {}, 'LOADED_HIGH in its loadflags'],
    ['is for x86-64', bzImage([0x236, 16, 3]), {}, 'XLF_KERNEL_64'],
    ['has no code', bzImage([0x1f4, 32, 0]), {}, 'syssize is 0'],
    ['is cut off', bzImage().slice(0, -16), {}, `has ${CODE_BYTES + 1536 - 16} bytes of ${CODE_BYTES + 1536}`],
    ['cannot be moved', bzImage([0x234, 8, 0]), { memoryStart: 17 * MIB }, 'at 0x01000000 only'],
    ['has too little memory for its code', bzImage(), { memory: 24 * MIB - PAGE }, 'from 0x01000000 to 0x01800000'],
    ['has no room for the zero page', bzImage(), { memory: 24 * MIB + PAGE }, 'memory up to 0x01802000'],
    ['is not told of its memory', bzImage(), { memory: undefined }, 'size of memory'],
  ])('that %s is refused, and told why', (_what, file, options, why) => {
    const error = refusal(file, options);
    expect(error).toMatchObject({ code: 'NOT_A_KERNEL', message: 'kernel is no bzImage that can be loaded' });
    expect(error.why).toContain(why);
  });

  test('may be longer than it says, or shorter by the rest of its last paragraph', () => {
    expect(load(bzImage().slice(0, -15)).entry).toBe(16 * MIB);
    expect(load(Uint8Array.from([...bzImage(), 1, 2, 3])).entry).toBe(16 * MIB);
  });

  test.each([
    ['an empty RAM disk', bzImage(), {}, 0, 'it is empty'],
    ['a RAM disk that is too large', bzImage(), {}, 40 * MIB, `room for ${40 * MIB - 2 * PAGE}`],
    [
      'a RAM disk above what it can read',
      bzImage([0x22c, 32, 0x18fffff]),
      {},
      MIB,
      'up to its initrd_addr_max 0x018fffff',
    ],
    [
      'a command line that is too long',
      bzImage(),
      { append: 'x'.repeat(2048) },
      1,
      '2048 bytes, and the kernel takes 2047',
    ],
  ])('with %s is refused, and told why', (_what, file, options, bytes, why) => {
    const error = refusal(file, options, new Uint8Array(bytes));
    expect(error).toMatchObject({ code: 'BAD_OPTION' });
    expect(error.why).toContain(why);
  });
});

// SPDX-License-Identifier: MIT
//
// The guests in machine code on QEMU, where it is installed: what they do there is the standard for our own engine. The
// expected state at a peer's first instruction is that of the kexec-jump reference §3.3.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';

const QEMU = 'qemu-system-i386';
const FOLDER = fileURLToPath(new URL('../../examples/guests/machine/', import.meta.url));
const SECTOR = 512;
/** QEMU's exit status: (code << 1) | 1 of the guest's; 0 if the machine reset, null if it had to be stopped. */
const GUEST_SUCCESS = 1;
const RESET = 0;
const STOPPED = null;
/** Processors without NX, and with it. */
const CPU = 'pentium3';
const NX_CPU = 'qemu32,+nx';
const PC = [
  ...['-M', 'pc', '-m', '64', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
  ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x4'],
];

function qemu(
  args: readonly string[],
  { timeout = 30_000, cpu = CPU }: { timeout?: number; cpu?: string } = {},
): { status: number | null; console: string } {
  const result = spawnSync(QEMU, [...PC, '-cpu', cpu, ...args], { cwd: FOLDER, encoding: 'utf8', timeout });
  return { status: result.status, console: result.stdout };
}

function boot(kernel: string, cmdline: string, module?: string, options: { timeout?: number; cpu?: string } = {}) {
  const modules = module === undefined ? [] : ['-initrd', module];
  return qemu(['-kernel', `kernel/${kernel}.elf`, '-append', cmdline, ...modules], options);
}

/** A file that lasts as long as the test: a disk with the given first sectors. */
function disk(...sectors: Uint8Array[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'kjump-disk-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const image = Buffer.alloc(2 ** 21);
  sectors.forEach((sector, index) => {
    image.set(sector, index * SECTOR);
  });
  writeFileSync(join(folder, 'disk.img'), image);
  return ['-drive', `file=${join(folder, 'disk.img')},format=raw,if=ide`];
}

/** `name value` pairs of a console, values in hexadecimal. */
function values(console: string): Record<string, number> {
  const pairs = console.matchAll(/(\S+) ([0-9a-f]{8})\b/g);
  return Object.fromEntries([...pairs].map(([, name, value]) => [name!, Number.parseInt(value!, 16)]));
}

describe.skipIf(spawnSync(QEMU, ['--version']).status !== 0)('on QEMU', { timeout: 60_000 }, () => {
  describe('the kernel', () => {
    test.each(['kernel-a', 'kernel-a-pae', 'kernel-b', 'kernel-b-pae', 'kernel-c'])('%s works and exits', (kernel) => {
      expect(boot(kernel, 'mode=exit ticks=20')).toEqual({
        status: GUEST_SUCCESS,
        console: expect.stringMatching(/exit 0 after \d+ ticks/),
      });
    });

    test('ends tasks that read what is not theirs', () => {
      const { status, console } = boot('kernel-a', 'mode=trespass');
      expect(console).toContain('page fault at 10002000, error 4');
      expect(console).toContain('page fault at c0100000, error 5');
      expect(status).toBe(GUEST_SUCCESS);
    });

    test.each([
      ['kernel-a', 'kernel-b'],
      ['kernel-a', 'kernel-c'],
      ['kernel-a-pae', 'kernel-b'],
      ['kernel-a', 'kernel-b-pae'],
      ['kernel-a-pae', 'kernel-b-pae'],
    ])('%s jumps to %s and back, with nothing lost on either side', (kernel, peer) => {
      const { status, console } = boot(kernel, 'mode=jump rounds=30', `kernel/${peer}.elf mode=answer`);
      expect(console).toMatch(/visit 10, .*round 30 of 30, /s);
      expect(status).toBe(GUEST_SUCCESS);
    });

    test.each([
      [CPU, '', GUEST_SUCCESS],
      [NX_CPU, '', GUEST_SUCCESS],
      [CPU, ' control-page=nx', GUEST_SUCCESS],
      [NX_CPU, ' control-page=nx', RESET],
    ])('kernel-a-pae on %s with the parameters "mode=jump%s" ends with status %s', (cpu, nx, status) => {
      const cmdline = `mode=jump rounds=5${nx}`;
      expect(boot('kernel-a-pae', cmdline, 'kernel/kernel-b-pae.elf mode=answer', { cpu }).status).toBe(status);
    });

    test('starts another for good with a plain kexec', () => {
      const { status, console } = boot('kernel-a', 'mode=kexec', 'kernel/kernel-b.elf mode=exit');
      expect(console).toContain('B: exit 0');
      expect(status).toBe(GUEST_SUCCESS);
    });

    test.each(['kernel-a', 'kernel-a-pae'])('%s with the strict stub does not survive its return', (kernel) => {
      const { status, console } = boot(kernel, 'mode=jump stub=strict', 'kernel/kernel-b.elf mode=answer');
      expect(console).toContain('B: visit 1');
      expect(console).not.toContain('A: round 1');
      expect(status).toBe(RESET);
    });
  });

  describe('the recorder', () => {
    const record = (kernel: string, cmdline: string, timeout?: number) =>
      boot(kernel, `mode=record ${cmdline}`, 'recorder/recorder.elf', { timeout });

    test('finds the registers of a peer at its first instruction', () => {
      const { status, console } = record('kernel-a', 'leave=ret');
      expect(status).toBe(GUEST_SUCCESS);
      const r = values(console);
      expect(r).toMatchObject({ eax: 0, ecx: 4, edx: 0x800000, esi: 1, eflags: 6 });
      expect(r).toMatchObject({ cr3: 0, cr4: 0, gdtr: 0, idtr: 0, dr0: 0, dr7: 0x400 });
      expect(r.cr0! & 0x8005_000d).toBe(1);
      expect(r.esp! % 4096).toBe(0xffc);
      expect(r.edi! % 4096).toBe(0);
      expect(r['[esp]']).toBe(r.edi! + 0xd7);
      expect(r.ebx! % 4096).toBe(2);
    });

    test('is entered again where it called from', () => {
      const { status, console } = record('kernel-a', 'leave=call rounds=3');
      expect(console).toContain('record 3, visit 3');
      expect(values(console).edx).toBeGreaterThan(0x800000);
      expect(status).toBe(GUEST_SUCCESS);
    });

    test.each([
      ['kernel-a', 'none', 0, RESET],
      ['kernel-a', 'GDTR', 2, GUEST_SUCCESS],
      ['kernel-a-pae', 'GDTR', 2, RESET],
      ['kernel-a-pae', 'GDTR and CR4.PAE', 6, GUEST_SUCCESS],
    ])('%s, strict, given back %s', (kernel, _what, flags, status) => {
      expect(record(kernel, `stub=strict flags=${flags}`).status).toBe(status);
    });

    test('destroys the kernel that it comes back to with DF set', () => {
      const { status, console } = record('kernel-a', 'flags=8', 3000);
      expect(console).not.toContain('record 1');
      expect([STOPPED, RESET]).toContain(status);
    });
  });

  describe('BIOS calls', () => {
    const call = (cmdline: string, more: readonly string[] = []) =>
      qemu([
        ...more,
        ...['-kernel', 'kernel/kernel-a.elf', '-append', 'mode=bios'],
        ...['-initrd', `bios-call/bios-call.elf ${cmdline}`],
      ]);

    test('INT 12h tells the base memory', () => {
      const { status, console } = call('int=0x12');
      expect(values(console).eax).toBe(639);
      expect(status).toBe(GUEST_SUCCESS);
    });

    test('INT 15h E820h tells the first area', () => {
      const { console } = call('int=0x15 eax=0xe820 edx=0x534d4150 ecx=20 es=0x600 edi=0 show=0x6000');
      expect(values(console)).toMatchObject({ eax: 0x534d4150, ecx: 20, ebx: 1 });
      expect(console).toContain('at 00006000: 00000000 00000000 0009fc00 00000000 00000001');
    });

    test('INT 13h reads a sector', () => {
      const sector = Buffer.from('first sector');
      const { console } = call('int=0x13 eax=0x201 ecx=1 edx=0x80 es=0x600 show=0x6000', disk(sector));
      expect(values(console).eax! >>> 8).toBe(0);
      expect(console).toContain(`at 00006000: ${sector.readUInt32LE(0).toString(16)}`);
    });
  });

  describe('the BIOS', () => {
    test('boots a sector that tries its services', () => {
      const bootSector = readFileSync(join(FOLDER, 'bios/boot-sector.bin'));
      const text = Buffer.from('read from sector 1\0');
      const { status, console } = qemu(['-bios', 'bios/bios.bin', ...disk(bootSector, text)]);
      expect(console).toMatch(/BIOS: 64 MiB of memory\s+boot sector: hello\s+read from sector 1/);
      expect(status).toBe(GUEST_SUCCESS);
    });

    test('says so if there is nothing to boot', () => {
      expect(qemu(['-bios', 'bios/bios.bin'], { timeout: 3000 }).console).toContain('nothing to boot from');
    });
  });
});

// SPDX-License-Identifier: MIT
//
// The kernels that Debian 12 ships for i386, unmodified, with the Linux guest's RAM disk: for several processors, and so with the APICs,
// which the MP table tells them of. KJUMP_DEBIAN_KERNELS names their files, which are in the packages linux-image-*-686(-pae).
import { existsSync } from 'node:fs';
import { basename, delimiter } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  COMMAND_LINE,
  command,
  hasLinuxGuest,
  jumpAway,
  prompt,
  ROOTFS_WITH_KERNEL,
  WHEN_SKIPPED,
} from '../../examples/linux-guest.ts';
import { createMachine } from '../../orchestrator/index.ts';

const NAMES = 'KJUMP_DEBIAN_KERNELS';
const KERNELS = (process.env[NAMES] ?? '').split(delimiter).filter((file) => existsSync(file));
const WHY = KERNELS.length === 0 ? ` (skipped: name files like /boot/vmlinuz-6.1.0-50-686 in ${NAMES})` : WHEN_SKIPPED;
const APPEND = 'console=ttyS0 cryptomgr.notests';
const CLOCK = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
/** Its decompression alone is two billion instructions. */
const BOOT_MS = 600_000;

describe.skipIf(KERNELS.length === 0 || !hasLinuxGuest)(`Debian's Linux${WHY}`, () => {
  test.each(KERNELS.map((file) => [basename(file), file]))(
    '%s boots in symmetric mode and trusts its clocks, and leaves PIC mode to a Linux that knows of no APIC',
    async (_name, file) => {
      await using machine = await createMachine({ memory: '256M' });
      const { signal } = new AbortController();
      const first = await machine.boot(file, { initrd: ROOTFS_WITH_KERNEL, append: APPEND });
      const log = await prompt(first, signal);
      expect(log).toContain('IMCR and PIC compatibility mode');
      expect(log).toContain('IOAPIC[0]: apic_id 2, version 17, address 0xfec00000, GSI 0-23');
      expect(log).toMatch(/Enabling APIC mode:\s+Flat\.\s+Using 1 I\/O APICs/);
      expect(log).not.toMatch(/unstable|spurious|not connected|MP-BIOS bug/i);
      const interrupts = await command(first, 'cat /proc/interrupts', signal);
      expect(interrupts).toMatch(/ 0: +\d+ +IO-APIC +2-edge +timer\n/);
      expect(interrupts).toMatch(/ 4: +\d+ +IO-APIC +4-edge +ttyS0\n/);
      expect(Number(/LOC: +(\d+)/.exec(interrupts)?.[1])).toBeGreaterThan(100);
      expect(await command(first, `cat ${CLOCK}`, signal)).toBe('tsc');

      await command(first, `kexec -l /boot/bzImage --initrd=/boot/rootfs.gz --append='${COMMAND_LINE}'`, signal);
      const second = await jumpAway(machine, signal);
      await prompt(second, signal);
      expect(await command(second, 'cat /proc/interrupts', signal)).toMatch(/ 4: +\d+ +XT-PIC +ttyS0\n/);
    },
    BOOT_MS,
  );
});

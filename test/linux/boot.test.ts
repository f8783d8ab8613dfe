// SPDX-License-Identifier: MIT
//
// The reference Linux boots to its shell and answers what is typed: through the API, and through the command with a pipe as stdin.
// The kernel's thread is out of reach of vitest's own transform, so a boot takes as long here as anywhere.
import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import { BZIMAGE, COMMAND_LINE, hasLinuxGuest, ROOTFS, WHEN_SKIPPED } from '../../examples/linux-guest.ts';
import { createMachine, type Machine } from '../../orchestrator/index.ts';
import { ROOT } from '../cli/kjump.ts';

const SHELL = /\n\/ # $/;
const BOOT_MS = 120_000;

describe.skipIf(!hasLinuxGuest)(`the reference Linux${WHEN_SKIPPED}`, () => {
  let machine: Machine | null = null;
  afterEach(async () => {
    await machine?.close();
    machine = null;
  });

  async function booted(memory: string): Promise<{ machine: Machine; readonly steps: number; readonly tick: number }> {
    machine = await createMachine({ memory });
    const kernel = await machine.boot(BZIMAGE, { initrd: ROOTFS, append: COMMAND_LINE });
    await kernel.console.expect(SHELL);
    return { machine, steps: kernel.slot.steps, tick: machine.now };
  }

  test(
    'boots to a shell, answers what is typed, and knows the memory and the command line that it was given',
    async () => {
      const { machine, steps } = await booted('128M');
      expect(steps).toBeLessThan(400e6);
      const { console } = machine.find('bzImage');
      console.type('echo hello; uname -r\n');
      expect(await console.expect(SHELL)).toMatch(/^echo hello; uname -r\nhello\n6\.1\.\d+\n\/ # $/);
      console.type('cat /proc/cmdline; grep RAM /proc/iomem\n');
      const answer = await console.expect(SHELL);
      expect(answer).toContain(`\n${COMMAND_LINE}\n`);
      expect(answer).toMatch(/\n00001000-0009\w+ : System RAM\n00100000-07ffffff : System RAM\n/);

      // It trusts the time-stamp counter. Its clock by the 8254 loses ticks while interrupts are off, and in one-shot mode.
      console.type(
        'dmesg | grep -e MHz -e unstable; cat /sys/devices/system/clocksource/clocksource0/current_clocksource\n',
      );
      const clocks = await console.expect(SHELL);
      expect(clocks).toMatch(/tsc: Detected 1000.000 MHz processor\ntsc\n\/ # $/);

      // Where it stands depends on nothing but what was typed, and when in virtual time.
      expect(await console.expect(/never/, { ticks: 2e9 }).catch((error) => error)).toMatchObject({
        code: 'TIMEOUT',
        message: 'bzImage did not write /never/ in 2 s of virtual time',
      });

      console.type('poweroff -f\n');
      expect(await console.expect(/System halted/)).toContain('reboot: ');
    },
    BOOT_MS,
  );

  test(
    'is driven by a pipe: nothing of what is typed before it listens is lost, and it runs to its end',
    async () => {
      const { code, stdout, stderr } = await withInput('echo $((6*7)) apples; poweroff -f\n', [
        ...['boot', BZIMAGE, '--initrd', ROOTFS, '--append', COMMAND_LINE],
        ...['-m', '64M', '--serial', 'stdio'],
      ]);
      expect(stdout).toMatch(/\n42 apples\r*\n/);
      expect(stdout).toContain('System halted');
      expect(stderr).toContain('waits for an interrupt that will never come');
      expect(code).toBe(0);
    },
    BOOT_MS,
  );
});

function withInput(
  input: string,
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'orchestrator/cli.ts', ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: 'pipe',
    timeout: BOOT_MS,
  });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject).once('close', (code) => resolve({ code, ...said }));
  });
}

// SPDX-License-Identifier: MIT
// The tools that people have take an image for what it is: a core file. Skipped where a tool is not installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { writeImage } from '../../orchestrator/images/hibernation.ts';
import { CPU, SEGMENT } from '../../shared/layout/cpu-state.ts';
import { PAGE_SIZE } from '../../shared/units.ts';
import { inDirectory, Sample } from './sample-machine.ts';

const missing = (tool: string): boolean => spawnSync(tool, ['--version']).error !== undefined;

/** A machine with recognisable registers, words at 0x5000 and zeros at 0x6000. */
async function writeSample(path: string): Promise<void> {
  const sample = Sample.create();
  const { machine, memory } = sample;
  const cpu = machine.region('cpu').offset;
  const registers = { eax: 1, ecx: 2, edx: 3, ebx: 4, esp: 0x5ff0, ebp: 6, esi: 7, edi: 8, eip: 0x5000, eflags: 0x246 };
  for (const [name, value] of Object.entries(registers)) {
    machine.view.setInt32(cpu + CPU[name as keyof typeof registers], value, true);
  }
  machine.view.setInt32(cpu + CPU.cs + SEGMENT.selector, 0x10, true);
  machine.view.setInt32(cpu + CPU.ss + SEGMENT.selector, 0x18, true);
  memory.write32(5 * PAGE_SIZE, 0x12345678);
  await writeImage(path, machine, memory, sample.captures, sample.captures.create(), { memory: '128K' });
}

test.skipIf(missing('readelf'))('readelf reads all of it without a warning', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    await writeSample(path);
    const { stdout, stderr, status } = spawnSync('readelf', ['-a', '-W', path], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/Type: +CORE/);
    expect(stdout).toMatch(/Machine: +Intel 80386/);
    expect(stdout).toMatch(/CORE +0x00000090\s+NT_PRSTATUS/);
    expect(stdout.match(/^ +KJUMP /gm)).toHaveLength(5);
    expect(stdout).toMatch(/LOAD +0x\w+ 0xc0005000 0x00005000 0x01000 0x1b000 RWE 0$/m);
  });
});

test.skipIf(missing('gdb'))('gdb shows the registers and the memory of the machine', async () => {
  await inDirectory(async (directory) => {
    const path = join(directory, 'a.kjump');
    await writeSample(path);
    const commands = ['info registers', 'x/2wx 0xc0005000', 'x/1wx 0xc0006000', 'x/1wx 0xc0000000'];
    const args = ['-batch', '-nx', '-core', path, ...commands.flatMap((command) => ['-ex', command])];
    const shown = execFileSync('gdb', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    for (const line of [
      /^eax +0x1 /m,
      /^ebx +0x4 /m,
      /^esp +0x5ff0 /m,
      /^eip +0x5000 /m,
      /^cs +0x10 /m,
      /^ss +0x18 /m,
    ]) {
      expect(shown).toMatch(line);
    }
    expect(shown).toMatch(/^eflags +0x246 /m);
    expect(shown).toMatch(/^0xc0005000:\s+0x12345678\s+0x00000000$/m);
    expect(shown).toMatch(/^0xc0006000:\s+0x00000000$/m);
    expect(shown).toMatch(/^0xc0000000:\s+0x00000000$/m);
  });
});

// SPDX-License-Identifier: MIT
//
// The use that the 2008 change was made for: hibernation by kexec jump, without help of any firmware. Three kernels do it: A
// loads B and jumps; B writes A's memory to the disk and powers off; in another process C reads the disk and jumps back to A.
// Nothing but the disk lies between the two processes.
import { createHash } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kernel } from '../orchestrator/index.ts';
import { defineScenario, type ScenarioContext } from '../orchestrator/scenario.ts';
import { RAM_END } from './guests/dump.ts';
import { INTACT, TICKS } from './guests/sleeper.ts';

export const scenario = defineScenario({
  title: 'Hibernation by three kernels',
  about:
    'A loads B into a window of its own memory and jumps; B writes the rest of memory to the disk and powers off. A new process ' +
    'boots C, which reads the image from the disk and jumps back into A. A goes on with its next timer tick.',

  // With an argument it is the second process, and the argument is the disk.
  run: (context) => (context.args.length === 0 ? sleep(context) : wake(context, context.args[0])),
});

async function sleep({ createMachine, guest, workDir, spawn, say, show, showMemory }: ScenarioContext) {
  const disk = join(workDir, 'disk.img');
  await writeFile(disk, '');
  await truncate(disk, RAM_END);
  const machine = await createMachine({ memory: '16M', disk });
  machine.on('switch', show);
  machine.on('console', ({ text }) => say(text.trimEnd()));

  const a = await machine.boot(guest('sleeper'), { name: 'A', window: [0, RAM_END] });
  await machine.run({ switches: 1 });
  await showMemory(machine, 'the saver is in its window of A; what A had there lies at the end of its memory');
  const asleep = await digest(a);
  const { reason: ended } = await machine.run();
  await machine.close();
  say(`the machine is off (${ended}); another process starts`);

  const awake = (await spawn(new URL(import.meta.url), [disk])) as Awaited<ReturnType<typeof wake>>;
  return { firstProcess: ended, secondProcess: awake.ended, memoryIsTheSame: asleep === awake.digest, ...awake.a };
}

async function wake({ createMachine, guest, say, show }: ScenarioContext, disk: string) {
  const machine = await createMachine({ memory: '16M', disk });
  machine.on('switch', show);
  machine.on('console', ({ text }) => say(text.trimEnd()));
  const c = await machine.boot(guest('restorer'), { name: 'C' });
  await machine.run({ switches: 1 });
  await c.remove();
  // A stands before its first step since it left. Nobody else is in the machine.
  const a = machine.kernels[0];
  const memory = await digest(a);
  const { reason } = await machine.run();
  const words = new DataView((await a.read(TICKS, 8)).buffer);
  return {
    digest: memory,
    ended: reason,
    a: {
      kernels: machine.kernels.map(({ name }) => name),
      ticks: words.getInt32(0, true),
      intact: words.getInt32(INTACT - TICKS, true) === 1,
    },
  };
}

/** Of A's memory as A sees it, below the last MiB, where the pages of its image lie. */
async function digest(a: Kernel): Promise<string> {
  const bytes = await a.read(0, RAM_END - 0x100000);
  return createHash('sha256').update(bytes).digest('hex');
}

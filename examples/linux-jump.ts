// SPDX-License-Identifier: MIT
//
// Two real Linux systems on one PC, by the recipe that kexec jump was published with in 2008: the stock kexec tool, typed at the
// systems' own shells. The host types and waits; that the systems jump, and where to, it notices.
// `kjump run examples/linux-jump.ts [rounds] [end of B's window in MiB]`.
import { defineScenario } from '../orchestrator/scenario.ts';
import {
  BZIMAGE,
  COMMAND_LINE,
  command,
  jump,
  jumpBackEntry,
  loadSecond,
  prompt,
  ROOTFS_WITH_KERNEL,
  requireLinuxGuest,
} from './linux-guest.ts';

export const scenario = defineScenario({
  title: 'Linux jumps to Linux',
  about:
    'Linux A boots, loads Linux B with kexec --load-preserve-context into a window of its memory, and jumps: B boots in a thread of ' +
    "its own. B jumps back, and A's shell goes on. From then on they take turns, and nobody boots.",

  async run({ createMachine, say, show, signal, args }) {
    requireLinuxGuest();
    const rounds = Number(args[0] ?? 3);
    const windowEndMiB = Number(args[1] ?? 32);
    const machine = await createMachine({ memory: '128M' });
    machine.on('switch', show);

    const a = await machine.boot(BZIMAGE, {
      name: 'A',
      initrd: ROOTFS_WITH_KERNEL,
      // Memory below 640K ends within a page, and no system that comes and goes may use that one.
      append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=127M@1M`,
    });
    await prompt(a, signal);
    say(`A is up: ${await command(a, 'uname -a', signal)}`);
    // No random data: with a generator that is seeded, kexec 2.0.25 passes a seed on, and at the bottom of a window that is where the
    // next kernel unpacks itself.
    await command(a, 'seq 20000 > /tmp/data', signal);
    const data = await command(a, 'md5sum /tmp/data', signal);
    await loadSecond(a, windowEndMiB, signal);
    say(`A has loaded the second system, from 1 to ${windowEndMiB} MiB`);
    a.console.type('kexec -e\n');
    await machine.run({ switches: 1, signal });

    const b = machine.kernels[1];
    await prompt(b, signal);
    const entry = await jumpBackEntry(b, signal);
    say(`B is up, and knows that A goes on at ${entry}`);
    await command(b, `kexec --load-jump-back-helper --entry=${entry}`, signal);

    const visits = { A: '', B: '' };
    let intact = true;
    for (let round = 0; round < rounds; round++) {
      if (round > 0) await jump(a, b, signal);
      visits.B = await command(b, 'n=$((n+1)); echo $n', signal);
      await jump(b, a, signal);
      visits.A = await command(a, 'n=$((n+1)); echo $n', signal);
      intact &&= (await command(a, 'md5sum /tmp/data', signal)) === data;
    }
    return { switches: machine.switches, kernels: machine.kernels, visits, intact };
  },
});

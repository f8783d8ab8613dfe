// SPDX-License-Identifier: MIT
//
// Linux, a kernel in C and one in TypeScript take turns at one PC. The host says who is next: none of them knows of the others, and
// Linux is not asked to freeze. What the host's jump quiesces is the PC: its devices are stopped and saved for the one and brought
// back for the other. `kjump run examples/linux-rotation.ts [rounds]`. The other two: guests/machine/kernel/ and guests/keeper.ts.
import { defineScenario } from '../orchestrator/scenario.ts';
import { BZIMAGE, COMMAND_LINE, command, prompt, ROOTFS, requireLinuxGuest } from './linux-guest.ts';
import { StatusPage, wellBeing } from './well-being.ts';

/** Of 100 Hz, in ns of virtual time: the other kernels' timer. */
const TICK = 10_000_000;
const TICKS_A_TURN = 6;

export const scenario = defineScenario({
  title: 'Linux, C and TypeScript in turn',
  about:
    'Linux has all of memory. A kernel in C and one in TypeScript lie where it has pages of its own: a jump exchanges them. Each ' +
    'sets timer and interrupt controllers its own way, and finds them as it left them.',

  async run({ createMachine, guest, say, show, showMemory, signal, args }) {
    requireLinuxGuest();
    const rounds = Number(args[0] ?? 3);
    const machine = await createMachine({ memory: '64M' });
    const linux = await machine.boot(BZIMAGE, { name: 'Linux', initrd: ROOTFS, append: COMMAND_LINE });
    await prompt(linux, signal);
    const ask = (line: string): Promise<string> => command(linux, line, signal);
    await ask('seq 20000 > /tmp/data');
    const data = await ask('md5sum /tmp/data');

    const t = await machine.load(guest('keeper'), { name: 'T', window: ['1M', '8M'] });
    const c = await machine.load(guest('machine/kernel/kernel-c.elf'), {
      name: 'C',
      window: ['8M', '16M'],
      cmdline: 'mode=loop beat=5',
    });
    await showMemory(machine, 'Linux has the machine');

    const answers: string[] = [];
    // It sleeps while the others work, and is woken by its timer when it has the machine again.
    await ask('(sleep 1; echo woken > /tmp/woken) &');
    for (let round = 0; round < rounds; round++) {
      for (const other of [t, c]) {
        show(await machine.jump(other));
        await machine.run({ ticks: TICKS_A_TURN * TICK });
      }
      show(await machine.jump(linux));
      answers.push(await ask('i=$((i+1)); echo $i'));
    }
    const woken = await ask('sleep 2; cat /tmp/woken');
    const intact = (await ask('md5sum /tmp/data')) === data;
    say(`Linux has counted its turns: ${answers.join(', ')}; its memory is ${intact ? 'as it was' : 'DAMAGED'}`);
    return {
      switches: machine.switches,
      Linux: { answers, woken, intact },
      T: await wellBeing(t, StatusPage.keeper),
      C: await wellBeing(c, StatusPage.kernelC),
    };
  },
});

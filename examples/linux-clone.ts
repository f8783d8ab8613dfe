// SPDX-License-Identifier: MIT
//
// Boot once, have it many times: copy-on-write clones of a running Linux. Each is a system of its own, with the memory, the shell and
// the variables of the first as they were, and works in a thread of its own when it is its turn. All run at the same addresses: a
// jump exchanges the pages in which two of them differ. `kjump run examples/linux-clone.ts [clones]`.
import type { Kernel } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';
import { BZIMAGE, COMMAND_LINE, command, prompt, ROOTFS, requireLinuxGuest } from './linux-guest.ts';

const MEMORY_MIB = 32;
const FRAME_KIB = 4;

export const scenario = defineScenario({
  title: 'One boot, many Linux systems',
  about:
    'Linux boots once, and its shell is told something. Then it is cloned, copy-on-write, and each clone answers at its own console ' +
    'what only it has been told, and what all of them know.',

  async run({ createMachine, say, signal, args }) {
    requireLinuxGuest();
    const count = Number(args[0] ?? 20);
    const machine = await createMachine({
      memory: `${MEMORY_MIB}M`,
      // Every clone may come to store to all of its pages; what it never touches costs nothing.
      spare: `${(MEMORY_MIB + 1) * (count + 1)}M`,
      maxKernels: count + 1,
    });
    const first = await machine.boot(BZIMAGE, { name: 'first', initrd: ROOTFS, append: COMMAND_LINE });
    await prompt(first, signal);
    await command(first, 'secret=42; echo common > /tmp/note', signal);

    const clones: Kernel[] = [];
    const freeFrames = async (): Promise<number> => (await machine.inspect()).frames.free;
    const free = await freeFrames();
    const started = performance.now();
    for (let n = 1; n <= count; n++) clones.push(await first.clone(`clone ${n}`));
    const each = (performance.now() - started) / count;
    const kibEach = async (): Promise<number> => Math.ceil(((free - (await freeFrames())) * FRAME_KIB) / count);
    const fresh = await kibEach();
    say(`a clone takes ${each.toFixed(2)} ms and ${fresh} KiB of ${MEMORY_MIB} MiB`);

    const answers: string[] = [];
    const turn = async (kernel: Kernel, n: number): Promise<void> => {
      await machine.jump(kernel);
      const line = `secret=$((secret+${n})); echo ${n} >> /tmp/note; echo $secret $(cat /tmp/note)`;
      answers.push(await command(kernel, line, signal));
    };
    for (const [i, clone] of clones.entries()) await turn(clone, i + 1);
    const lived = await kibEach();
    say(`after a turn it has ${lived} KiB of its own`);
    // Once more, all of them: what each has been told, it still knows; and the first knows nothing of that.
    for (const [i, clone] of clones.entries()) await turn(clone, i + 1);
    await machine.jump(first);
    const untouched = await command(first, 'echo $secret $(cat /tmp/note)', signal);
    return { answers, kib: { fresh, lived }, untouched, switches: machine.switches, kernels: machine.kernels.length };
  },
});

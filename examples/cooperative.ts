// SPDX-License-Identifier: MIT
//
// The first use: cooperative multi-kernel. Three kernels share the window from 1M to 16M and pass the machine round by
// themselves; the host only says how often. `kjump run examples/cooperative.ts [switches]`.
import type { Kernel, SwitchReport } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';
import { ERRORS, TURNS } from './guests/ring.ts';

export const scenario = defineScenario({
  title: 'Three kernels at one address',
  about:
    'Three kernels live in the same 15 MiB of physical memory and pass the machine round by kexec jump. Each counts its turns ' +
    'and checks, every time, that its memory is as it left it.',

  async run({ createMachine, guest, show, showMemory, say, args }) {
    const switches = Number(args[0] ?? 10_000);
    const window = ['1M', '16M'] as const;
    const machine = await createMachine({ memory: '32M' });
    const a = await machine.boot(guest('ring'), { name: 'A', window });
    const b = await machine.load(guest('ring'), { name: 'B', window });
    const c = await machine.load(guest('ring'), { name: 'C', window });

    await showMemory(machine, 'A has the machine; B and C wait in hidden pages');
    show(await machine.jump(b));
    await showMemory(machine, 'B has it: its frames and those of A have changed places');
    await machine.jump(a);

    let last: SwitchReport | null = null;
    machine.on('switch', (report) => {
      last = report;
    });
    const started = performance.now();
    const { tick } = await machine.run({ switches });
    const microseconds = ((performance.now() - started) * 1000) / switches;
    say(
      `${switches} switches, ${microseconds.toFixed(1)} µs each; virtual time ${tick} ns; the last one, now that all is warm:`,
    );
    if (last !== null) show(last);

    const word = async (kernel: Kernel, at: number) =>
      new DataView((await kernel.read(at, 4)).buffer).getUint32(0, true);
    const turns = { A: await word(a, TURNS), B: await word(b, TURNS), C: await word(c, TURNS) };
    const errors = (await word(a, ERRORS)) + (await word(b, ERRORS)) + (await word(c, ERRORS));
    return { switches: machine.switches, turns, errors };
  },
});

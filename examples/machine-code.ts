// SPDX-License-Identifier: MIT
//
// Kernels in machine code. First the host passes the machine round among two kernels in C and one in TypeScript, two of them at
// one address. Then a kernel in C loads another and jumps there and back with a relocate_kernel of its own: nobody told the machine,
// it notices. `kjump run examples/machine-code.ts [rounds]`. The kernels: guests/machine/kernel/ and guests/keeper.ts.
import { wholeLines } from '../orchestrator/index.ts';
import { defineScenario, type ScenarioContext } from '../orchestrator/scenario.ts';
import { StatusPage, wellBeing } from './well-being.ts';

/** Of 100 Hz, in ns of virtual time. */
const TICK = 10_000_000;

export const scenario = defineScenario({
  title: 'Kernels in C',
  about:
    'Two kernels in C, with paging, tasks and timer interrupts, and one in TypeScript take turns; each counts its ticks and checks ' +
    'its memory. Then a kernel in C jumps to another and back by itself, with its own relocate_kernel in machine code.',

  async run(context) {
    const rounds = Number(context.args[0] ?? 3);
    return { rotated: await rotate(context, rounds), byThemselves: await jumpByThemselves(context, rounds) };
  },
});

/** The host says who is next. */
async function rotate({ createMachine, guest, show, showMemory, say }: ScenarioContext, rounds: number) {
  const machine = await createMachine({ memory: '32M' });
  machine.on(
    'console',
    wholeLines(({ text }) => say(`  ${text}`)),
  );
  const [low, high] = [['1M', '8M'] as const, ['8M', '16M'] as const];
  const cmdline = 'mode=loop beat=5';
  const t = await machine.boot(guest('keeper'), { name: 'T', window: low });
  const b = await machine.load(guest('machine/kernel/kernel-b.elf'), { name: 'B', window: low, cmdline });
  const c = await machine.load(guest('machine/kernel/kernel-c.elf'), { name: 'C', window: high, cmdline });
  await showMemory(machine, 'T has the machine; B waits in hidden pages, C where it will run');

  for (let round = 0; round < rounds; round++) {
    for (const next of [b, c, t]) {
      show(await machine.jump(next));
      await machine.run({ ticks: 6 * TICK });
    }
  }
  return {
    switches: machine.switches,
    T: await wellBeing(t, StatusPage.keeper),
    B: await wellBeing(b, StatusPage.kernelB),
    C: await wellBeing(c, StatusPage.kernelC),
  };
}

/** A is told to; the host does nothing but let the machine run. */
async function jumpByThemselves({ createMachine, guest, show, say }: ScenarioContext, rounds: number) {
  const machine = await createMachine({ memory: '16M' });
  machine.on('switch', show);
  machine.on(
    'console',
    wholeLines(({ kernel, text }) => say(`  [${kernel}] ${text}`)),
  );
  const a = await machine.boot(guest('machine/kernel/kernel-a.elf'), {
    name: 'A',
    cmdline: `mode=jump rounds=${rounds}`,
    modules: [{ file: guest('machine/kernel/kernel-b.elf'), cmdline: 'mode=answer' }],
  });
  const { reason, switches } = await machine.run();
  return {
    ended: reason,
    exitStatus: a.stop.exitStatus,
    switches,
    kernels: machine.kernels.map(({ name }) => name),
    A: await wellBeing(a, StatusPage.kernelA),
  };
}

// SPDX-License-Identifier: MIT
//
// A scenario of many ends: its first argument says which.
import { defineScenario, type ScenarioContext } from '../../orchestrator/index.ts';

const COUNTER = new URL('../guests/counter.ts', import.meta.url);

/** Runs for ever, once it has told its process and its folder. */
async function hang({ createMachine, say, workDir }: ScenarioContext): Promise<void> {
  const machine = await createMachine();
  await machine.boot(COUNTER);
  say(JSON.stringify({ pid: process.pid, workDir }));
  await machine.run();
}

const ENDS: Readonly<Record<string, (context: ScenarioContext) => Promise<unknown>>> = {
  async well({ args, say, createMachine }) {
    say('on my way');
    const machine = await createMachine({ memory: '32M' });
    const { memoryBytes, clock } = await machine.inspect();
    return { args, memoryBytes, seed: clock.seed };
  },
  async kernels({ createMachine }) {
    const machine = await createMachine({ memory: '32M' });
    await machine.boot(COUNTER, { name: 'A' });
    return { kernels: machine.kernels };
  },
  async failing() {
    throw new RangeError('no luck');
  },
  async late() {
    setTimeout(() => {
      throw new Error('too late');
    }, 1);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  },
  stuck: () => new Promise(() => {}),
  async refused({ createMachine }) {
    const machine = await createMachine();
    await machine.boot(COUNTER);
    await machine.jump(await machine.load(COUNTER), { pmTest: 'devices' });
  },
  async crowded({ createMachine }) {
    const machine = await createMachine({ maxKernels: 1 });
    await machine.boot(COUNTER);
    await machine.load(COUNTER);
  },
  async 'out-of-pages'({ createMachine }) {
    const machine = await createMachine({ spare: '1M' });
    await machine.boot(COUNTER);
    await machine.load(COUNTER);
  },
  async 'out-of-frames'({ createMachine, guest }) {
    const machine = await createMachine({ memory: '16M', spare: '1M' });
    await machine.boot(guest('filler'));
    await machine.snapshot('one too many');
  },
  async crashing({ createMachine, guest }) {
    const machine = await createMachine();
    await machine.boot(guest('stray'), { name: 'early' });
  },
  hang,
  spawning: ({ spawn }) => spawn(new URL(import.meta.url), ['well', 'from', 'afar']),
  'spawning-failure': ({ spawn }) => spawn(new URL(import.meta.url), ['failing']),
  'spawning-hang': ({ spawn }) => spawn(new URL(import.meta.url), ['hang']),
};

export const scenario = defineScenario({
  title: 'Many ends',
  about: 'Ends as it is told.',
  run: (context) => ENDS[context.args[0]](context),
});

// SPDX-License-Identifier: MIT
//
// The second use: debugging by snapshots. Snapshot, jump away and back, let the system do something, snapshot again: the
// difference says, page by page and register by register, what it did. Going back and doing it again does the same; only
// clock.generation, which counts the restores, tells the two apart.
import { type FieldChange, formatDiff } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';

export const scenario = defineScenario({
  title: 'What did it change?',
  about:
    'A snapshot of the whole machine before and after three steps of a kernel, with a jump to another kernel in between. The ' +
    'difference names every changed page and field; then the machine goes back to the first snapshot and does it again.',

  async run({ createMachine, guest, show, say }) {
    const machine = await createMachine({ memory: '32M' });
    const clerk = await machine.boot(guest('clerk'), { name: 'clerk' });
    await machine.run({ steps: 10 });
    const counter = await machine.load(guest('counter'), { name: 'counter' });

    const before = await machine.snapshot('before');
    const doSomething = async () => {
      show(await machine.jump(counter));
      await machine.run({ steps: 500 });
      show(await machine.jump(clerk));
      await machine.run({ steps: 3 });
    };
    await doSomething();
    const after = await machine.snapshot('after');
    const changes = machine.diff(before, after);
    say(formatDiff(changes));

    await before.restore();
    const restored = machine.diff(before, await machine.snapshot('restored'));
    say(formatDiff(restored));

    await doSomething();
    const repeated = machine.diff(after, await machine.snapshot('repeated'));
    say(formatDiff(repeated));

    return {
      changedPages: changes.pages.map(({ physAddr }) => physAddr.toString(16)),
      changedFields: changes.fields.filter(({ record }) => !record.startsWith('kernel')).map(nameOf),
      afterRestore: { pages: restored.pages.length, fields: restored.fields.map(nameOf) },
      afterRepeat: { pages: repeated.pages.length, fields: repeated.fields.map(nameOf) },
    };
  },
});

const nameOf = ({ record, field }: FieldChange): string => `${record}.${field}`;

// SPDX-License-Identifier: MIT
//
// Snapshots of a running Linux around a change. The machine is captured between two instructions: the system runs nothing for it and
// never notices, and the difference of two captures names every page that the change touched. Going back and making the change again
// gives the same bytes. `kjump run examples/linux-snapshots.ts`.
import type { Snapshot, SnapshotDiff } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';
import { BZIMAGE, COMMAND_LINE, command, prompt, ROOTFS, requireLinuxGuest } from './linux-guest.ts';

const TEXT = 'It was here that the change was made.';
const NOTE = '/tmp/note';
const MEMORY_MIB = 64;
const PAGE = 4096;

export const scenario = defineScenario({
  title: 'What did Linux change?',
  about:
    'Linux is captured before and after its shell writes a file, and the two are compared. Then it goes back, writes the file again, ' +
    'and goes back once more: the shell finds everything as it was, and has noticed nothing.',

  async run({ createMachine, say, signal }) {
    requireLinuxGuest();
    const machine = await createMachine({ memory: `${MEMORY_MIB}M` });
    const linux = await machine.boot(BZIMAGE, { name: 'Linux', initrd: ROOTFS, append: COMMAND_LINE });
    await prompt(linux, signal);
    const ask = (line: string): Promise<string> => command(linux, line, signal);
    await ask('visits=1');

    const before = await machine.snapshot('before');
    const change = () => ask(`echo '${TEXT}' > ${NOTE}; visits=$((visits+1)); echo $visits`);
    const visits = await change();
    const after = await machine.snapshot('after');
    const diff = machine.diff(before, after);
    const pages = pagesWithText(diff, after);
    say(`each snapshot took ${Math.round(Math.max(before.durationUs, after.durationUs))} µs`);
    say(
      `in ${diff.ticks / 1e6} ms of virtual time ${diff.pages.length} of ${(MEMORY_MIB * 1024 ** 2) / PAGE} pages have changed`,
    );
    for (const { physAddr, at } of pages) say(`what was written is at ${(physAddr + at).toString(16)}`);

    await before.restore();
    await change();
    const repeated = machine.diff(after, await machine.snapshot('repeated'));

    await before.restore();
    const back = { file: await ask(`cat ${NOTE}`), visits: await ask('echo $visits') };
    await after.restore();
    const forward = { file: await ask(`cat ${NOTE}`), visits: await ask('echo $visits') };
    say(`before: ${back.file}; after: ${forward.file}`);
    return {
      visits,
      changedPages: diff.pages.length,
      pagesWithText: pages.length,
      repeated: {
        pages: repeated.pages.length,
        fields: repeated.fields.map(({ record, field }) => `${record}.${field}`),
      },
      back,
      forward,
    };
  },
});

/** The file's own page begins with the text; in others it is passing through: typed, echoed, parsed. */
function pagesWithText({ pages }: SnapshotDiff, snapshot: Snapshot): { physAddr: number; at: number }[] {
  return pages
    .map(({ physAddr }) => ({ physAddr, at: Buffer.from(snapshot.read(physAddr, PAGE)).indexOf(TEXT) }))
    .filter(({ at }) => at >= 0);
}

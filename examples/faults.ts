// SPDX-License-Identifier: MIT
//
// A switch is a transaction: whatever goes wrong before the store that moves ownership is undone, in reverse order, and the old
// kernel goes on as if nothing had been. Here a jump is turned round at every depth that Linux's pm_test knows, and made to
// fail at every line and at every device, and each time memory, CPU and devices are compared with what they were.
import { type JumpOptions, type Kernel, KjumpError, type Machine, PM_TESTS } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';

const LINES = ['lock', 'prepare-console', 'freeze-tasks', 'suspend-console', 'interrupts', 'save'] as const;
const DEVICES = ['pic', 'pit', 'rtc', 'uart0', 'ide0', 'disk0'] as const;

export const scenario = defineScenario({
  title: 'Switches that fail',
  about:
    'A jump is turned round at each pm_test depth, then made to fail at lines, devices and pages. The system that wanted to ' +
    'leave lives on, and its memory and devices are what they were, bit for bit. Then it jumps for real.',

  async run({ createMachine, guest, say, show }) {
    const machine = await createMachine({ memory: '32M' });
    await machine.boot(guest('ticker'), { name: 'A', window: ['1M', '16M'] });
    const b = await machine.load(guest('counter'), { name: 'B', window: ['1M', '16M'] });
    await machine.run({ ticks: 25_000_000 });

    const attempts: JumpOptions[] = [
      ...PM_TESTS.map((pmTest) => ({ pmTest })),
      ...LINES.map((line) => ({ failAt: { line } })),
      ...DEVICES.map((device) => ({ failAt: { line: 'devices', device, phase: 'freeze' } as const })),
      { failAt: { line: 'devices-late', device: 'uart0' } },
      { failAt: { line: 'core', device: 'pit' } },
      { failAt: { line: 'relocate', page: 1234 } },
    ];
    let changed = 0;
    const refused: Record<string, number> = {};
    for (const options of attempts) {
      const { code, errno, damage } = await attempt(machine, b, options);
      refused[`${code} ${errno}`] = (refused[`${code} ${errno}`] ?? 0) + 1;
      say(`${JSON.stringify(options)}: ${code} ${errno}; ${damage} pages and fields changed`);
      changed += damage;
    }

    show(await machine.jump(b));
    show(await machine.jump('A'));
    const { kernel } = await machine.run({ ticks: 25_000_000 });
    return { refused, changed, livesOn: kernel, switches: machine.switches };
  },
});

/** A jump that must not succeed: with what it was refused, and how much differs from before. */
async function attempt(machine: Machine, target: Kernel, options: JumpOptions) {
  await using before = await machine.snapshot('before');
  const error = await machine.jump(target, options).catch((refusal: unknown) => refusal);
  if (!(error instanceof KjumpError)) throw new Error('the jump should have been refused');
  await using after = await machine.snapshot('after');
  const { pages, fields } = machine.diff(before, after);
  // Only A knows: its reboot(2) returned the errno.
  const elsewhere = fields.filter(({ record, field }) => !(record === 'kernel A' && field === 'result'));
  return { code: error.code, errno: error.details.errnoName, damage: pages.length + elsewhere.length };
}

// SPDX-License-Identifier: MIT
//
// Switches: the hand-over alone, a whole jump between kernels that stay where they are, and one that exchanges a 15 MiB window
// each way, beside Linux's three copies a page.
import { extname } from 'node:path';
import { createMachine, type Machine, type MachineOptions, type SwitchReport } from '../orchestrator/index.ts';
import { type BenchOptions, check, median, percentile, type Result, result } from './report.ts';
import { wakeBoundUs } from './wake-bound.ts';

const guest = (name: string): URL => new URL(`./guests/${name}${extname(import.meta.url)}`, import.meta.url);

/** Median bare spin hand-over, measured between two threads (a design figure; the reach is 2 µs). */
const SPIN_REACH_US = 2;
const RESIDENT_REACH_US = 30;
const RESIDENT_P99_REACH_US = 250;

export async function switching({ quick }: BenchOptions): Promise<Result[]> {
  const switches = quick ? 2_000 : 20_000;
  const resident = await alternate({}, residentPair, switches);
  const blocked = await alternate({ spins: 0 }, residentPair, quick ? 500 : 5_000);
  const wake = await wakeBoundUs(quick ? 300 : 3_000);
  const window = await alternate({}, windowPair, quick ? 500 : 4_000);
  const copied = await alternate({ relocation: 'copy' }, windowPair, quick ? 20 : 100);
  const handOvers = resident.map((report) => report.handOverUs);
  const totals = resident.map((report) => report.totalUs);
  const windowTotal = median(window.map((report) => report.totalUs));
  const copyTotal = median(copied.map((report) => report.totalUs));
  check(
    window.every((report) => report.pages === 2 * 3840),
    'a 15 MiB window is 3840 pages, out and in',
  );
  check(
    resident.every((report) => report.pages === 0),
    'kernels that do not overlap exchange nothing',
  );
  return [
    result('handover.spin.p50', median(handOvers), 'µs', SPIN_REACH_US, 'reach'),
    result('handover.blocked.p50', median(blocked.map((r) => r.handOverUs)), 'µs', wake, 'bare Atomics.wait/notify'),
    result('switch.resident.p50', median(totals), 'µs', RESIDENT_REACH_US, 'reach'),
    result('switch.resident.p99', percentile(totals, 0.99), 'µs', RESIDENT_P99_REACH_US, 'reach'),
    result('switch.window15m.p50', windowTotal, 'µs', copyTotal, 'three copies a page'),
  ];
}

/** Two kernels that jump to each other in every step; the reports after a warm-up. */
async function alternate(
  options: MachineOptions,
  place: (machine: Machine) => Promise<void>,
  switches: number,
): Promise<SwitchReport[]> {
  await using machine = await createMachine({ memory: '64M', threads: 2, ...options });
  await place(machine);
  const warmUp = Math.ceil(switches / 2);
  await machine.run({ switches: warmUp });
  const reports: SwitchReport[] = [];
  machine.on('switch', (report) => reports.push(report));
  const { reason } = await machine.run({ switches });
  check(reason === 'limit' && reports.length === switches, `${switches} switches, not ${reports.length} (${reason})`);
  check(machine.captures.audit().length === 0, 'every frame is accounted for');
  return reports;
}

/** Two kernels side by side: nothing is exchanged. */
async function residentPair(machine: Machine): Promise<void> {
  await machine.boot(guest('alternate'), { name: 'A', window: ['1M', '2M'] });
  await machine.jump(await machine.load(guest('alternate'), { name: 'B', window: ['2M', '3M'] }));
}

/** Two kernels at one address, 1M to 16M, beside a third that stays out of the way. */
async function windowPair(machine: Machine): Promise<void> {
  await machine.boot(guest('alternate'), { name: 'base' });
  const first = await machine.load(guest('alternate'), { name: 'first' });
  const second = await machine.load(guest('alternate'), { name: 'second' });
  await machine.jump(first);
  await machine.jump(second);
}

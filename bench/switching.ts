// SPDX-License-Identifier: MIT
//
// Switches: the hand-over alone, a whole jump between kernels that stay where they are, and one that exchanges a 15 MiB window
// each way, beside Linux's three copies a page.
import { extname } from 'node:path';
import { createMachine, type Machine, type MachineOptions, type SwitchReport } from '../orchestrator/index.ts';
import { handOverBoundUs } from './hand-over-bound.ts';
import { type BenchOptions, check, median, percentile, type Result, result } from './report.ts';

const guest = (name: string): URL => new URL(`./guests/${name}${extname(import.meta.url)}`, import.meta.url);

const SPIN_REACH_US = 2;
const RESIDENT_REACH_US = 30;
const RESIDENT_P99_REACH_US = 250;
const WINDOW_REACH_US = 150;

export async function switching({ quick }: BenchOptions): Promise<Result[]> {
  const spin = [
    await handOverBoundUs('spin', quick ? 2_000 : 20_000),
    'a bare store, seen by a spinning thread',
  ] as const;
  const resident = await alternate({}, residentPair, quick ? 2_000 : 20_000);
  const wake = [await handOverBoundUs('blocked', quick ? 300 : 3_000), 'bare Atomics.wait/notify'] as const;
  const blocked = await alternate({ spins: 0 }, residentPair, quick ? 500 : 5_000);
  const window = await alternate({}, windowPair, quick ? 500 : 4_000);
  const copied = await alternate({ relocation: 'copy' }, windowPair, quick ? 20 : 100);
  check(
    window.every((report) => report.pages === 2 * 3840),
    'a 15 MiB window is 3840 pages, out and in',
  );
  check(
    resident.every((report) => report.pages === 0),
    'kernels that do not overlap exchange nothing',
  );
  const handOver = (reports: SwitchReport[]) => median(reports.map((report) => report.handOverUs));
  const total = (reports: SwitchReport[], fraction = 0.5) =>
    percentile(
      reports.map((report) => report.totalUs),
      fraction,
    );
  const copies = total(copied);
  return [
    result('handover.spin.p50', handOver(resident), 'µs', spin, SPIN_REACH_US),
    result('handover.blocked.p50', handOver(blocked), 'µs', wake, 2 * wake[0]),
    result('switch.resident.p50', total(resident), 'µs', spin, RESIDENT_REACH_US),
    result('switch.resident.p99', total(resident, 0.99), 'µs', spin, RESIDENT_P99_REACH_US),
    result(
      'switch.window15m.p50',
      total(window),
      'µs',
      [copies, 'three copies a page'],
      Math.min(WINDOW_REACH_US, copies / 50),
    ),
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

// SPDX-License-Identifier: MIT
//
// A SwitchReport as one line: who, how long, how much memory changed places, and the time of every phase on the way down, in
// the hand-over and on the way up. Where the names of all lines take too much room, those of a kind are one: `tasks` are lock,
// tasks and console, `devices` all device phases, `pages` the relocation. `own work` is what machine code did beside that, by itself.
import type { Phase } from '../shared/jump-lines.ts';
import { formatSize, PAGE_SIZE } from '../shared/units.ts';
import type { PhaseEvent, SwitchReport } from './events.ts';

type Names = Readonly<Record<Phase, string>>;

const SHORT: Names = {
  lock: 'lock',
  'prepare-console': 'console',
  'freeze-tasks': 'tasks',
  'suspend-console': 'console',
  devices: 'devices',
  'devices-late': 'late',
  interrupts: 'irqs',
  core: 'core',
  save: 'save',
  relocate: 'pages',
  'own-work': 'own work',
};

const GROUPS: Names = {
  lock: 'tasks',
  'prepare-console': 'tasks',
  'freeze-tasks': 'tasks',
  'suspend-console': 'tasks',
  devices: 'devices',
  'devices-late': 'devices',
  interrupts: 'devices',
  core: 'devices',
  save: 'save',
  relocate: 'pages',
  'own-work': 'own work',
};

export interface TimelineStyle {
  /** Columns that a line may take; default 120. */
  readonly columns?: number;
  readonly bold?: (text: string) => string;
  readonly dim?: (text: string) => string;
}

const asItIs = (text: string): string => text;

/**
 * `A → B  58 µs, 15M  tasks 2 · devices 9 · save 4 · pages 21 ⇢ 2 ⇢ devices 14 · tasks 1`, every number in microseconds. What does
 * not fit gets a second line for the phases. That a kernel jumped by its own code is said.
 */
export function formatSwitch(
  report: SwitchReport,
  { columns = 120, bold = asItIs, dim = asItIs }: TimelineStyle = {},
): string {
  const who = `${report.from} → ${report.to}${report.kind === 'plain' ? ' (for good)' : ''}`;
  const size = report.pages === 0 ? 'no pages' : formatSize(report.pages * PAGE_SIZE);
  const repaired = report.repaired.map((name) => `, ${name.toUpperCase()} repaired`).join('');
  const much = `${rounded(report.totalUs)} µs${isByOwnCode(report) ? ', by its own code' : ''}, ${size}${repaired}`;
  const [long, short] = [phasesOf(report, SHORT), phasesOf(report, GROUPS)];
  const beside = columns - who.length - much.length - 4;
  const fits = [long, short].find((phases) => phases.length <= beside);
  if (fits !== undefined) return `${bold(who)}  ${much}${fits === '' ? '' : `  ${dim(fits)}`}`;
  return `${bold(who)}  ${much}\n  ${dim(long.length <= columns - 2 ? long : short)}`;
}

/** Whom kjump brings down, it brings down from the first line on; and without a way down the host may have brought the other one in. */
function isByOwnCode({ phases, handOverUs }: SwitchReport): boolean {
  return handOverUs > 0 && !phases.some(({ line, direction }) => line === 'lock' && direction === 'down');
}

function phasesOf({ phases, handOverUs }: SwitchReport, names: Names): string {
  if (phases.length === 0) return '';
  const way = (direction: 'down' | 'up'): string =>
    sums(
      phases.filter((phase) => phase.direction === direction),
      names,
    )
      .map(([name, us]) => `${name} ${rounded(us)}`)
      .join(' · ');
  // Without a way down the host brought the kernel in, and nobody handed over.
  const handOver = handOverUs === 0 ? '' : rounded(handOverUs);
  return [way('down'), handOver, way('up')].filter((part) => part !== '').join(' ⇢ ');
}

/** Durations by name, in the order in which the names appear first. */
function sums(phases: readonly PhaseEvent[], names: Names): [string, number][] {
  const sum = new Map<string, number>();
  for (const { line, durationUs } of phases) sum.set(names[line], (sum.get(names[line]) ?? 0) + durationUs);
  return [...sum];
}

/** Microseconds, as whole as they can be read. */
function rounded(us: number): string {
  return us < 0.95 ? us.toFixed(1) : String(Math.round(us));
}

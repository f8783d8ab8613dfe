// SPDX-License-Identifier: MIT
//
// npx tsx test/campaigns/linux-round-trips.ts [trips] [timed trips] [end of B's window in MiB]: Linux A and Linux B jump to each
// other by themselves. Each trip is stopped four times: where A's and B's control page switches paging off, before its first page moves,
// and where it is about to switch it on again, behind the last one. All of A's memory must then be what it was, but for what a jump is
// documented to change (reference §10 case 41): the source pages, where B now is, the swap page, and the stub's stack; and so must be
// what B has in its window. Trips that nobody stops are timed. Prints what it saw as JSON; exit code 1 if anything differs. Needs the
// Linux guest.
import { pathToFileURL } from 'node:url';
import {
  BZIMAGE,
  COMMAND_LINE,
  command,
  jump,
  jumpAway,
  jumpBackEntry,
  loadSecond,
  prompt,
  ROOTFS_WITH_KERNEL,
  requireLinuxGuest,
} from '../../examples/linux-guest.ts';
import {
  createMachine,
  type Kernel,
  type Machine,
  type PhaseEvent,
  type Snapshot,
  type SwitchReport,
} from '../../orchestrator/index.ts';

const PAGE = 4096;
const REENTRY_OFFSET = 0xd7;
const SWAP_PAGE = 0x818;
const LIST_HEAD = 0x81c;
/** From here on the control page is the stub's stack, and below that its data, which it wrote before it switched paging off. */
const STUB_STACK = 0xfc0;
const PG = 0x80000000;

export interface RoundTripsReport {
  readonly ok: boolean;
  readonly trips: number;
  readonly windowMiB: number;
  /** Pages of A that were in another place while B ran. */
  readonly movedPages: number;
  /** What was not what it had been, at most the first few. */
  readonly faults: readonly string[];
  /** Round trips without what the systems do by themselves, in µs: both relocations of each side, and the hand-overs. */
  readonly roundTripUs: { readonly best: number; readonly median: number };
}

/** The image of a kernel that has left by itself, from its control page. */
interface ParkedImage {
  readonly controlPage: number;
  readonly swapPage: number;
  readonly sources: ReadonlySet<number>;
  readonly destinations: number;
}

const wordAt = (memory: Snapshot, physAddr: number): number =>
  new DataView(memory.read(physAddr, 4).buffer).getUint32(0, true);

/** Walks the list of entry words (reference §1.4). */
function imageAt(memory: Snapshot, reentry: number): ParkedImage {
  const control = reentry - REENTRY_OFFSET;
  const sources = new Set<number>();
  let destinations = 0;
  let at = 0;
  for (let word = wordAt(memory, control + LIST_HEAD); (word & 4) === 0; word = wordAt(memory, at), at += 4) {
    if ((word & 1) !== 0) continue;
    if ((word & 2) !== 0) at = word & -PAGE;
    else if ((word & 8) !== 0) {
      sources.add(word >>> 12);
      destinations++;
    }
  }
  const swapPage = wordAt(memory, control + SWAP_PAGE) >>> 12;
  return { controlPage: control >>> 12, swapPage, sources, destinations };
}

class Trips {
  readonly faults: string[] = [];
  movedPages = 0;
  private readonly machine: Machine;
  private readonly signal: AbortSignal;
  private readonly windowEndPage: number;
  /** The last phase of each kind: `A relocate up`. */
  private readonly lastPhase = new Map<string, PhaseEvent>();
  /** Virtual time of a return leg, which does the same each time. */
  private readonly returnTicks = new Map<string, number>();

  constructor(machine: Machine, windowEndMiB: number, signal: AbortSignal) {
    this.machine = machine;
    this.signal = signal;
    this.windowEndPage = windowEndMiB * 256;
    machine.on('phase', (event) => this.lastPhase.set(`${event.kernel} ${event.line} ${event.direction}`, event));
    machine.on('switch', ({ to, tick, phases }) => {
      const isOn = phases.find(({ line, direction }) => line === 'relocate' && direction === 'up');
      if (isOn !== undefined) this.returnTicks.set(to, isOn.tick - tick);
    });
  }

  /** `kexec -e`; gives memory as it is where the control page switches paging off, and stops in the other system's control page. */
  async leave(kernel: Kernel): Promise<Snapshot> {
    const { machine, signal } = this;
    const typed = async (): Promise<void> => kernel.console.type('kexec -e\n');
    await using before = await machine.snapshot('before');
    await typed();
    await machine.run({ switches: 1, signal });
    // Now it is known when that is: once more, up to there.
    const { tick } = this.phase(kernel, 'own-work', 'down');
    await before.restore();
    await typed();
    await machine.run({ ticks: tick - machine.now, signal });
    const off = await machine.snapshot('paging goes off');
    await machine.run({ switches: 1, signal });
    return off;
  }

  /** From the first instruction of its return leg to the last one before paging is on. */
  async comeBack(kernel: Kernel): Promise<Snapshot> {
    const { machine, signal } = this;
    await machine.run({ ticks: this.returnTicks.get(kernel.name), signal });
    const on = await machine.snapshot('paging goes on');
    const paging = [await this.isPaging()];
    await machine.run({ steps: 1, signal });
    paging.push(await this.isPaging());
    if (`${paging}` !== 'false,true') this.fault(`${kernel.name}: paging is ${paging}, and not about to go on`);
    return on;
  }

  /** Compares memory where paging went off with memory where it goes on. */
  compare(trip: number, kernel: Kernel, off: Snapshot, on: Snapshot, reentry: number, isGuest: boolean): void {
    const image = imageAt(off, reentry);
    this.movedPages = Math.max(this.movedPages, image.destinations);
    for (const { physAddr } of this.machine.diff(off, on).pages) {
      const page = physAddr / PAGE;
      // What the guest in the window has of memory is the window.
      const isOthers = isGuest ? page < 256 || page >= this.windowEndPage : image.sources.has(page);
      if (isOthers || page === image.swapPage) continue;
      const at = firstChange(off.page(page), on.page(page), page === image.controlPage ? STUB_STACK : PAGE);
      if (at >= 0) this.fault(`trip ${trip}: ${kernel.name}'s byte at 0x${(physAddr + at).toString(16)} changed`);
    }
  }

  private phase(kernel: Kernel, line: string, direction: string): PhaseEvent {
    const event = this.lastPhase.get(`${kernel.name} ${line} ${direction}`);
    if (event === undefined) throw new Error(`${kernel.name} has no phase ${line} ${direction}`);
    return event;
  }

  private async isPaging(): Promise<boolean> {
    const { cr0 } = (await this.machine.inspect()).cpu;
    return ((cr0 as number) & PG) !== 0;
  }

  fault(what: string): void {
    if (this.faults.length < 20) this.faults.push(what);
  }
}

function firstChange(before: Uint8Array, after: Uint8Array, end: number): number {
  for (let i = 0; i < end; i++) if (before[i] !== after[i]) return i;
  return -1;
}

/** Goes there and back `trips` times with a look at all of memory, and `timed` times without. */
export async function linuxRoundTrips(
  trips: number,
  { timed = 1, windowEndMiB = 32, signal = new AbortController().signal } = {},
): Promise<RoundTripsReport> {
  requireLinuxGuest();
  await using machine = await createMachine({ memory: '128M' });
  const a = await machine.boot(BZIMAGE, {
    name: 'A',
    initrd: ROOTFS_WITH_KERNEL,
    append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=127M@1M`,
  });
  await prompt(a, signal);
  await command(a, 'seq 20000 > /tmp/data', signal);
  const data = await command(a, 'md5sum /tmp/data', signal);
  await loadSecond(a, windowEndMiB, signal);
  const b = await jumpAway(machine, signal);
  await prompt(b, signal);
  await command(b, `kexec --load-jump-back-helper --entry=${await jumpBackEntry(b, signal)}`, signal);
  const course = new Trips(machine, windowEndMiB, signal);
  await jump(b, a, signal);

  // One at least, on which it is seen how long a return leg is.
  const roundTrips = await timedTrips(machine, a, b, Math.max(1, timed), signal);
  /** Where B's paging went off the last time. */
  let offOfB: { memory: Snapshot; reentry: number } | null = null;
  for (let trip = 1; trip <= trips; trip++) {
    const offA = await course.leave(a);
    const reentryA = await reentryOf(machine, a);
    const onB = await course.comeBack(b);
    if (offOfB !== null) course.compare(trip, b, offOfB.memory, onB, offOfB.reentry, true);
    await Promise.all([offOfB?.memory.release(), onB.release()]);
    await prompt(b, signal);
    const visits = await command(b, 'n=$((n+1)); echo $n', signal);

    const offB = await course.leave(b);
    offOfB = { memory: offB, reentry: await reentryOf(machine, b) };
    const onA = await course.comeBack(a);
    course.compare(trip, a, offA, onA, reentryA, false);
    await Promise.all([offA.release(), onA.release()]);
    await prompt(a, signal);
    const counted = [visits, await command(a, 'n=$((n+1)); echo $n', signal)];
    if (counted.some((count) => count !== String(trip))) course.fault(`trip ${trip}: the shells count ${counted}`);
  }
  if ((await command(a, 'md5sum /tmp/data', signal)) !== data) course.fault("A's file is not what it was");
  await offOfB?.memory.release();
  const { faults, movedPages } = course;
  const windowMiB = windowEndMiB - 1;
  return { ok: faults.length === 0, trips, windowMiB, movedPages, faults, roundTripUs: bestAndMedian(roundTrips) };
}

async function reentryOf(machine: Machine, kernel: Kernel): Promise<number> {
  const { kernels } = await machine.inspect();
  return kernels.find(({ name }) => name === kernel.name)?.reentry ?? 0;
}

async function timedTrips(
  machine: Machine,
  a: Kernel,
  b: Kernel,
  trips: number,
  signal: AbortSignal,
): Promise<number[]> {
  let sum = 0;
  const add = ({ phases, totalUs }: SwitchReport): void => {
    sum += phases.reduce((us, { line, durationUs }) => (line === 'own-work' ? us - durationUs : us), totalUs);
  };
  machine.on('switch', add);
  const us: number[] = [];
  for (let trip = 0; trip < trips; trip++) {
    sum = 0;
    await jump(a, b, signal);
    await jump(b, a, signal);
    us.push(sum);
  }
  machine.off('switch', add);
  return us;
}

function bestAndMedian(us: readonly number[]): { best: number; median: number } {
  const sorted = [...us].sort((x, y) => x - y);
  return { best: Math.round(sorted[0] ?? 0), median: Math.round(sorted[sorted.length >>> 1] ?? 0) };
}

async function main(): Promise<void> {
  const [trips = 1000, timed = 100, windowEndMiB = 32] = process.argv.slice(2).map(Number);
  const started = performance.now();
  const report = await linuxRoundTrips(trips, { timed, windowEndMiB });
  console.log(JSON.stringify({ ...report, seconds: Math.round((performance.now() - started) / 1000) }));
  process.exitCode = report.ok ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main().catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
}

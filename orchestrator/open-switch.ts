// SPDX-License-Identifier: MIT
//
// Puts the records of one switch together: the lines on its way down, the hand-over, the newcomer's first act, the lines on its way
// up. Who climbs kjump's lines is done with the last of them. Machine code that comes back by itself is done when nothing is left of
// what its first record says is ahead of it; it may never get there, and then the next record that is not its own ends the switch.
import { Direction, LINE, OWN_WORK_INDEX, REPAIRS, WAY_BACK_PAGES } from '../shared/jump-lines.ts';
import type { TraceRecord } from '../shared/trace-ring.ts';
import type { PhaseEvent, SwitchReport } from './events.ts';

export class OpenSwitch {
  private readonly phases: PhaseEvent[] = [];
  private startWall = 0;
  private endWall = 0;
  private handedOver: TraceRecord | null = null;
  private woken: TraceRecord | null = null;
  /** Bits of the newcomer's way back that are ahead of it. */
  private ahead = 0;
  private pages = 0;

  /** True once somebody else has the machine: whatever comes down from here on belongs to another switch. */
  get isHandedOver(): boolean {
    return this.handedOver !== null;
  }

  /** A line was done. True if it was the last one of the switch. */
  phase(record: TraceRecord, event: PhaseEvent): boolean {
    if (record.b === Direction.up && this.woken === null) return false;
    if (this.phases.length === 0 && this.handedOver === null) this.startWall = record.wall - record.duration;
    this.phases.push(event);
    this.endWall = record.wall;
    if (record.b !== Direction.up) return false;
    this.pages += record.d;
    if (record.a === LINE.relocate) this.ahead &= ~WAY_BACK_PAGES;
    if (record.a === LINE.relocate) return this.ahead === 0;
    return record.a === LINE.lock || record.a === OWN_WORK_INDEX;
  }

  handOver(record: TraceRecord): void {
    this.handedOver = record;
    this.pages = record.c;
    // One that left without a line: the switch begins here.
    if (this.phases.length === 0) this.startWall = record.wall;
  }

  /** The newcomer runs. True if there are no lines that it climbs. */
  wake(record: TraceRecord): boolean {
    this.woken = record;
    this.endWall = record.wall;
    this.ahead = record.c;
    return this.handedOver !== null && record.a === 1 && record.c === 0;
  }

  /** Null if it did not come to a switch. */
  report(nameOf: (slot: number) => string): SwitchReport | null {
    const { handedOver, woken, phases, pages, startWall, endWall } = this;
    if (handedOver === null || woken === null) return null;
    // When the host brought the newcomer in, nobody handed over and the way up is all there is.
    const fromHost = handedOver.wall === 0;
    return {
      from: nameOf(handedOver.a),
      to: nameOf(handedOver.b),
      kind: handedOver.d === 1 ? 'plain' : 'preserve',
      pages,
      tick: handedOver.tick,
      phases,
      repaired: REPAIRS.filter((_, bit) => (woken.b & (1 << bit)) !== 0),
      handOverUs: fromHost ? 0 : woken.wall - handedOver.wall,
      totalUs: endWall - (fromHost ? woken.wall : startWall),
    };
  }
}

// SPDX-License-Identifier: MIT
// The two 8259A of a PC/AT: master at 0x20, slave at 0xA0 on the master's IR2, edge/level control at 0x4D0. Their INT
// output is the CPU's INTR pin. A core (syscore) device, as Linux's arch/x86/kernel/i8259.c: suspended last, with
// interrupts off. Bytes in shared/layout/pic-state.ts.
import { Errno } from '../../shared/errno.ts';
import { PIC_MASTER, PIC_SLAVE } from '../../shared/layout/pic-state.ts';
import type { Bus } from '../bus.ts';
import type { Device, PmCallbacks } from './device.ts';
import { PicChip } from './pic-chip.ts';

const CASCADE_LEVEL = 2;
const MASTER_PORT = 0x20;
const SLAVE_PORT = 0xa0;
const ELCR_PORT = 0x4d0;
/** IRQ 0, 1 and 2 of the master, 8 and 13 of the slave cannot be made level triggered. */
const MASTER_ELCR_MASK = 0xf8;
const SLAVE_ELCR_MASK = 0xde;

export class Pic implements Device {
  readonly name = 'pic';
  readonly parent = null;
  readonly pm: PmCallbacks = {
    suspendSyscore: () => this.suspend(),
    resumeSyscore: () => this.resume(),
    inherit: () => {
      this.master.forgetMask();
      this.slave.forgetMask();
      this.evaluate();
    },
  };
  private readonly master: PicChip;
  private readonly slave: PicChip;

  constructor({ view, base }: { view: DataView; base: number }) {
    this.master = new PicChip(view, base + PIC_MASTER, MASTER_ELCR_MASK);
    this.slave = new PicChip(view, base + PIC_SLAVE, SLAVE_ELCR_MASK);
  }

  attach(bus: Bus): void {
    for (const [chip, port] of [
      [this.master, MASTER_PORT],
      [this.slave, SLAVE_PORT],
    ] as const) {
      bus.claimPorts(this.name, port, port + 1, {
        read8: (at) => this.afterwards(chip.read(at & 1)),
        write8: (at, value) => this.afterwards(chip.write(at & 1, value)),
      });
    }
    bus.claimPorts(this.name, ELCR_PORT, ELCR_PORT + 1, {
      read8: (at) => this.elcrChip(at).readELCR(),
      write8: (at, value) => this.afterwards(this.elcrChip(at).writeELCR(value)),
    });
  }

  reset(): void {
    this.master.reset();
    this.slave.reset();
  }

  /** Drives interrupt request line `irq` (0-15, not 2). */
  setLine(irq: number, level: boolean): void {
    if (irq < 8) this.master.setLine(irq, level);
    else this.slave.setLine(irq - 8, level);
    this.evaluate();
  }

  /** Level of the INTR pin: some interrupt waits for the CPU. */
  intr(): boolean {
    return this.master.output;
  }

  /** The CPU's INTA cycles: the vector. IRQ 7's or 15's, with nothing in service there, if the request has gone. */
  acknowledge(): number {
    const level = this.master.acknowledge();
    let vector = this.master.vectorBase | level;
    if (level === CASCADE_LEVEL && this.master.slaves & (1 << CASCADE_LEVEL)) {
      vector = this.slave.vectorBase | this.slave.acknowledge();
      // INT falls in the INTA sequence; a request that still waits makes the master a new edge.
      this.master.setLine(CASCADE_LEVEL, false);
    }
    this.evaluate();
    return vector;
  }

  deadlineTick(): number {
    return Number.POSITIVE_INFINITY;
  }

  onDeadline(): void {}

  busyReason(): null {
    return null;
  }

  private elcrChip(port: number): PicChip {
    return port & 1 ? this.slave : this.master;
  }

  private evaluate(): void {
    this.master.setLine(CASCADE_LEVEL, this.slave.evaluate());
    this.master.evaluate();
  }

  private afterwards<T>(result: T): T {
    this.evaluate();
    return result;
  }

  /**
   * Nothing reaches the CPU from here on. The slave's INT stays as it is, although masked: falling now and rising at the
   * resume it would ask a second time for what the master already has in service.
   */
  private suspend(): Errno {
    this.master.saveMask();
    this.slave.saveMask();
    this.master.output = false;
    return Errno.OK;
  }

  private resume(): Errno {
    this.master.restoreMask();
    this.slave.restoreMask();
    this.evaluate();
    return Errno.OK;
  }
}

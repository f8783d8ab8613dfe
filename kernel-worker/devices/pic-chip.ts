// SPDX-License-Identifier: MIT
// One 8259A (Intel data sheet 231468) over its slice of the 'pic' record: request latches, priority resolver, the command
// words, poll. It knows no other chip: pic.ts wires the slave's INT to the master's IR2.
import { PIC_CHIP } from '../../shared/layout/pic-state.ts';

const { IRR, ISR, IMR, ICW1, ICW2, ICW3, ICW4, ELCR, LINES, INT, NEXT_ICW } = PIC_CHIP;
const { LOWEST_PRIORITY, READ_ISR, POLL, SPECIAL_MASK, ROTATE_IN_AEOI, SAVED_IMR, SAVED } = PIC_CHIP;

const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1_LTIM = 0x08;
const ICW1_D4 = 0x10;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW2_EOI = 0x20;
const OCW2_SL = 0x40;
const OCW2_R = 0x80;
const OCW3_D3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_P = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;

const NO_LEVEL = -1;
const SPURIOUS_LEVEL = 7;

export class PicChip {
  private readonly view: DataView;
  private readonly base: number;
  /** ELCR bits that exist: the timer, keyboard, cascade, clock and coprocessor inputs are always edge triggered. */
  private readonly elcrMask: number;

  constructor(view: DataView, base: number, elcrMask: number) {
    this.view = view;
    this.base = base;
    this.elcrMask = elcrMask;
  }

  /** As a chip that nobody has initialized: fully nested, everything masked. */
  reset(): void {
    for (let offset = 0; offset <= SAVED; offset++) this.set(offset, 0);
    this.set(IMR, 0xff);
    this.set(LOWEST_PRIORITY, 7);
  }

  get output(): boolean {
    return this.get(INT) !== 0;
  }

  set output(level: boolean) {
    this.set(INT, level ? 1 : 0);
  }

  get vectorBase(): number {
    return this.get(ICW2) & 0xf8;
  }

  /** Inputs that a slave's INT is wired to, as ICW3 of a master says; none in single mode. */
  get slaves(): number {
    return this.get(ICW1) & ICW1_SNGL ? 0 : this.get(ICW3);
  }

  /**
   * An input changes. Edge triggered, a rise latches the request and a fall before the acknowledge takes it back: the data
   * sheet wants the input high until INTA, or else the default IR7 follows. Level triggered, the request is the level.
   */
  setLine(level: number, high: boolean): void {
    const bit = 1 << level;
    const lines = this.get(LINES);
    if (((lines & bit) !== 0) === high) return;
    this.set(LINES, lines ^ bit);
    this.set(IRR, high ? this.get(IRR) | bit : this.get(IRR) & ~bit);
  }

  /** Works INT out again from the registers; true if it is high. */
  evaluate(): boolean {
    this.output = this.pendingLevel() !== NO_LEVEL;
    return this.output;
  }

  /** The INTA sequence: puts the highest request in service and returns its level; 7, with nothing in service, if none. */
  acknowledge(): number {
    const level = this.pendingLevel();
    if (level === NO_LEVEL) return SPURIOUS_LEVEL;
    const bit = 1 << level;
    if (!(this.levelTriggered() & bit)) this.set(IRR, this.get(IRR) & ~bit);
    if (!(this.get(ICW4) & ICW4_AEOI)) this.set(ISR, this.get(ISR) | bit);
    else if (this.get(ROTATE_IN_AEOI)) this.set(LOWEST_PRIORITY, level);
    return level;
  }

  read(a0: number): number {
    if (this.get(POLL)) {
      this.set(POLL, 0);
      return this.pendingLevel() === NO_LEVEL ? 0 : 0x80 | this.acknowledge();
    }
    if (a0) return this.get(IMR);
    return this.get(this.get(READ_ISR) ? ISR : IRR);
  }

  write(a0: number, value: number): void {
    if (a0) this.writeA0High(value);
    else if (value & ICW1_D4) this.initialize(value);
    else if (value & OCW3_D3) this.writeOCW3(value);
    else this.writeOCW2(value);
  }

  readELCR(): number {
    return this.get(ELCR);
  }

  writeELCR(value: number): void {
    this.set(ELCR, value & this.elcrMask);
    this.followLevels();
  }

  /** Masks every input, without a change of INT: what INT drives belongs to the way down (pic.ts). */
  saveMask(): void {
    this.set(SAVED_IMR, this.get(IMR));
    this.set(SAVED, 1);
    this.set(IMR, 0xff);
  }

  restoreMask(): void {
    if (!this.get(SAVED)) return;
    this.set(IMR, this.get(SAVED_IMR));
    this.forgetMask();
  }

  forgetMask(): void {
    this.set(SAVED_IMR, 0);
    this.set(SAVED, 0);
  }

  /** The unmasked request that may interrupt now: walk from the highest priority down to what is in service. */
  private pendingLevel(): number {
    const requests = this.get(IRR) & ~this.get(IMR);
    if (requests === 0) return NO_LEVEL;
    const inService = this.get(SPECIAL_MASK) ? this.get(ISR) & ~this.get(IMR) : this.get(ISR);
    // Special fully nested mode: a slave in service does not lock out higher requests of the same slave.
    const reentrant = this.get(ICW4) & ICW4_SFNM ? this.slaves : 0;
    const highest = this.get(LOWEST_PRIORITY) + 1;
    for (let priority = 0; priority < 8; priority++) {
      const level = (highest + priority) & 7;
      const bit = 1 << level;
      if (inService & bit) return reentrant & requests & bit ? level : NO_LEVEL;
      if (requests & bit) return level;
    }
    return NO_LEVEL;
  }

  private levelTriggered(): number {
    return this.get(ICW1) & ICW1_LTIM ? 0xff : this.get(ELCR);
  }

  /** Inputs that are level triggered now request what their level says. */
  private followLevels(): void {
    const byLevel = this.levelTriggered();
    this.set(IRR, (this.get(IRR) & ~byLevel) | (this.get(LINES) & byLevel));
  }

  /** ICW1 resets the edge sense circuit, so that an input must rise again; IMR; IR7 gets the lowest priority. */
  private initialize(icw1: number): void {
    this.set(ICW1, icw1);
    this.set(IRR, 0);
    this.set(ISR, 0);
    this.set(IMR, 0);
    this.set(LOWEST_PRIORITY, 7);
    this.set(READ_ISR, 0);
    this.set(POLL, 0);
    this.set(SPECIAL_MASK, 0);
    this.set(ROTATE_IN_AEOI, 0);
    if (!(icw1 & ICW1_IC4)) this.set(ICW4, 0);
    this.set(NEXT_ICW, 2);
    this.followLevels();
  }

  private writeA0High(value: number): void {
    const icw1 = this.get(ICW1);
    switch (this.get(NEXT_ICW)) {
      case 2:
        this.set(ICW2, value);
        this.set(NEXT_ICW, icw1 & ICW1_SNGL ? (icw1 & ICW1_IC4 ? 4 : 0) : 3);
        break;
      case 3:
        this.set(ICW3, value);
        this.set(NEXT_ICW, icw1 & ICW1_IC4 ? 4 : 0);
        break;
      case 4:
        this.set(ICW4, value & 0x1f);
        this.set(NEXT_ICW, 0);
        break;
      default:
        this.set(IMR, value);
    }
  }

  private writeOCW2(value: number): void {
    const rotate = (value & OCW2_R) !== 0;
    if (value & OCW2_EOI) {
      const level = value & OCW2_SL ? value & 7 : this.highestInService();
      if (level === NO_LEVEL) return;
      this.set(ISR, this.get(ISR) & ~(1 << level));
      if (rotate) this.set(LOWEST_PRIORITY, level);
    } else if (!(value & OCW2_SL)) this.set(ROTATE_IN_AEOI, rotate ? 1 : 0);
    else if (rotate) this.set(LOWEST_PRIORITY, value & 7);
  }

  private writeOCW3(value: number): void {
    if (value & OCW3_ESMM) this.set(SPECIAL_MASK, value & OCW3_SMM ? 1 : 0);
    if (value & OCW3_P) this.set(POLL, 1);
    else if (value & OCW3_RR) this.set(READ_ISR, value & OCW3_RIS);
  }

  /** What a non-specific EOI ends; in special mask mode not a level that is masked. */
  private highestInService(): number {
    const inService = this.get(SPECIAL_MASK) ? this.get(ISR) & ~this.get(IMR) : this.get(ISR);
    const highest = this.get(LOWEST_PRIORITY) + 1;
    for (let priority = 0; priority < 8; priority++) {
      const level = (highest + priority) & 7;
      if (inService & (1 << level)) return level;
    }
    return NO_LEVEL;
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}

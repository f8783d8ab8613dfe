// SPDX-License-Identifier: MIT
// Device 0 of an ATA channel: when it is busy, when it wants data, when it interrupts (ATA/ATAPI-5 PIO protocols
// §9.4-9.6). A command is BSY until its deadline and does its work there; the buffer holds one sector, and within a block
// of READ/WRITE MULTIPLE the next follows at once. Bytes in shared/layout/ata-state.ts; the sectors themselves are in the
// SectorStore, and with no store there is no disk. Ports, SRST and nIEN belong to ide.ts.
import { Errno } from '../../shared/errno.ts';
import { assert } from '../../shared/errors.ts';
import { ATA_PHASE, DISK, DISK_STATE, SECTOR_BYTES } from '../../shared/layout/ata-state.ts';
import {
  ERROR_ABRT,
  ERROR_IDNF,
  ERROR_UNC,
  EXECUTE_DEVICE_DIAGNOSTIC,
  executeNonData,
  flushCache,
  IDENTIFY_DEVICE,
  READ_MULTIPLE,
  usesMedium,
  WRITE_MULTIPLE,
} from './ata-commands.ts';
import { writeIdentify } from './ata-identify.ts';
import { AtaTaskFile } from './ata-task-file.ts';
import type { Clock, Device, DeviceParts, PmCallbacks } from './device.ts';
import type { SectorStore } from './sector-store.ts';

const NEVER = Number.POSITIVE_INFINITY;
/** A sector or block from the medium or to it. */
const MEDIUM_TICKS = 100_000;
/** Commands without the medium, and the first DRQ of a write. */
const SETUP_TICKS = 4000;
const RESET_TICKS = 2_000_000;

const STATUS_ERR = 0x01;
const STATUS_DRQ = 0x08;
const STATUS_READY = 0x50; // DRDY, DSC
const STATUS_BSY = 0x80;
const STATUS_REGISTER = 7;
const DEVICE_REGISTER = 6;

const NO_STORE: SectorStore = { sectors: 0, read: () => Errno.EIO, write: () => Errno.EIO, flush: () => Errno.OK };

export class Disk implements Device {
  readonly name: 'disk0' | 'disk1';
  readonly parent: 'ide0' | 'ide1';
  readonly pm: PmCallbacks = {
    async: true,
    freeze: () => this.freeze(),
    shutdown: () => this.shutdown(),
  };
  /** False: the place of device 0 is empty, and nobody answers. */
  readonly present: boolean;
  private readonly view: DataView;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly store: SectorStore;
  private interruptChanged: () => void = () => {};
  private readonly registers: AtaTaskFile;
  private readonly buffer: Uint8Array;

  /** `store` null for an empty place. */
  constructor(name: 'disk0' | 'disk1', parts: DeviceParts & { readonly store: SectorStore | null }) {
    this.name = name;
    this.parent = name === 'disk0' ? 'ide0' : 'ide1';
    this.view = parts.view;
    this.base = parts.base;
    this.clock = parts.clock;
    this.store = parts.store ?? NO_STORE;
    this.present = parts.store !== null;
    this.registers = new AtaTaskFile(parts.view, parts.base, this.store);
    this.buffer = new Uint8Array(parts.view.buffer, parts.view.byteOffset + parts.base + DISK.BUFFER, SECTOR_BYTES);
  }

  /** Wires INTRQ: `interruptChanged` is called whenever `interruptPending` may have changed. */
  connect(interruptChanged: () => void): void {
    this.interruptChanged = interruptChanged;
  }

  reset(): void {
    for (let offset = 0; offset < DISK_STATE.bytes; offset++) this.set(offset, 0);
    this.setDeadline(NEVER);
    this.registers.reset();
    this.becomeIdle();
  }

  deadlineTick(): number {
    return this.view.getFloat64(this.base + DISK.DEADLINE, true);
  }

  onDeadline(nowTick: number): void {
    if (this.deadlineTick() > nowTick) return;
    this.setDeadline(NEVER);
    switch (this.get(DISK.PHASE)) {
      case ATA_PHASE.EXECUTE:
        this.execute(this.get(DISK.COMMAND));
        break;
      case ATA_PHASE.FETCH:
        this.fetchBlock();
        break;
      case ATA_PHASE.STORE:
        this.finishBlock();
        break;
      case ATA_PHASE.RESET:
        this.registers.writeSignature();
        this.becomeIdle();
        break;
      default:
        assert(false, `${this.name}: a deadline in phase ${this.get(DISK.PHASE)}`);
    }
  }

  busyReason(): string | null {
    if (this.deadlineTick() === NEVER) return null;
    return `command 0x${this.get(DISK.COMMAND).toString(16)} is in flight`;
  }

  /** Level of INTRQ, as far as the device decides it; released while device 1 is selected. */
  get interruptPending(): boolean {
    return this.get(DISK.INTRQ) !== 0 && !this.registers.deviceOneSelected;
  }

  /** Register 1-7 of the command block. Device 0 answers for the absent device 1, with a status of 0 (§9.16.1). */
  readRegister(register: number): number {
    this.onDeadline(this.clock.nowTick());
    if (register !== STATUS_REGISTER) return this.registers.readRegister(register);
    const status = this.readStatus();
    if (!this.registers.deviceOneSelected) this.setInterrupt(false);
    return status;
  }

  /** The status without acknowledging the interrupt: the alternate status register. */
  readStatus(): number {
    this.onDeadline(this.clock.nowTick());
    return this.registers.deviceOneSelected ? 0 : this.get(DISK.STATUS);
  }

  /** Register 1-7; ignored during BSY and DRQ, as the host must not write then (§9.1). */
  writeRegister(register: number, value: number): void {
    this.onDeadline(this.clock.nowTick());
    if (this.get(DISK.STATUS) & (STATUS_BSY | STATUS_DRQ)) return;
    if (register === STATUS_REGISTER) this.begin(value);
    else this.registers.writeRegister(register, value);
    if (register === DEVICE_REGISTER) this.interruptChanged();
  }

  readData16(): number {
    this.onDeadline(this.clock.nowTick());
    if (this.get(DISK.PHASE) !== ATA_PHASE.DATA_IN) return 0xffff;
    const position = this.view.getUint16(this.base + DISK.POSITION, true);
    const value = this.view.getUint16(this.base + DISK.BUFFER + position, true);
    if (this.movePosition(position)) this.sectorTaken();
    return value;
  }

  writeData16(value: number): void {
    this.onDeadline(this.clock.nowTick());
    if (this.get(DISK.PHASE) !== ATA_PHASE.DATA_OUT) return;
    const position = this.view.getUint16(this.base + DISK.POSITION, true);
    this.view.setUint16(this.base + DISK.BUFFER + position, value, true);
    if (this.movePosition(position)) this.sectorGiven();
  }

  /** SRST rises: whatever was going on is over. BSY until some time after it falls. */
  assertReset(): void {
    this.set(DISK.STATUS, STATUS_BSY);
    this.set(DISK.PHASE, ATA_PHASE.RESET);
    this.setDeadline(NEVER);
    this.setInterrupt(false);
  }

  releaseReset(): void {
    this.setDeadline(this.clock.nowTick() + RESET_TICKS);
  }

  private begin(command: number): void {
    // Only EXECUTE DEVICE DIAGNOSTIC is for both devices, whichever is selected.
    if (this.registers.deviceOneSelected && command !== EXECUTE_DEVICE_DIAGNOSTIC) return;
    this.set(DISK.COMMAND, command);
    this.set(DISK.ERROR, 0);
    this.setInterrupt(false);
    this.becomeBusy(ATA_PHASE.EXECUTE, usesMedium(command) ? MEDIUM_TICKS : SETUP_TICKS);
  }

  private execute(command: number): void {
    switch (command) {
      case 0x20: // READ SECTOR(S), with and without retries
      case 0x21:
      case READ_MULTIPLE:
        if (this.beginTransfer(command)) this.fetchBlock();
        break;
      case 0x30: // WRITE SECTOR(S)
      case 0x31:
      case WRITE_MULTIPLE:
        // The first block is asked for by DRQ alone, the others by INTRQ too (§9.6).
        if (this.beginTransfer(command)) this.askForBlock();
        break;
      case 0x40: // READ VERIFY SECTOR(S)
      case 0x41:
        if (this.beginTransfer(command)) this.verify();
        break;
      case IDENTIFY_DEVICE:
        this.identify();
        break;
      case EXECUTE_DEVICE_DIAGNOSTIC:
        this.registers.writeSignature();
        this.succeed();
        break;
      default:
        this.finish(executeNonData(command, this.registers, this.store));
    }
  }

  /** False if the command has failed already. */
  private beginTransfer(command: number): boolean {
    const needsMultiple = command === READ_MULTIPLE || command === WRITE_MULTIPLE;
    if (needsMultiple && this.get(DISK.MULTIPLE) === 0) return this.fail(ERROR_ABRT);
    return this.registers.beginTransfer() || this.fail(ERROR_IDNF);
  }

  private beginBlock(): void {
    const command = this.get(DISK.COMMAND);
    const whole = command === READ_MULTIPLE || command === WRITE_MULTIPLE ? this.get(DISK.MULTIPLE) : 1;
    this.set(DISK.BLOCK_LEFT, Math.min(whole, this.registers.remaining));
  }

  /** PIO data-in: a block is ready, DRQ and INTRQ (§9.5). */
  private fetchBlock(): void {
    this.beginBlock();
    if (!this.fetchSector()) return;
    this.offerData(ATA_PHASE.DATA_IN);
    this.setInterrupt(true);
  }

  private fetchSector(): boolean {
    const { lba, sectors } = this.registers;
    if (lba >= sectors) return this.fail(ERROR_IDNF);
    return this.store.read(lba, this.buffer) === Errno.OK || this.fail(ERROR_UNC);
  }

  private sectorTaken(): void {
    if (this.get(DISK.COMMAND) === IDENTIFY_DEVICE || this.registers.countSector()) this.becomeIdle();
    else if (this.get(DISK.BLOCK_LEFT) === 0) this.becomeBusy(ATA_PHASE.FETCH, MEDIUM_TICKS);
    else if (this.fetchSector()) this.offerData(ATA_PHASE.DATA_IN);
  }

  private askForBlock(): void {
    this.beginBlock();
    this.offerData(ATA_PHASE.DATA_OUT);
  }

  private sectorGiven(): void {
    if (this.get(DISK.BLOCK_LEFT) === 1) this.becomeBusy(ATA_PHASE.STORE, MEDIUM_TICKS);
    else if (this.storeSector()) {
      this.registers.countSector();
      this.offerData(ATA_PHASE.DATA_OUT);
    }
  }

  /** The last sector of a block reaches the store: INTRQ, and DRQ if there is a next block. */
  private finishBlock(): void {
    if (!this.storeSector()) return;
    if (!this.registers.countSector()) {
      this.askForBlock();
      this.setInterrupt(true);
    } else if (this.get(DISK.WRITE_CACHE)) this.succeed();
    else this.finish(flushCache(this.registers, this.store));
  }

  private storeSector(): boolean {
    const { lba, sectors } = this.registers;
    if (lba >= sectors) return this.fail(ERROR_IDNF);
    if (this.store.write(lba, this.buffer) !== Errno.OK) return this.fail(ERROR_ABRT);
    this.set(DISK.UNFLUSHED, 1);
    return true;
  }

  private verify(): void {
    do {
      if (!this.fetchSector()) return;
    } while (!this.registers.countSector());
    this.succeed();
  }

  private identify(): void {
    writeIdentify(this.buffer, {
      sectors: this.store.sectors,
      heads: this.get(DISK.HEADS),
      sectorsPerTrack: this.get(DISK.SECTORS_PER_TRACK),
      multiple: this.get(DISK.MULTIPLE),
      writeCache: this.get(DISK.WRITE_CACHE) !== 0,
    });
    this.offerData(ATA_PHASE.DATA_IN);
    this.setInterrupt(true);
  }

  private offerData(phase: typeof ATA_PHASE.DATA_IN | typeof ATA_PHASE.DATA_OUT): void {
    this.view.setUint16(this.base + DISK.POSITION, 0, true);
    this.set(DISK.PHASE, phase);
    this.set(DISK.STATUS, STATUS_READY | STATUS_DRQ);
  }

  /** True once the whole sector has gone through the data port. */
  private movePosition(position: number): boolean {
    this.view.setUint16(this.base + DISK.POSITION, position + 2, true);
    return position + 2 === SECTOR_BYTES;
  }

  private becomeBusy(phase: number, ticks: number): void {
    this.set(DISK.PHASE, phase);
    this.set(DISK.STATUS, STATUS_BSY | STATUS_READY);
    this.setDeadline(this.clock.nowTick() + ticks);
  }

  private becomeIdle(): void {
    this.set(DISK.PHASE, ATA_PHASE.IDLE);
    this.set(DISK.STATUS, STATUS_READY);
  }

  /** Ends a command with what belongs in the ERROR register. */
  private finish(error: number): void {
    if (error) this.fail(error);
    else this.succeed();
  }

  private succeed(): void {
    this.becomeIdle();
    this.setInterrupt(true);
  }

  /** Ends the command with ERR; always false, for the caller to hand on. */
  private fail(error: number): false {
    this.becomeIdle();
    this.set(DISK.STATUS, STATUS_READY | STATUS_ERR);
    this.set(DISK.ERROR, error);
    this.setInterrupt(true);
    return false;
  }

  private setInterrupt(pending: boolean): void {
    this.set(DISK.INTRQ, pending ? 1 : 0);
    this.interruptChanged();
  }

  /**
   * A command in flight is completed now, as a driver drains its queue; a transfer in the middle of its data stays there,
   * for it is all in the bytes. What the guest wrote becomes durable (as sd_suspend syncs the cache), but `unflushed`
   * stays: only the guest's own FLUSH CACHE clears it, so that the way back finds the bytes as they were.
   */
  private freeze(): Errno {
    while (this.deadlineTick() !== NEVER) this.onDeadline(this.deadlineTick());
    if (!this.get(DISK.UNFLUSHED)) return Errno.OK;
    return this.store.flush() === Errno.OK ? Errno.OK : Errno.EIO;
  }

  private shutdown(): void {
    if (this.get(DISK.UNFLUSHED)) this.store.flush();
  }

  private setDeadline(tick: number): void {
    this.view.setFloat64(this.base + DISK.DEADLINE, tick, true);
  }

  private get(offset: number): number {
    return this.view.getUint8(this.base + offset);
  }

  private set(offset: number, value: number): void {
    this.view.setUint8(this.base + offset, value);
  }
}

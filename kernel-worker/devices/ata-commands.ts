// SPDX-License-Identifier: MIT
// The ATA commands that move no data through the data port (ATA/ATAPI-5 §8, non-data protocol §9.4). Each acts on the
// registers and answers with the ERROR register: 0 for success. An unknown command is ABRT, as the standard wants.
import { Errno } from '../../shared/errno.ts';
import { DISK } from '../../shared/layout/ata-state.ts';
import { MAX_MULTIPLE } from './ata-identify.ts';
import type { AtaTaskFile } from './ata-task-file.ts';
import type { SectorStore } from './sector-store.ts';

export const READ_MULTIPLE = 0xc4;
export const WRITE_MULTIPLE = 0xc5;
export const IDENTIFY_DEVICE = 0xec;
export const EXECUTE_DEVICE_DIAGNOSTIC = 0x90;
const FLUSH_CACHE = 0xe7;

/** Bits of the ERROR register. */
export const ERROR_ABRT = 0x04;
export const ERROR_IDNF = 0x10;
export const ERROR_UNC = 0x40;
const SUCCESS = 0;
const POWER_MODE_ACTIVE = 0xff;

/** Commands whose first step waits for the medium: READ SECTOR(S), READ VERIFY, READ MULTIPLE, FLUSH CACHE. */
export function usesMedium(command: number): boolean {
  const read = (command & 0xfe) === 0x20 || (command & 0xfe) === 0x40;
  return read || command === READ_MULTIPLE || command === FLUSH_CACHE;
}

export function executeNonData(command: number, registers: AtaTaskFile, store: SectorStore): number {
  switch (command) {
    case 0x91: // INITIALIZE DEVICE PARAMETERS
      if (registers.get(DISK.SECTOR_COUNT) === 0) return ERROR_ABRT;
      registers.setTranslationFromRegisters();
      return SUCCESS;
    case 0xc6: // SET MULTIPLE MODE
      return setMultiple(registers);
    case 0xe5: // CHECK POWER MODE
      registers.set(DISK.SECTOR_COUNT, POWER_MODE_ACTIVE);
      return SUCCESS;
    case 0xe0: // STANDBY IMMEDIATE, IDLE IMMEDIATE, STANDBY, IDLE: no motor to stop
    case 0xe1:
    case 0xe2:
    case 0xe3:
      return SUCCESS;
    case FLUSH_CACHE:
      return flushCache(registers, store);
    case 0xef:
      return setFeatures(registers, store);
    default:
      // RECALIBRATE 1Xh and SEEK 7Xh have no arm to move.
      return (command & 0xf0) === 0x10 || (command & 0xf0) === 0x70 ? SUCCESS : ERROR_ABRT;
  }
}

/** What was written is durable afterwards. */
export function flushCache(registers: AtaTaskFile, store: SectorStore): number {
  if (store.flush() !== Errno.OK) return ERROR_ABRT;
  registers.set(DISK.UNFLUSHED, 0);
  return SUCCESS;
}

/** 0 switches the MULTIPLE commands off; otherwise a power of two up to what IDENTIFY DEVICE promises. */
function setMultiple(registers: AtaTaskFile): number {
  const sectors = registers.get(DISK.SECTOR_COUNT);
  if (sectors > MAX_MULTIPLE || (sectors & (sectors - 1)) !== 0) return ERROR_ABRT;
  registers.set(DISK.MULTIPLE, sectors);
  return SUCCESS;
}

function setFeatures(registers: AtaTaskFile, store: SectorStore): number {
  const mode = registers.get(DISK.SECTOR_COUNT);
  switch (registers.get(DISK.FEATURES)) {
    case 0x02: // enable the write cache
      registers.set(DISK.WRITE_CACHE, 1);
      return SUCCESS;
    case 0x82: // disable it: what is in it must not be forgotten
      registers.set(DISK.WRITE_CACHE, 0);
      return flushCache(registers, store);
    case 0x03: // transfer mode: the PIO default, with or without IORDY, or PIO modes 0 to 2
      return mode <= 1 || (mode >= 0x08 && mode <= 0x0a) ? SUCCESS : ERROR_ABRT;
    case 0x55: // look-ahead off and on, defaults after SRST off and on: nothing hangs on them
    case 0xaa:
    case 0x66:
    case 0xcc:
      return SUCCESS;
    default:
      return ERROR_ABRT;
  }
}

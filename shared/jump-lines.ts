// SPDX-License-Identifier: MIT
//
// The lines of the jump, in order (Linux kernel/kexec_core.c:kernel_kexec), the depths at which a test may turn round
// (kernel/power: pm_test), and the phases of a device: names that the trace, reports, fault plans and tests share.

export const JUMP_LINES = [
  'lock',
  'prepare-console',
  'freeze-tasks',
  'suspend-console',
  'devices',
  'devices-late',
  'interrupts',
  'core',
  'save',
  'relocate',
] as const;
export type JumpLine = (typeof JUMP_LINES)[number];

/**
 * What is known of a jump that machine code makes by itself. Down: from where it went to a program of a lower privilege for the last time to
 * where paging goes off; upwards: from where paging is on again to the first instruction of such a program. Between them is `relocate`.
 */
export const PHASES = [...JUMP_LINES, 'own-work'] as const;
export type Phase = (typeof PHASES)[number];
export const OWN_WORK_INDEX = JUMP_LINES.length;

/** Bits of the word `wayBack`: what is still ahead of a kernel that left by itself, until it is where it was. */
export const WAY_BACK_PAGES = 1;
export const WAY_BACK_WORK = 2;

/** An exchange of two pages by machine code is three copies, through its swap page (reference §3.2). */
export const pagesOfCopies = (copies: number): number => Math.trunc(copies / 3);

/** Index of a line by its name. */
export const LINE = Object.fromEntries(JUMP_LINES.map((name, index) => [name, index])) as Record<JumpLine, number>;

export const Direction = { down: 0, undo: 1, up: 2 } as const;
export type DirectionName = keyof typeof Direction;
export const DIRECTION_NAMES = Object.keys(Direction) as DirectionName[];

/** pm_test depths, deepest last; a jump with one turns round after the line named beside it. */
export const PM_TEST_LINES = {
  freezer: 'freeze-tasks',
  devices: 'devices',
  platform: 'devices-late',
  processors: 'interrupts',
  core: 'core',
  relocate: 'relocate',
} as const satisfies Record<string, JumpLine>;
export type PmTest = keyof typeof PM_TEST_LINES;
export const PM_TESTS = Object.keys(PM_TEST_LINES) as PmTest[];

/**
 * Requests that a kernel's step leaves in its slot for the run loop. `stop`: a device was about to store for the kernel where it
 * may not; why is in the slot.
 */
export const Request = { none: 0, jump: 1, return: 2, powerOff: 3, arrived: 4, reset: 5, stop: 6 } as const;

/** Bits of a wake event, and their names: what the machine supplied to a return leg that lacked it (reference §3.6, §3.7). */
export const REPAIRED_GDT = 1;
export const REPAIRED_CR4 = 2;
export const REPAIRS = ['gdt', 'cr4'] as const;
export type Repair = (typeof REPAIRS)[number];

// SPDX-License-Identifier: MIT
//
// The reference Linux guest: a kernel and an initial RAM disk for i386 that are not part of the project. KJUMP_LINUX_GUEST names
// their folder; without it they are looked for beside the checkout.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = resolve(ROOT, process.env.KJUMP_LINUX_GUEST ?? '../shared/guests/linux');

export const BZIMAGE = resolve(FOLDER, 'bzImage');
export const ROOTFS = resolve(FOLDER, 'rootfs.cpio.gz');
/** Loops are not calibrated, and the disk is looked for where a PC without PCI has it. */
export const COMMAND_LINE = 'console=ttyS0 lpj=1000000 pata_legacy.probe_all=1';

export const hasReference = existsSync(BZIMAGE) && existsSync(ROOTFS);

/** For the name of a suite that is skipped. */
export const HOW_TO_GET_IT = hasReference
  ? ''
  : ` (skipped: put bzImage and rootfs.cpio.gz of the reference Linux guest into ${FOLDER}, or name their folder in KJUMP_LINUX_GUEST)`;

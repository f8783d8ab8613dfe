// SPDX-License-Identifier: MIT
//
// Names of the device phases and of the devices, in the order in which traces and fault plans number them.

/** Callbacks of struct dev_pm_ops and struct syscore_ops, down and up, in the order of a whole round. */
export const PM_PHASES = [
  'prepare',
  'freeze',
  'freezeLate',
  'freezeNoirq',
  'suspendSyscore',
  'resumeSyscore',
  'thawNoirq',
  'thawEarly',
  'thaw',
  'restoreNoirq',
  'restoreEarly',
  'restore',
  'complete',
] as const;
export type PmPhase = (typeof PM_PHASES)[number];

/** Devices of the board in registration order, parents before children. */
export const DEVICE_NAMES: readonly string[] = [
  'platform',
  'pic',
  'local-apic',
  'io-apic',
  'pit',
  'rtc',
  'uart0',
  'i8042',
  'dma',
  'ide0',
  'disk0',
  'ide1',
  'disk1',
  'virtio-block0',
  'virtio-block1',
  'virtio-console',
  'virtio-entropy',
  'post',
  'debug-exit',
];

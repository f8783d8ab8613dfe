// SPDX-License-Identifier: MIT
//
// What a machine tells its threads if nobody wants anything special.
import type { ThreadOptions } from '../shared/protocol.ts';

export const THREAD_OPTIONS: ThreadOptions = {
  amnesia: false,
  spins: 0,
  maxSpinners: 0,
  relocation: 'exchange',
  mode: 'repaired',
  clock: 'virtual',
  interpret: false,
  disk: null,
  secondDisk: null,
  virtio: false,
  rtcSeconds: 0,
  wallZero: 0,
};

// SPDX-License-Identifier: MIT
// What the bus counted at ports that nobody claims, written by kernel-worker/bus.ts. The sixteen ports are a ring: a new
// port takes the place of the one that was new the longest ago.
import { field, recordLayout } from './fields.ts';

export const BUS_PORTS = 16;

export const BUS = {
  UNCLAIMED_READS: 0,
  UNCLAIMED_WRITES: 4,
  DISTINCT: 8,
  PORT_READS: 16,
  PORT_WRITES: 80,
  PORTS: 144,
} as const;

export const BUS_STATE_BYTES = 192;

export const BUS_STATE = recordLayout('bus', BUS_STATE_BYTES, [
  field('unclaimedReads', BUS.UNCLAIMED_READS, 'u32', 'bytes read from unclaimed ports'),
  field('unclaimedWrites', BUS.UNCLAIMED_WRITES, 'u32', 'bytes written to unclaimed ports'),
  field('distinct', BUS.DISTINCT, 'u32', 'ports entered in the ring so far; the next goes to distinct % 16'),
  field('portReads', BUS.PORT_READS, 'u32', 'bytes read from each port of the ring', BUS_PORTS),
  field('portWrites', BUS.PORT_WRITES, 'u32', 'bytes written to each port of the ring', BUS_PORTS),
  field('ports', BUS.PORTS, 'u16', 'the last sixteen distinct unclaimed ports', BUS_PORTS),
]);

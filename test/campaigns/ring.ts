// SPDX-License-Identifier: MIT
//
// Builds the ring of kernels that the long campaigns turn: K0 to K3 at one address, in test/guests/ring.ts.
import { createMachine, type Machine, type MachineOptions } from '../../orchestrator/index.ts';

/** Offsets from a kernel's base that the host reads. */
const TURNS = 0;
const ERRORS = 12;

export const RING_GUEST = new URL('../guests/ring.ts', import.meta.url);

/** Four kernels share the window 1M to 4M; K0 has the machine. A fifth, the base, stays beside them. */
export async function makeRing(options: MachineOptions = {}): Promise<Machine> {
  const machine = await createMachine({ memory: '8M', spare: '64M', threads: 5, ...options });
  await machine.boot(new URL('../guests/counter.ts', import.meta.url), { name: 'base', window: [0, '512K'] });
  // The first one claims the window, so that the other three are kept aside.
  for (let i = 0; i < 4; i++) await machine.load(RING_GUEST, { name: `K${i}`, window: ['1M', '4M'] });
  for (let i = 3; i >= 0; i--) await machine.jump(`K${i}`);
  return machine;
}

/** Turns and checksum errors of the four, read wherever their pages are. */
export async function ringCounts(machine: Machine): Promise<{ turns: number[]; errors: number[] }> {
  const turns: number[] = [];
  const errors: number[] = [];
  for (let i = 0; i < 4; i++) {
    const bytes = await machine.find(`K${i}`).read(RING_BASE, 16);
    const view = new DataView(bytes.buffer);
    turns.push(view.getInt32(TURNS, true));
    errors.push(view.getInt32(ERRORS, true));
  }
  return { turns, errors };
}

/** Entry page at 1 MiB, one page of bitmap, then the kernel's own memory. */
export const RING_BASE = 0x100000 + 2 * 4096;

// SPDX-License-Identifier: MIT
//
// How a kernel is that tells it in a status page (guests/status.ts), seen from outside. It checks the rest of its memory itself.
import type { Kernel } from '../orchestrator/index.ts';
import { STATUS_PAGE } from './guests/keeper.ts';
import { chain, STATUS, STATUS_BYTES, STATUS_MAGIC } from './guests/status.ts';

/** Where the status pages are: for kernels in C, 0x1000 behind their load address. */
export const StatusPage = { keeper: STATUS_PAGE, kernelA: 0x101000, kernelB: 0x101000, kernelC: 0x801000 } as const;

/** Timer ticks that the kernel has counted, and whether its digest says that none was lost or doubled. */
export async function wellBeing(kernel: Kernel, statusPage: number): Promise<{ ticks: number; intact: boolean }> {
  const bytes = await kernel.read(statusPage, STATUS_BYTES);
  const word = (at: number): number => new DataView(bytes.buffer).getInt32(at, true);
  const ticks = word(STATUS.ticks);
  return { ticks, intact: word(STATUS.magic) === STATUS_MAGIC && word(STATUS.digest) === chain(ticks) };
}

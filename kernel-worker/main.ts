// SPDX-License-Identifier: MIT
//
// Entry of a kernel's thread: one task of the pool attaches to one kernel slot and serves it until the kernel is over or the
// thread is to leave. Everything it makes is made from the bytes. Static imports only: from a source tree Node 20 loads this file through
// tsx's CommonJS hook.
import { type MessagePort, threadId } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { MachineMemory } from '../shared/machine-memory.ts';
import type { KernelControl, KernelTask, Signal, TaskResult } from '../shared/protocol.ts';
import { Board } from './board.ts';
import { PumpedEndpoint } from './pumped-endpoint.ts';
import { RunLoop } from './run-loop.ts';

export default async function serveKernel(task: KernelTask<MessagePort>): Promise<TaskResult> {
  const machine = MachineMemory.attach(task.memory);
  const signal = (message: Signal): void => task.signals.postMessage(message);
  const board = new Board(machine, task.slot, task.options, signal);
  const endpoint = new PumpedEndpoint(task.control);
  const loop = new RunLoop(board, board.slots[task.slot], () => endpoint.pump());
  const control: KernelControl = {
    describe: () => ({
      threadId,
      slot: task.slot,
      engine: loop.engineName,
      heapUsedBytes: process.memoryUsage().heapUsed,
      ...loop.statistics,
    }),
  };
  Comlink.expose(control, endpoint);
  signal({ kind: 'attached', threadId });
  try {
    const result = await loop.run();
    // Ends this worker, module state and all; the pool starts another.
    if (result === 'detached' && task.options.amnesia) process.exit(0);
    return result;
  } finally {
    // The thread word is the host's to clear: the slot may have its next thread already.
    board.close();
    task.control.close();
    task.signals.close();
  }
}

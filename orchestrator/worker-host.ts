// SPDX-License-Identifier: MIT
//
// The threads around a machine: a pool of fixed size in which the life of a thread in a kernel slot is one task. The pool
// refills when a thread dies, so a warm one is waiting. Kernels may outnumber threads: a parked kernel needs none, so one that
// is parked gives its thread to the kernel that needs one.
//
// A thread that ends is told to the machine, which decides from the bytes whether anything was lost. A Comlink call never
// settles when its peer dies, so every call is raced with the task.
import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { Piscina } from 'piscina';
import { KjumpError } from '../shared/errors.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import type { Ownership } from '../shared/ownership.ts';
import type { KernelControl, KernelTask, Signal, TaskResult, ThreadOptions } from '../shared/protocol.ts';
import { workerEntry } from './worker-entry.ts';

export interface ThreadEvents {
  signal(signal: Signal): void;
  /** The thread left the slot: of its own will, or (with an error) because it died or was killed. */
  gone(slot: number, error: Error | null): void;
  /** Threads die one after the other before they serve anything: no machine can run in this process. */
  cannotStart(error: Error): void;
  /** Slots whose kernels could do without their thread now, best first. */
  spareable(): number[];
}

type KernelPool = Piscina<KernelTask<MessagePort>, TaskResult>;

interface Attachment {
  readonly slot: number;
  readonly task: Promise<TaskResult>;
  /** The thread that serves the slot; null until it says so. */
  threadId: number | null;
  isKilled: boolean;
  readonly control: MessagePort;
  readonly remote: Comlink.Remote<KernelControl>;
  /** Rejects when the thread is gone. */
  readonly gone: Promise<never>;
}

export class WorkerHost {
  readonly threads: number;
  private readonly machine: MachineMemory;
  private readonly ownership: Ownership;
  private readonly options: ThreadOptions;
  private readonly events: ThreadEvents;
  private pool: KernelPool | null = null;
  private readonly warmUp: NodeJS.Immediate;
  private readonly attached = new Map<number, Attachment>();
  /** Of each thread: settles when it has gone and everybody has been told. */
  private readonly settled = new Map<Attachment, Promise<void>>();
  private closing = false;
  /** Threads in a row that ended before they said `attached`. */
  private stillborn = 0;

  constructor(
    machine: MachineMemory,
    ownership: Ownership,
    options: ThreadOptions,
    threads: number,
    events: ThreadEvents,
  ) {
    this.machine = machine;
    this.ownership = ownership;
    this.options = options;
    this.events = events;
    this.threads = threads;
    // Threads warm up while the caller looks for its kernel, and do not keep it from getting its machine.
    this.warmUp = setImmediate(() => this.threadPool());
  }

  private threadPool(): KernelPool {
    this.pool ??= startPool(this.threads);
    return this.pool;
  }

  /** Gives the slot a thread. Returns when the pool has taken the task; the thread itself says `attached`. */
  async attach(slot: number): Promise<void> {
    if (this.closing || this.isServed(slot)) return;
    // A forgetful thread that has left its slot is about to end by itself: another takes its place.
    this.attached.delete(slot);
    while (this.attached.size >= this.threads) {
      const spare = this.events.spareable().find((index) => this.attached.has(index) && index !== slot);
      if (spare === undefined) throw tooFewThreads(this.threads);
      await this.detach(spare);
      if (this.closing || this.isServed(slot)) return;
    }
    this.start(slot);
  }

  private isServed(slot: number): boolean {
    return this.attached.has(slot) && this.ownership.hasThread(slot);
  }

  private start(slot: number): void {
    const control = new MessageChannel();
    const signals = new MessageChannel();
    this.ownership.clearDetach(slot);
    this.ownership.setThread(slot, true);
    const task = this.threadPool().run(
      {
        memory: this.machine.memory,
        slot,
        options: this.options,
        control: control.port2,
        signals: signals.port2,
      },
      { transferList: [control.port2, signals.port2] },
    );
    const gone = task.then(
      () => Promise.reject(threadGone(slot)),
      () => Promise.reject(threadGone(slot)),
    );
    gone.catch(() => {});
    const remote = Comlink.wrap<KernelControl>(ringingEndpoint(control.port1, () => this.ownership.ring(slot)));
    const attachment: Attachment = {
      slot,
      task,
      threadId: null,
      isKilled: false,
      control: control.port1,
      remote,
      gone,
    };
    this.attached.set(slot, attachment);
    signals.port1.on('message', (signal: Signal) => this.hear(attachment, signal));
    const settled = task
      .then(
        () => this.leave(attachment, signals.port1, null),
        (error: Error) => this.leave(attachment, signals.port1, error),
      )
      .finally(() => this.settled.delete(attachment));
    this.settled.set(attachment, settled);
  }

  private hear(attachment: Attachment, signal: Signal): void {
    if (signal.kind === 'attached') {
      this.stillborn = 0;
      attachment.threadId = signal.threadId;
      if (attachment.isKilled) this.terminate(attachment);
    }
    this.events.signal(signal);
  }

  private leave(attachment: Attachment, signals: MessagePort, error: Error | null): void {
    const { slot, control } = attachment;
    // The end of a task comes by another port, and may come before what the thread said last.
    for (let said = receiveMessageOnPort(signals); said !== undefined; said = receiveMessageOnPort(signals)) {
      if (!this.closing) this.hear(attachment, said.message);
    }
    // A forgetful thread may have been followed by another one already.
    const last = this.attached.get(slot) === attachment;
    if (last) this.attached.delete(slot);
    control.close();
    signals.close();
    if (this.closing || !last) return;
    this.ownership.forgetSpinner(slot);
    this.ownership.setThread(slot, false);
    // Before the slot's owner is looked at: a thread that cannot start would be replaced for ever.
    if (error !== null && ++this.stillborn > STILLBORN_MAX) this.events.cannotStart(cannotStart(error));
    else this.events.gone(slot, error);
  }

  /** Asks the thread of a parked kernel to leave, and waits until it has. */
  async detach(slot: number): Promise<void> {
    const attachment = this.attached.get(slot);
    if (attachment === undefined) return;
    this.ownership.askToDetach(slot);
    await this.settled.get(attachment);
  }

  /**
   * The power cut: ends the thread wherever it is. The task ends with the thread's `exit`, when nothing of it runs any more; an
   * AbortSignal would end it at once, and let the machine be recovered under a thread that still writes it.
   */
  async kill(slot: number): Promise<void> {
    const attachment = this.attached.get(slot);
    if (attachment === undefined) return;
    attachment.isKilled = true;
    this.terminate(attachment);
    await this.settled.get(attachment);
  }

  /** Does nothing yet if the thread has not said which one it is. */
  private terminate({ threadId }: Attachment): void {
    void this.threadPool()
      .threads.find((thread) => thread.threadId === threadId)
      ?.terminate();
  }

  hasThread(slot: number): boolean {
    return this.attached.has(slot);
  }

  /** The thread's control interface; a call rejects with `THREAD_DIED` if the thread goes away. */
  call<T>(slot: number, use: (control: Comlink.Remote<KernelControl>) => Promise<T>): Promise<T> {
    const attachment = this.attached.get(slot);
    if (attachment === undefined) return Promise.reject(threadGone(slot));
    return Promise.race([use(attachment.remote), attachment.gone]);
  }

  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    clearImmediate(this.warmUp);
    await this.pool?.destroy();
    await Promise.allSettled(this.settled.values());
  }
}

/** Kills at bad moments end a few threads in a row; a module that cannot be loaded ends them all. */
const STILLBORN_MAX = 20;

function cannotStart(cause: Error): KjumpError {
  return new KjumpError('THREAD_DIED', 'no thread comes up', {
    why: `${STILLBORN_MAX} in a row ended before they served a kernel: ${cause.message}`,
    fix: 'see the cause; then close this machine',
    cause,
  });
}

function startPool(threads: number): KernelPool {
  const pool: KernelPool = new Piscina({
    ...workerEntry(import.meta.url, '../kernel-worker/main'),
    // Equal: every thread exists from the start and counts as ready at once.
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Never more tasks than threads: one can only wait while its thread is being replaced.
    maxQueue: threads,
    atomics: 'disabled',
    recordTiming: false,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  });
  // Every failure of a thread also rejects its task, where it is dealt with.
  pool.on('error', () => {});
  return pool;
}

/** A port that also rings the kernel's bell, so that a blocked thread sees the message. */
function ringingEndpoint(port: MessagePort, ring: () => void): Comlink.Endpoint {
  return {
    postMessage: (message: unknown, transfer?: Transferable[]) => {
      port.postMessage(message, transfer as never);
      ring();
    },
    addEventListener: port.addEventListener.bind(port) as Comlink.Endpoint['addEventListener'],
    removeEventListener: port.removeEventListener.bind(port) as Comlink.Endpoint['removeEventListener'],
    start: () => port.start(),
  };
}

function threadGone(slot: number): KjumpError {
  return new KjumpError('THREAD_DIED', `the thread of kernel slot ${slot} is gone`, {
    why: 'it ended, was killed, or left the slot while the call was under way',
    fix: 'the kernel goes on with another thread when it gets the CPU; call again then',
    details: { slot },
  });
}

function tooFewThreads(threads: number): KjumpError {
  return new KjumpError('BAD_STATE', `all ${threads} threads are taken`, {
    why: 'no parked kernel can give its thread away',
    fix: 'create the machine with more threads',
  });
}

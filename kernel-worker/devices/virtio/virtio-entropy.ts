// SPDX-License-Identifier: MIT
// The entropy device (VIRTIO 1.2 §5.4). Its numbers come from a generator in the bytes, which begins with the seed of the machine: a run
// can be repeated. No reset by a driver begins it again. A system that begins after another one has left gets another sequence.
import { EntropyGenerator } from '../../../shared/entropy-generator.ts';
import { VIRTIO_ENTROPY } from '../../../shared/layout/virtio-entropy-state.ts';
import type { VirtioFunction } from './virtio-function.ts';
import type { Virtqueue } from './virtqueue.ts';

const ENTROPY_DEVICE = 4;
const LATENCY_TICKS = 1000;
/** Longer buffers are not filled (§5.4.6.2 lets the device choose). */
const MOST_BYTES = 4096;

export class VirtioEntropy implements VirtioFunction {
  readonly deviceId = ENTROPY_DEVICE;
  readonly features = 0;
  readonly queueMax = [8];
  readonly latencyTicks = LATENCY_TICKS;
  private readonly generator: EntropyGenerator;
  private readonly seed: () => number;

  /** `seed` is asked at power-on. */
  constructor(parts: { view: DataView; base: number }, seed: () => number) {
    this.generator = new EntropyGenerator(parts.view, parts.base + VIRTIO_ENTROPY.GENERATOR);
    this.seed = seed;
  }

  reset(): void {
    this.generator.seed(this.seed());
  }

  inherit(nowTick: number): void {
    this.generator.stir(nowTick);
  }

  serve(queue: Virtqueue): void {
    while (queue.next()) {
      const bytes = new Uint8Array(Math.min(MOST_BYTES, queue.writable.length));
      // A chain for nothing (§5.4.6.1).
      if (bytes.length === 0) {
        queue.fail();
        return;
      }
      this.generator.fill(bytes);
      queue.writable.write(0, bytes);
      queue.giveBack(bytes.length);
    }
  }
}

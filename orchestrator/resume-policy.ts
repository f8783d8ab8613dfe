// SPDX-License-Identifier: MIT
//
// What a system that goes on elsewhere is told of it: nothing, unless its policy says so. Time may have passed outside, and another
// copy of it may draw the same random numbers and be taken for it. What a policy brings in from outside is a number: given again, it
// gives the same bytes again.
import { randomInt } from 'node:crypto';
import { EntropyGenerator } from '../shared/entropy-generator.ts';
import { giveGenerationId, lifeNumber, stirIdentities } from '../shared/identity.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { type BorderPages, contextAt, deviceInContext } from '../shared/kexec/context.ts';
import { homePages } from '../shared/kexec/home-pages.ts';
import { deviceOffset } from '../shared/layout/device-map.ts';
import { VIRTIO_ENTROPY } from '../shared/layout/virtio-entropy-state.ts';
import { KernelState } from '../shared/lifecycle.ts';
import { PAGE_SIZE, pageAddress, pageIndexOf } from '../shared/units.ts';
import type { MachineParts } from './machine-parts.ts';
import { checkOptions, oneOf, wholeNumber } from './options.ts';
import { locatePages } from './placing.ts';

/** Of a machine that is resumed from an image. */
export interface ResumePolicy {
  /**
   * `frozen` (default): the real-time clock goes on where it stood. `advance`: it is ahead by the time that passed since the machine was
   * captured, or by so many seconds. Virtual time goes on where it stood in any case.
   */
  readonly clock?: 'frozen' | 'advance' | number;
  /** `same` (default): the entropy device goes on with its numbers. `fresh`: with others, which depend on the host, or on this number. */
  readonly entropy?: 'same' | 'fresh' | number;
  /** `same` (default): every kernel keeps its generation id. `new`: each has another, which depends on the host, or on this number. */
  readonly identity?: 'same' | 'new' | number;
}

/** A policy as it was carried out: the same again repeats it. */
export interface AppliedPolicy {
  /** Seconds. */
  readonly clock: number;
  readonly entropy: 'same' | number;
  readonly identity: 'same' | number;
}

/** Of a clone. It runs in the same machine, so what it gets follows from the machine: the same calls give the same bytes. */
export interface ClonePolicy {
  /** `fresh` (default): its entropy device goes on with other numbers than that of the original. */
  readonly entropy?: 'same' | 'fresh';
  /** `new` (default): it has a generation id of its own. */
  readonly identity?: 'same' | 'new';
}

const NUMBERS = 2 ** 53 - 1;
/** The most that `randomInt` can span. */
const RANDOM_NUMBERS = 2 ** 48 - 1;
/** What the port that tells of them can hold. */
const SECONDS_MAX = 2 ** 31 - 1;

const wordOr =
  (words: readonly string[], most: number) =>
  (value: unknown): string | null =>
    typeof value === 'number' ? wholeNumber(0, most)(value) : oneOf(...words)(value);

const RESUME_CHECKS = {
  clock: wordOr(['frozen', 'advance'], SECONDS_MAX),
  entropy: wordOr(['same', 'fresh'], NUMBERS),
  identity: wordOr(['same', 'new'], NUMBERS),
};
const CLONE_CHECKS = { entropy: oneOf('same', 'fresh'), identity: oneOf('same', 'new') };

/** Throws `BAD_OPTION`. */
export function checkResumePolicy(policy: ResumePolicy): void {
  checkOptions('resumeMachine policy', policy, RESUME_CHECKS);
}

/** Throws `BAD_OPTION`. */
export function checkClonePolicy(policy: ClonePolicy): void {
  checkOptions('clone', policy, CLONE_CHECKS);
}

/** To a machine that has not run since it was resumed; it was captured `passedMs` ago. */
export function applyResumePolicy(parts: MachineParts, policy: ResumePolicy, passedMs: number): AppliedPolicy {
  const passed = Math.min(SECONDS_MAX, Math.max(0, Math.floor(passedMs / 1000)));
  const { clock = 'frozen', entropy = 'same', identity = 'same' } = policy;
  const applied = {
    clock: clock === 'advance' ? passed : clock === 'frozen' ? 0 : clock,
    entropy: entropy === 'fresh' ? randomInt(RANDOM_NUMBERS) : entropy,
    identity: identity === 'new' ? randomInt(RANDOM_NUMBERS) : identity,
  };
  parts.clock.outsideSeconds += applied.clock;
  if (applied.entropy !== 'same') stirAllEntropy(parts, applied.entropy);
  if (applied.identity !== 'same') {
    stirIdentities(parts.machine, applied.identity);
    for (const slot of parts.slots) if (slot.state !== KernelState.EMPTY) giveGenerationId(parts.machine, slot);
  }
  return applied;
}

/** To a clone in its slot, parked in its home pages unless it was never entered. */
export function applyClonePolicy(
  parts: MachineParts,
  slot: KernelSlot,
  { entropy = 'fresh', identity = 'new' }: ClonePolicy,
): void {
  if (entropy === 'fresh' && slot.state === KernelState.PARKED) stirParked(parts, homePages(slot), [lifeNumber(slot)]);
  if (identity === 'new') giveGenerationId(parts.machine, slot);
}

const GENERATOR = deviceOffset('virtio-entropy') + VIRTIO_ENTROPY.GENERATOR;
const GENERATOR_BYTES = 16;

/** The live device, and that of every kernel whose devices are parked with it: each comes back with its own. */
function stirAllEntropy(parts: MachineParts, value: number): void {
  const { machine, memory, slots, currentSlot } = parts;
  new EntropyGenerator(machine.view, machine.region('devices').offset + GENERATOR).stir(value);
  for (const slot of slots) {
    if (slot.state !== KernelState.PARKED || slot.get('selfParked') !== 0) continue;
    const pageOf = locatePages(parts, slot, currentSlot);
    const context = contextAt(memory, slot.address('reentry'), pageOf);
    // Two that were parked with the same numbers are not to go on with the same.
    if (context !== null) stirParked(parts, context, [value, lifeNumber(slot)], pageOf);
  }
}

function stirParked(
  { memory }: MachineParts,
  context: BorderPages,
  values: readonly number[],
  pageOf: (page: number) => number = (page) => page,
): void {
  const parked = deviceInContext(context, GENERATOR);
  const at = pageAddress(pageOf(pageIndexOf(parked))) + (parked % PAGE_SIZE);
  const bytes = memory.read(at, GENERATOR_BYTES);
  const generator = new EntropyGenerator(new DataView(bytes.buffer, bytes.byteOffset), 0);
  for (const value of values) generator.stir(value);
  memory.write(at, bytes);
}

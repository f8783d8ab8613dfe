// SPDX-License-Identifier: MIT
// The device phases of a jump, with the meaning of Linux's drivers/base/power/main.c (dpm_suspend_start to dpm_resume_end)
// and drivers/base/syscore.c, in one thread. Down: children before parents; up: parents before children. A phase that is
// refused undoes its own part with the thaw callbacks; what lies further out is undone by the caller with the restore
// callbacks, although nothing was restored, as kernel_kexec does. Which device is how far down needs to be known only
// within one synchronous jump, so it is an object here and not in the bytes.
import { Errno } from '../shared/errno.ts';
import type { PmPhase } from '../shared/pm-phases.ts';
import type { Device } from './devices/device.ts';

/** What `prepare` may answer beside 0 and an errno: Linux's positive value (our errno are positive), without effect here. */
export const PREPARE_DIRECT_COMPLETE = -1;

/** A device that answers EAGAIN to `prepare` is asked again; Linux does so for ever, we so many times. */
const PREPARE_ATTEMPTS = 1000;

export interface PmHooks {
  /**
   * Makes every call of a callback: runs it, or answers with an errno in its place. `phase` is the callback's name. On the way
   * down also asked for a device without that callback, with one that does nothing.
   */
  call(phase: PmPhase, device: Device, callback: () => Errno): Errno;
  /** True: a device without a callback need not be asked. Else every device is, and can be made to refuse without one. */
  readonly skipsAbsent?: boolean;
  /** An error on the way up: logged, and otherwise without effect. */
  ignored(phase: PmPhase, device: Device, errno: Errno): void;
}

export interface PmFailure {
  readonly phase: PmPhase;
  readonly device: Device;
  readonly errno: Errno;
}

/**
 * 'strict' leaves devices as Linux 6.1 does when prepare or freeze is refused: those already down stay down, nothing is
 * completed. 'repaired' brings them back, as 6.17 does.
 */
export type PmMode = 'repaired' | 'strict';

/** How far down each device is: Linux's dpm lists, as a flag for each device that stays set until it is up again. */
export interface SuspendedDevices {
  /** Registration order, parents before children. */
  readonly devices: readonly Device[];
  readonly prepared: Uint8Array;
  readonly frozen: Uint8Array;
  readonly late: Uint8Array;
  readonly noirq: Uint8Array;
}

/** dpm_suspend_start: prepare, then freeze. With a failure everything is up again, unless the mode is 'strict'. */
export function suspendStart(
  devices: readonly Device[],
  hooks: PmHooks,
  mode: PmMode = 'repaired',
): { readonly suspended: SuspendedDevices; readonly failure: PmFailure | null } {
  const suspended = flagsFor(devices, 0);
  const failure = prepare(suspended, hooks) ?? walkDown('freeze', devices, suspended.frozen, hooks);
  if (failure && mode === 'repaired') resumeEnd(suspended, hooks);
  return { suspended, failure };
}

/** dpm_suspend_end: freeze late, then noirq. A failure leaves the devices frozen, with late and noirq undone. */
export function suspendEnd(suspended: SuspendedDevices, hooks: PmHooks): PmFailure | null {
  const { devices, late, noirq } = suspended;
  const lateFailure = walkDown('freezeLate', devices, late, hooks);
  if (lateFailure) {
    walkUp('thawEarly', 'restoreEarly', devices, late, hooks);
    return lateFailure;
  }
  const noirqFailure = walkDown('freezeNoirq', devices, noirq, hooks);
  if (noirqFailure) {
    walkUp('thawNoirq', 'restoreNoirq', devices, noirq, hooks);
    walkUp('thawEarly', 'restoreEarly', devices, late, hooks);
  }
  return noirqFailure;
}

/** dpm_resume_start: restore noirq, then early. */
export function resumeStart({ devices, late, noirq }: SuspendedDevices, hooks: PmHooks): void {
  walkUp('restoreNoirq', null, devices, noirq, hooks);
  walkUp('restoreEarly', null, devices, late, hooks);
}

/** dpm_resume_end: restore, then complete. */
export function resumeEnd({ devices, prepared, frozen }: SuspendedDevices, hooks: PmHooks): void {
  walkUp('restore', null, devices, frozen, hooks);
  const callbacks = callbacksOf(devices, 'complete');
  for (let index = devices.length - 1; index >= 0; index--) {
    if (prepared[index] === 0) continue;
    prepared[index] = 0;
    if (callbacks[index] !== undefined) callUp('complete', devices[index]!, hooks);
  }
}

/**
 * The state of a system that was parked whole: every device down to noirq. The one that wakes has nothing else to go by,
 * and needs nothing else: only a jump that went all the way is parked.
 */
export function allSuspended(devices: readonly Device[]): SuspendedDevices {
  return flagsFor(devices, 1);
}

function flagsFor(devices: readonly Device[], value: number): SuspendedDevices {
  const flags = (): Uint8Array => new Uint8Array(devices.length).fill(value);
  return { devices, prepared: flags(), frozen: flags(), late: flags(), noirq: flags() };
}

/** syscore_suspend: reverse registration order. With a failure those already suspended are resumed. */
export function syscoreSuspend(devices: readonly Device[], hooks: PmHooks): PmFailure | null {
  for (let index = devices.length - 1; index >= 0; index--) {
    const device = devices[index]!;
    const errno = callDown('suspendSyscore', device, hooks);
    if (errno === Errno.OK) continue;
    for (let done = index + 1; done < devices.length; done++) callUp('resumeSyscore', devices[done]!, hooks);
    return { phase: 'suspendSyscore', device, errno };
  }
  return null;
}

/** syscore_resume: registration order. */
export function syscoreResume(devices: readonly Device[], hooks: PmHooks): void {
  for (const device of devices) callUp('resumeSyscore', device, hooks);
}

/** Parents first: a parent may not yet refuse new children when a child is asked. */
function prepare({ devices, prepared }: SuspendedDevices, hooks: PmHooks): PmFailure | null {
  const callbacks = callbacksOf(devices, 'prepare');
  for (let index = 0; index < devices.length; index++) {
    const device = devices[index]!;
    let errno: Errno = callbacks[index] === undefined && hooks.skipsAbsent ? Errno.OK : Errno.EAGAIN;
    for (let attempt = 0; errno === Errno.EAGAIN && attempt < PREPARE_ATTEMPTS; attempt++) {
      errno = callDown('prepare', device, hooks);
    }
    if (errno > 0) return { phase: 'prepare', device, errno };
    prepared[index] = 1;
  }
  return null;
}

/**
 * Reverse order. An async device waits for the phase's barrier, unless its parent, which must come after it, is called
 * before. One refusal ends the phase: nobody further is called, except async devices whose turn had come; but an async
 * device's own refusal stops those as well (async_error). `down` gets the devices that are down.
 */
function walkDown(
  phase: 'freeze' | 'freezeLate' | 'freezeNoirq',
  devices: readonly Device[],
  down: Uint8Array,
  hooks: PmHooks,
): PmFailure | null {
  const callbacks = callbacksOf(devices, phase);
  /** Indices of the async devices whose turn has come and who have not been called. */
  const deferred: number[] = [];
  let failure: PmFailure | null = null;
  let asyncFailed = false;

  const suspend = (index: number): void => {
    const device = devices[index]!;
    for (const child of [...deferred].reverse()) {
      if (devices[child]!.parent === device.name && deferred.includes(child)) suspend(child);
    }
    if (asyncFailed) return;
    forget(deferred, index);
    const errno = callDown(phase, device, hooks);
    if (errno === Errno.OK) {
      down[index] = 1;
      return;
    }
    failure ??= { phase, device, errno };
    if (device.pm.async) asyncFailed = true;
  };

  for (let index = devices.length - 1; index >= 0 && failure === null; index--) {
    // Nobody can tell when a device does nothing: it waits for nobody.
    if (callbacks[index] === undefined && hooks.skipsAbsent) down[index] = 1;
    else if (devices[index]!.pm.async) deferred.push(index);
    else suspend(index);
  }
  for (const index of [...deferred]) if (deferred.includes(index) && !asyncFailed) suspend(index);
  return failure;
}

/**
 * Registration order, for the devices in `down`, which leave it. An async device waits for the barrier, unless a child,
 * which must come after it, is called before. `fallback` is called on a device without the callback: a driver whose thaw
 * and restore are the same has only restore.
 */
function walkUp(
  phase: PmPhase,
  fallback: PmPhase | null,
  devices: readonly Device[],
  down: Uint8Array,
  hooks: PmHooks,
): void {
  const callbacks = callbacksOf(devices, phase);
  const fallbacks = fallback === null ? NO_CALLBACKS : callbacksOf(devices, fallback);
  const deferred: number[] = [];

  const resume = (index: number): void => {
    const device = devices[index]!;
    for (const parent of [...deferred]) if (devices[parent]!.name === device.parent) resume(parent);
    forget(deferred, index);
    down[index] = 0;
    callUp(callbacks[index] || fallback === null ? phase : fallback, device, hooks);
  };

  for (let index = 0; index < devices.length; index++) {
    if (down[index] === 0) continue;
    if (callbacks[index] === undefined && fallbacks[index] === undefined) down[index] = 0;
    else if (devices[index]!.pm.async) deferred.push(index);
    else resume(index);
  }
  for (const index of [...deferred]) if (deferred.includes(index)) resume(index);
}

function forget(deferred: number[], index: number): void {
  const at = deferred.indexOf(index);
  if (at >= 0) deferred.splice(at, 1);
}

type Callbacks = readonly ((() => Errno) | undefined)[];
const NO_CALLBACKS: Callbacks = [];
/** The callbacks of a phase side by side: a jump asks for each of them, and they never change. */
const callbackTables = new WeakMap<readonly Device[], Map<PmPhase, Callbacks>>();

function callbacksOf(devices: readonly Device[], phase: PmPhase): Callbacks {
  let tables = callbackTables.get(devices);
  if (tables === undefined) callbackTables.set(devices, (tables = new Map()));
  let callbacks = tables.get(phase);
  if (callbacks === undefined) tables.set(phase, (callbacks = devices.map((device) => device.pm[phase])));
  return callbacks;
}

const noCallback = (): Errno => Errno.OK;

function callDown(phase: PmPhase, device: Device, hooks: PmHooks): Errno {
  const callback = device.pm[phase];
  if (callback === undefined && hooks.skipsAbsent) return Errno.OK;
  return hooks.call(phase, device, callback ?? noCallback);
}

function callUp(phase: PmPhase, device: Device, hooks: PmHooks): void {
  const callback = device.pm[phase];
  const errno = callback ? hooks.call(phase, device, callback) : Errno.OK;
  if (errno !== Errno.OK) hooks.ignored(phase, device, errno);
}

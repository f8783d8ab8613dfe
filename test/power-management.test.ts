// SPDX-License-Identifier: MIT
// The device phases with devices that only write down when they are called. The case numbers are those of the list of
// testable invariants that the project's table of cases refers to; the source is Linux's drivers/base/power/main.c.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Device, PmCallbacks } from '../kernel-worker/devices/device.ts';
import {
  allSuspended,
  type PmHooks,
  type PmMode,
  PREPARE_DIRECT_COMPLETE,
  resumeEnd,
  resumeStart,
  suspendEnd,
  suspendStart,
  syscoreResume,
  syscoreSuspend,
} from '../kernel-worker/power-management.ts';
import { Errno } from '../shared/errno.ts';
import type { PmPhase } from '../shared/pm-phases.ts';
import { TestBoard } from './devices/test-board.ts';

const DOWN_AND_UP = [
  'prepare',
  'freeze',
  'freezeLate',
  'freezeNoirq',
  'thawNoirq',
  'thawEarly',
  'thaw',
  'restoreNoirq',
  'restoreEarly',
  'restore',
  'complete',
] as const satisfies readonly PmPhase[];
const SYSCORE = ['suspendSyscore', 'resumeSyscore'] as const satisfies readonly PmPhase[];

/** 'phase device' for every callback that ran or refused. */
let calls: string[];
let ignored: string[];
/** Errno answered by 'phase device' in place of running it. */
let faults: Map<string, number>;

beforeEach(() => {
  calls = [];
  ignored = [];
  faults = new Map();
});

const hooks: PmHooks = {
  call(phase, device, callback) {
    const errno = callback();
    return faults.get(`${phase} ${device.name}`) ?? errno;
  },
  ignored(phase, device, errno) {
    ignored.push(`${phase} ${device.name} ${errno}`);
  },
};

function fake(
  name: string,
  parent: string | null = null,
  { phases = DOWN_AND_UP, async = false }: { phases?: readonly PmPhase[]; async?: boolean } = {},
): Device {
  const pm: Record<string, unknown> = { async };
  for (const phase of phases) {
    pm[phase] = () => {
      calls.push(`${phase} ${name}`);
      return Errno.OK;
    };
  }
  return {
    name,
    parent,
    pm: pm as PmCallbacks,
    reset() {},
    deadlineTick: () => Number.POSITIVE_INFINITY,
    onDeadline() {},
    busyReason: () => null,
  };
}

/** root -> bus -> leaf, and other beside bus. */
const tree = () => [fake('root'), fake('bus', 'root'), fake('leaf', 'bus'), fake('other', 'root')];

const of = (phase: PmPhase) => calls.filter((call) => call.startsWith(`${phase} `)).map((call) => call.split(' ')[1]);

/** What kernel_kexec does with the devices: down to the core and up again, or as far as it gets; its errno. */
function jump(devices: readonly Device[], mode: PmMode = 'repaired'): number {
  const { suspended, failure } = suspendStart(devices, hooks, mode);
  if (failure) return failure.errno;
  const endFailure = suspendEnd(suspended, hooks);
  if (endFailure === null) {
    const coreFailure = syscoreSuspend(devices, hooks);
    if (coreFailure === null) syscoreResume(devices, hooks);
    resumeStart(suspended, hooks);
    resumeEnd(suspended, hooks);
    return coreFailure?.errno ?? Errno.OK;
  }
  resumeEnd(suspended, hooks);
  return endFailure.errno;
}

describe('a whole round', () => {
  test('goes through the phases of every device, down and up, each phase whole before the next', () => {
    expect(jump(tree())).toBe(Errno.OK);
    const phases = calls.map((call) => call.split(' ')[0]).filter((phase, index, all) => phase !== all[index - 1]);
    expect(phases).toEqual([
      'prepare',
      'freeze',
      'freezeLate',
      'freezeNoirq',
      'restoreNoirq',
      'restoreEarly',
      'restore',
      'complete',
    ]);
    expect(calls).toHaveLength(8 * 4);
  });

  test('prepares in registration order and completes in reverse', () => {
    jump(tree());
    expect(of('prepare')).toEqual(['root', 'bus', 'leaf', 'other']);
    expect(of('complete')).toEqual(['other', 'leaf', 'bus', 'root']);
  });

  test('passes over callbacks that a device does not have', () => {
    const devices = [fake('root', null, { phases: [] }), fake('leaf', 'root', { phases: ['freeze', 'restore'] })];
    expect(jump(devices)).toBe(Errno.OK);
    expect(calls).toEqual(['freeze leaf', 'restore leaf']);
  });

  test('can be made to fail at a device that has no callback of its own', () => {
    const devices = [fake('root', null, { phases: ['restore'] }), fake('leaf', 'root')];
    faults.set('freezeNoirq root', Errno.EIO);
    expect(jump(devices)).toBe(Errno.EIO);
    expect(calls.slice(-4)).toEqual(['thawEarly leaf', 'restore root', 'restore leaf', 'complete leaf']);
  });

  test('can be gone up from a system that was parked whole, without the object of the way down', () => {
    const devices = tree();
    const suspended = allSuspended(devices);
    resumeStart(suspended, hooks);
    resumeEnd(suspended, hooks);
    for (const phase of ['restoreNoirq', 'restoreEarly', 'restore'] as const) {
      expect(of(phase)).toEqual(['root', 'bus', 'leaf', 'other']);
    }
    expect(of('complete')).toEqual(['other', 'leaf', 'bus', 'root']);
  });
});

describe('case 61: prepare or freeze failure gives its errno', () => {
  test('case 61: in repaired mode a freeze failure restores the devices already frozen and completes all', () => {
    faults.set('freeze bus', Errno.EBUSY);
    expect(jump(tree())).toBe(Errno.EBUSY);
    expect(calls.slice(4)).toEqual([
      'freeze other',
      'freeze leaf',
      'freeze bus',
      'restore leaf',
      'restore other',
      'complete other',
      'complete leaf',
      'complete bus',
      'complete root',
    ]);
  });

  test('case 61: strict 6.1 leaves the devices already frozen as they are, and nothing is completed', () => {
    faults.set('freeze bus', Errno.EBUSY);
    expect(jump(tree(), 'strict')).toBe(Errno.EBUSY);
    expect(calls.slice(4)).toEqual(['freeze other', 'freeze leaf', 'freeze bus']);
  });

  test('case 61: a prepare failure freezes nobody; those prepared are completed in repaired mode only', () => {
    faults.set('prepare leaf', Errno.EIO);
    expect(jump(tree())).toBe(Errno.EIO);
    expect(calls).toEqual(['prepare root', 'prepare bus', 'prepare leaf', 'complete bus', 'complete root']);
    calls = [];
    expect(jump(tree(), 'strict')).toBe(Errno.EIO);
    expect(calls).toEqual(['prepare root', 'prepare bus', 'prepare leaf']);
  });

  test('case 61: the failure names phase and device', () => {
    const devices = tree();
    faults.set('freeze leaf', Errno.EIO);
    const { failure } = suspendStart(devices, hooks);
    expect(failure).toEqual({ phase: 'freeze', device: devices[2], errno: Errno.EIO });
  });
});

describe('case 62: late failure', () => {
  test('case 62: thaw_early for those already late, then restore and complete for all, errno', () => {
    faults.set('freezeLate bus', Errno.EBUSY);
    expect(jump(tree())).toBe(Errno.EBUSY);
    expect(calls.slice(8)).toEqual([
      'freezeLate other',
      'freezeLate leaf',
      'freezeLate bus',
      'thawEarly leaf',
      'thawEarly other',
      'restore root',
      'restore bus',
      'restore leaf',
      'restore other',
      'complete other',
      'complete leaf',
      'complete bus',
      'complete root',
    ]);
  });
});

describe('case 63: noirq failure', () => {
  test('case 63: thaw_noirq for those already noirq, thaw_early for all, then restore for all', () => {
    faults.set('freezeNoirq bus', Errno.EBUSY);
    expect(jump(tree())).toBe(Errno.EBUSY);
    expect(calls.slice(12)).toEqual([
      'freezeNoirq other',
      'freezeNoirq leaf',
      'freezeNoirq bus',
      'thawNoirq leaf',
      'thawNoirq other',
      'thawEarly root',
      'thawEarly bus',
      'thawEarly leaf',
      'thawEarly other',
      'restore root',
      'restore bus',
      'restore leaf',
      'restore other',
      'complete other',
      'complete leaf',
      'complete bus',
      'complete root',
    ]);
  });

  test('case 63: a device without thaw callbacks gets its restore callback of the same depth', () => {
    const phases = ['freezeLate', 'freezeNoirq', 'restoreNoirq', 'restoreEarly'] as const;
    const devices = [fake('parent', null, { phases }), fake('child', 'parent', { phases })];
    faults.set('freezeNoirq parent', Errno.EIO);
    expect(jump(devices)).toBe(Errno.EIO);
    expect(calls.slice(4)).toEqual(['restoreNoirq child', 'restoreEarly parent', 'restoreEarly child']);
  });
});

describe('case 64: CPU-off failure', () => {
  test('case 64: restore_noirq to complete run for every device, parents first until complete', () => {
    const devices = tree();
    const { suspended } = suspendStart(devices, hooks);
    expect(suspendEnd(suspended, hooks)).toBeNull();
    calls = [];
    resumeStart(suspended, hooks);
    resumeEnd(suspended, hooks);
    const up = (phase: PmPhase) => ['root', 'bus', 'leaf', 'other'].map((name) => `${phase} ${name}`);
    expect(calls).toEqual([
      ...up('restoreNoirq'),
      ...up('restoreEarly'),
      ...up('restore'),
      ...up('complete').reverse(),
    ]);
  });
});

describe('case 65: syscore failure', () => {
  const cores = () => ['first', 'second', 'third'].map((name) => fake(name, null, { phases: SYSCORE }));

  test('case 65: only the already suspended ops are resumed, then the devices as after a CPU-off failure', () => {
    faults.set('suspendSyscore second', Errno.EBUSY);
    expect(jump([...cores(), fake('leaf')])).toBe(Errno.EBUSY);
    expect(calls.slice(4)).toEqual([
      'suspendSyscore third',
      'suspendSyscore second',
      'resumeSyscore third',
      'restoreNoirq leaf',
      'restoreEarly leaf',
      'restore leaf',
      'complete leaf',
    ]);
  });

  test('case 65: syscore is suspended in reverse registration order and resumed in registration order', () => {
    expect(jump(cores())).toBe(Errno.OK);
    expect(of('suspendSyscore')).toEqual(['third', 'second', 'first']);
    expect(of('resumeSyscore')).toEqual(['first', 'second', 'third']);
  });
});

describe('case 66: order in the tree', () => {
  test.each(['freeze', 'freezeLate', 'freezeNoirq'] as const)('case 66: a child does %s before its parent', (phase) => {
    jump(tree());
    expect(of(phase)).toEqual(['other', 'leaf', 'bus', 'root']);
  });

  test.each(['restoreNoirq', 'restoreEarly', 'restore'] as const)(
    'case 66: a parent does %s before its child',
    (phase) => {
      jump(tree());
      expect(of(phase)).toEqual(['root', 'bus', 'leaf', 'other']);
    },
  );

  test('case 66: complete comes to the child first', () => {
    jump(tree());
    expect(of('complete').indexOf('leaf')).toBeLessThan(of('complete').indexOf('bus'));
  });
});

describe('case 67: async devices', () => {
  const asyncTree = () => [
    fake('root'),
    fake('bus', 'root', { async: true }),
    fake('leaf', 'bus'),
    fake('free', 'root', { async: true }),
    fake('last', 'root'),
  ];

  test.each(['freeze', 'freezeLate', 'freezeNoirq'] as const)(
    'case 67: an async device has no %s before all its children finished it, and its parent waits for it',
    (phase) => {
      jump(asyncTree());
      expect(of(phase)).toEqual(['last', 'leaf', 'bus', 'free', 'root']);
    },
  );

  test.each(['restoreNoirq', 'restoreEarly', 'restore'] as const)(
    'case 67: on the way up %s waits for the parent, async or not, and a child makes an async parent go first',
    (phase) => {
      jump(asyncTree());
      expect(of(phase)).toEqual(['root', 'bus', 'leaf', 'last', 'free']);
    },
  );

  test('case 67: async devices with no sync parent are called at the barrier, children first', () => {
    jump([fake('a', null, { async: true }), fake('b', 'a', { async: true }), fake('c')]);
    expect(of('freeze')).toEqual(['c', 'b', 'a']);
    expect(of('freezeLate')).toEqual(['c', 'b', 'a']);
    expect(of('restore')).toEqual(['c', 'a', 'b']);
  });

  test('case 67: after a sync refusal async devices whose turn had come finish, and are restored', () => {
    const devices = [fake('never'), fake('refuses'), fake('started', null, { async: true })];
    faults.set('freeze refuses', Errno.EIO);
    expect(jump(devices)).toBe(Errno.EIO);
    expect([of('freeze'), of('restore')]).toEqual([['refuses', 'started'], ['started']]);
  });

  test('case 67: after an async refusal neither its parent nor another async device is called', () => {
    const devices = [fake('parent'), fake('other', null, { async: true }), fake('child', 'parent', { async: true })];
    faults.set('freeze child', Errno.EIO);
    expect(jump(devices)).toBe(Errno.EIO);
    expect([of('freeze'), of('restore')]).toEqual([['child'], []]);
  });

  test('case 67: prepare and complete are never async', () => {
    jump(asyncTree());
    expect(of('prepare')).toEqual(['root', 'bus', 'leaf', 'free', 'last']);
    expect(of('complete')).toEqual(['last', 'free', 'leaf', 'bus', 'root']);
  });
});

describe('case 68: what prepare answers', () => {
  test('case 68: prepare > 0 has no effect in a jump', () => {
    faults.set('prepare leaf', PREPARE_DIRECT_COMPLETE);
    expect(jump(tree())).toBe(Errno.OK);
    expect(of('freeze')).toContain('leaf');
    expect(of('restore')).toContain('leaf');
    expect(of('complete')).toContain('leaf');
  });

  test('case 68: EAGAIN from prepare asks the same device again, then goes on', () => {
    let refusals = 2;
    const patient: PmHooks = {
      ...hooks,
      call(phase, device, callback) {
        const errno = hooks.call(phase, device, callback);
        return phase === 'prepare' && device.name === 'bus' && refusals-- > 0 ? Errno.EAGAIN : errno;
      },
    };
    const { failure } = suspendStart(tree(), patient);
    expect(failure).toBeNull();
    expect(of('prepare')).toEqual(['root', 'bus', 'bus', 'bus', 'leaf', 'other']);
  });

  test('case 68: a device that never stops answering EAGAIN fails with it, and does not hang the jump', () => {
    faults.set('prepare bus', Errno.EAGAIN);
    expect(jump(tree())).toBe(Errno.EAGAIN);
    expect(of('prepare').slice(-1)).toEqual(['bus']);
    expect(of('complete')).toEqual(['root']);
  });

  test('EAGAIN from freeze is an error like any other', () => {
    faults.set('freeze bus', Errno.EAGAIN);
    expect(jump(tree())).toBe(Errno.EAGAIN);
    expect(of('freeze')).toEqual(['other', 'leaf', 'bus']);
  });
});

describe('case 69: errors on the way up', () => {
  test.each(['restoreNoirq', 'restoreEarly', 'restore', 'complete'] as const)(
    'case 69: a %s error is logged, the others go on, and the jump still returns 0',
    (phase) => {
      faults.set(`${phase} bus`, Errno.EIO);
      expect(jump(tree())).toBe(Errno.OK);
      expect(ignored).toEqual([`${phase} bus ${Errno.EIO}`]);
      expect(of(phase)).toHaveLength(4);
      expect(of('complete')).toHaveLength(4);
    },
  );

  test('case 69: errors of thaw do not replace the errno of the failure', () => {
    faults.set('freezeNoirq bus', Errno.EBUSY);
    faults.set('thawNoirq leaf', Errno.EIO);
    faults.set('thawEarly root', Errno.EIO);
    expect(jump(tree())).toBe(Errno.EBUSY);
    expect(ignored).toEqual([`thawNoirq leaf ${Errno.EIO}`, `thawEarly root ${Errno.EIO}`]);
  });

  test('case 69: a resumeSyscore error is logged too', () => {
    faults.set('resumeSyscore core', Errno.EIO);
    expect(jump([fake('core', null, { phases: SYSCORE })])).toBe(Errno.OK);
    expect(ignored).toEqual([`resumeSyscore core ${Errno.EIO}`]);
  });
});

describe('case 70: kernel threads are not frozen', () => {
  test('case 70: the timer that drives them interrupts through all device phases, until the core is suspended', () => {
    const board = new TestBoard();
    board.initializePics();
    board.out8(0x43, 0x34);
    board.out8(0x40, 100, 0);
    const ticksStillCome = (): boolean => {
      board.pass(1_000_000);
      if (!board.pic.intr()) return false;
      expect(board.pic.acknowledge()).toBe(0x20);
      board.out8(0x20, 0x20);
      return true;
    };
    const { suspended } = suspendStart(board.devices, hooks);
    expect(ticksStillCome()).toBe(true);
    expect(suspendEnd(suspended, hooks)).toBeNull();
    expect(ticksStillCome()).toBe(true);
    expect(syscoreSuspend(board.devices, hooks)).toBeNull();
    expect(ticksStillCome()).toBe(false);
  });
});

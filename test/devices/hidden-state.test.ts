// SPDX-License-Identifier: MIT
// Properties of all devices together: nothing but the bytes holds their state; a way down and up at one tick leaves no
// trace in the bytes, from wherever it turns round.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type PmHooks,
  resumeEnd,
  resumeStart,
  suspendEnd,
  suspendStart,
  syscoreResume,
  syscoreSuspend,
} from '../../kernel-worker/power-management.ts';
import { Errno } from '../../shared/errno.ts';
import { DEVICE_MAP } from '../../shared/layout/device-map.ts';
import { IO_APIC_ADDRESS, pinOfIrq } from '../../shared/layout/io-apic-state.ts';
import { LOCAL_APIC_ADDRESS } from '../../shared/layout/local-apic-state.ts';
import type { PmPhase } from '../../shared/pm-phases.ts';
import type { VirtioName } from '../../shared/virtio-places.ts';
import { TestBoard } from './test-board.ts';
import { F_EVENT_IDX, REGISTER, type RegisterName, TestDriver, WRITE } from './virtio-driver.ts';

/** One thing that happens to the board; its result must not depend on which objects stand over the bytes. */
type Event =
  | { readonly kind: 'out8' | 'out16' | 'out32'; readonly port: number; readonly value: number }
  | { readonly kind: 'in8' | 'in16' | 'in32'; readonly port: number }
  | { readonly kind: 'load'; readonly address: number }
  | { readonly kind: 'store'; readonly address: number; readonly value: number }
  | { readonly kind: 'words'; readonly count: number; readonly write: boolean }
  | { readonly kind: 'pass' | 'late'; readonly ticks: number }
  | { readonly kind: 'receive'; readonly byte: number }
  | { readonly kind: 'send'; readonly bytes: readonly number[] }
  | { readonly kind: 'line'; readonly irq: number; readonly level: boolean }
  | { readonly kind: 'disk command'; readonly code: number; readonly lba: number; readonly count: number }
  | {
      readonly kind: 'virtio write';
      readonly device: VirtioName;
      readonly register: RegisterName;
      readonly value: number;
    }
  | { readonly kind: 'virtio start'; readonly device: VirtioName; readonly features: number }
  | { readonly kind: 'virtio chain'; readonly device: VirtioName; readonly queue: number; readonly chain: Chain }
  | { readonly kind: 'type'; readonly bytes: readonly number[] }
  | { readonly kind: 'acknowledge' }
  | { readonly kind: 'host fails'; readonly errno: number };

/** A request for the block device, a buffer to fill or to transmit for the others. */
interface Chain {
  readonly first: number;
  readonly type: number;
  readonly sector: number;
  readonly length: number;
  readonly isWrite: boolean;
}

const PIC_PORTS = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1];
const PIT_PORTS = [0x40, 0x41, 0x42, 0x43, 0x61];
const UART_PORTS = [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff];
const RTC_PORTS = [0x70, 0x71];
const DISK_PORTS = [0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x3f6];
const IMCR_PORTS = [0x22, 0x23];
const I8042_PORTS = [0x60, 0x64];
const DMA_PORTS = [0x00, 0x01, 0x08, 0x0a, 0x0b, 0x0d, 0x0f, 0x81, 0x87, 0x8f, 0xc0, 0xc2, 0xd0, 0xd4, 0xda];
const OTHER_PORTS = [0x80, 0xf4, 0x1234, 0xffff];
const local = (register: number): number => LOCAL_APIC_ADDRESS + register;
const COMMANDS = [0x20, 0x30, 0x40, 0xc4, 0xc5, 0xc6, 0xe7, 0xec, 0xef, 0x90, 0x91, 0xe5, 0x00];
/** OCW2 and OCW3 worth meeting: EOIs, rotations, poll, status, special mask. */
const COMMAND_WORDS = [0x20, 0x20, 0x60, 0x64, 0xa0, 0xe3, 0xc5, 0x0a, 0x0b, 0x0c, 0x0c, 0x0c, 0x48, 0x68];

const byte = fc.nat({ max: 0xff });
const ticks = fc.oneof(fc.nat({ max: 2000 }), fc.nat({ max: 200_000 }), fc.nat({ max: 3e9 }));

function traffic(ports: readonly number[]): fc.Arbitrary<Event> {
  const port = fc.constantFrom(...ports);
  return fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('out8' as const), port, value: byte }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('in8' as const), port }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('pass' as const, 'late' as const), ticks }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'acknowledge' as const }) },
  );
}

const picTraffic: fc.Arbitrary<Event> = fc.oneof(
  { weight: 1, arbitrary: traffic(PIC_PORTS) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('line' as const),
      irq: fc.constantFrom(3, 6, 7, 13),
      level: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('out8' as const),
      port: fc.constantFrom(0x20, 0xa0),
      value: fc.constantFrom(...COMMAND_WORDS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('in8' as const), port: fc.constantFrom(0x20, 0xa0) }) },
);

const diskTraffic: fc.Arbitrary<Event> = fc.oneof(
  traffic(DISK_PORTS),
  fc.record({
    kind: fc.constant('disk command' as const),
    code: fc.constantFrom(0x20, 0x30, 0xc4, 0xc5, 0xc6, 0xec),
    lba: fc.nat({ max: 70 }),
    count: fc.constantFrom(1, 2, 4, 8),
  }),
  // Small numbers in the registers, so that commands find their sectors; then commands, time and data.
  fc.record({
    kind: fc.constant('out8' as const),
    port: fc.constantFrom(0x1f2, 0x1f3),
    value: fc.nat({ max: 70 }),
  }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constantFrom(0x1f4, 0x1f5), value: fc.constant(0) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constant(0x1f6), value: fc.constantFrom(0xe0, 0xa0, 0xb0) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constant(0x1f7), value: fc.constantFrom(...COMMANDS) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constant(0x3f6), value: fc.constantFrom(0, 0, 2, 4) }),
  fc.record({ kind: fc.constant('pass' as const), ticks: fc.constant(100_000) }),
  fc.record({ kind: fc.constant('words' as const), count: fc.constantFrom(1, 7, 256, 600), write: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('in32' as const), port: fc.constant(0x1f0) }),
  fc.record({ kind: fc.constantFrom('out32' as const), port: fc.constant(0x1f0), value: fc.integer() }),
  fc.record({ kind: fc.constant('host fails' as const), errno: fc.constantFrom(Errno.OK, Errno.OK, Errno.EIO) }),
);

const pitTraffic: fc.Arbitrary<Event> = fc.oneof(
  traffic(PIT_PORTS),
  // Counter 2 with a small count, its gate, and steps of a few CLK pulses.
  fc.record({
    kind: fc.constant('out8' as const),
    port: fc.constant(0x43),
    value: fc.constantFrom(0x90, 0x92, 0x94, 0x96, 0x98, 0x9a, 0xe8),
  }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constant(0x42), value: fc.nat({ max: 9 }) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constant(0x61), value: fc.constantFrom(0, 1) }),
  fc.record({ kind: fc.constant('in8' as const), port: fc.constantFrom(0x42, 0x61) }),
  fc.record({ kind: fc.constant('pass' as const), ticks: fc.nat({ max: 5000 }) }),
);

const uartTraffic: fc.Arbitrary<Event> = fc.oneof(
  traffic(UART_PORTS),
  fc.record({ kind: fc.constant('receive' as const), byte }),
  fc.record({ kind: fc.constant('send' as const), bytes: fc.array(byte, { maxLength: 20 }) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constantFrom(0x3f8, 0x3fa), value: byte }),
  // Eight bits, interrupts on, FIFOs on, and the time of a character timeout.
  fc.record({
    kind: fc.constant('out8' as const),
    port: fc.constantFrom(0x3f9, 0x3fa, 0x3fb),
    value: fc.constantFrom(0x03, 0x81, 0x0f),
  }),
  fc.record({ kind: fc.constant('pass' as const), ticks: fc.constant(5_000_000) }),
  fc.record({ kind: fc.constant('in8' as const), port: fc.constantFrom(0x3f8, 0x3fa) }),
);

const localRegister = fc.constantFrom(
  ...[0x20, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x180, 0x200, 0x280, 0x300, 0x310, 0x320, 0x350, 0x370],
  ...[0x380, 0x390, 0x3e0, 0x400],
);
/** Vectors of few classes, delivery modes, masks, triggers, shorthands. */
const command = fc
  .tuple(fc.constantFrom(5, 0x31, 0x32, 0x41, 0xf0), fc.nat({ max: 0xff }), fc.nat({ max: 0xfff }))
  .map(([vector, modes, rest]) => vector | ((modes & rest) << 8) | ((rest & 0xf) << 16));

const apicTraffic: fc.Arbitrary<Event> = fc.oneof(
  { weight: 2, arbitrary: traffic(IMCR_PORTS) },
  fc.record({ kind: fc.constant('out8' as const), port: fc.constantFrom(0x22), value: fc.constant(0x70) }),
  fc.record({ kind: fc.constant('out8' as const), port: fc.constantFrom(0x23), value: fc.constantFrom(0, 1) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('load' as const), address: localRegister.map(local) }) },
  fc.record({ kind: fc.constant('store' as const), address: localRegister.map(local), value: fc.integer() }),
  // Enabled, commands to itself, EOI, a timer of a few microseconds.
  fc.record({ kind: fc.constant('store' as const), address: fc.constant(local(0xf0)), value: fc.constant(0x1ff) }),
  fc.record({
    kind: fc.constant('store' as const),
    address: fc.constantFrom(0x300, 0x320, 0x350, 0x370).map(local),
    value: command,
  }),
  fc.record({ kind: fc.constant('store' as const), address: fc.constant(local(0xb0)), value: fc.constant(0) }),
  fc.record({
    kind: fc.constant('store' as const),
    address: fc.constantFrom(0x380, 0x3e0).map(local),
    value: fc.nat({ max: 1000 }),
  }),
  fc.record({ kind: fc.constant('pass' as const), ticks: fc.nat({ max: 20_000 }) }),
  // Redirection entries.
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      address: fc.constant(IO_APIC_ADDRESS),
      value: fc.nat({ max: 0x3f }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('store' as const),
      address: fc.constant(IO_APIC_ADDRESS + 0x10),
      value: command,
    }),
  },
  fc.record({ kind: fc.constant('load' as const), address: fc.constant(IO_APIC_ADDRESS + 0x10) }),
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('line' as const),
      irq: fc.constantFrom(3, 6, 7, 13),
      level: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: 'acknowledge' as const }) },
);

const i8042Traffic: fc.Arbitrary<Event> = fc.oneof(
  traffic(I8042_PORTS),
  fc.record({
    kind: fc.constant('out8' as const),
    port: fc.constant(0x64),
    value: fc.constantFrom(0x20, 0x60, 0x60, 0xa7, 0xa8, 0xaa, 0xd0, 0xd1, 0xd2, 0xd3, 0xd4, 0xfe),
  }),
);

const device = fc.constantFrom('virtio-block0' as const, 'virtio-console' as const, 'virtio-entropy' as const);

/** A driver that makes no mistake; some of its requests are refused. */
const virtioTraffic: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ kind: fc.constant('virtio start' as const), device, features: fc.constantFrom(0, F_EVENT_IDX) }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('virtio chain' as const),
      device,
      queue: fc.nat({ max: 1 }),
      chain: fc.record({
        first: fc.constantFrom(0, 3),
        type: fc.constantFrom(0, 1, 4, 8, 99),
        sector: fc.nat({ max: 70 }),
        length: fc.constantFrom(1, 512, 1024),
        isWrite: fc.boolean(),
      }),
    }),
  },
  fc.record({ kind: fc.constant('type' as const), bytes: fc.array(byte, { maxLength: 20 }) }),
  fc.record({
    kind: fc.constant('virtio write' as const),
    device,
    register: fc.constantFrom('queueSel' as const, 'queueNotify' as const, 'interruptACK' as const),
    value: fc.nat({ max: 3 }),
  }),
  fc.record({ kind: fc.constant('pass' as const), ticks: fc.constantFrom(500, 1000, 20_000) }),
  fc.constant({ kind: 'acknowledge' as const }),
);

/** One that makes them. */
const badVirtioTraffic: fc.Arbitrary<Event> = fc.oneof(
  { weight: 3, arbitrary: virtioTraffic },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('virtio write' as const),
      device,
      register: fc.constantFrom(...(Object.keys(REGISTER) as RegisterName[])),
      value: fc.nat({ max: 0x80 }),
    }),
  },
);

const otherTraffic: fc.Arbitrary<Event> = fc.oneof(
  traffic(OTHER_PORTS),
  fc.record({ kind: fc.constantFrom('in16' as const, 'in32' as const), port: fc.nat({ max: 0xffff }) }),
  fc.record({
    kind: fc.constantFrom('out16' as const, 'out32' as const),
    port: fc.constantFrom(...OTHER_PORTS),
    value: fc.integer(),
  }),
);

const TRAFFIC: Record<string, fc.Arbitrary<Event>> = {
  pic: picTraffic,
  'local-apic and io-apic': apicTraffic,
  pit: pitTraffic,
  uart0: uartTraffic,
  rtc: traffic(RTC_PORTS),
  i8042: i8042Traffic,
  dma: traffic(DMA_PORTS),
  disk0: diskTraffic,
  virtio: badVirtioTraffic,
  'bus, post and debug-exit': otherTraffic,
  'all devices': fc.oneof(
    picTraffic,
    apicTraffic,
    pitTraffic,
    uartTraffic,
    traffic(RTC_PORTS),
    i8042Traffic,
    traffic(DMA_PORTS),
    diskTraffic,
    virtioTraffic,
  ),
};

function happen(board: TestBoard, event: Event): unknown {
  switch (event.kind) {
    case 'out8':
      return board.bus.write8(event.port, event.value);
    case 'out16':
      return board.bus.write16(event.port, event.value);
    case 'out32':
      return board.bus.write32(event.port, event.value);
    case 'in8':
      return board.bus.read8(event.port);
    case 'in16':
      return board.bus.read16(event.port);
    case 'in32':
      return board.bus.read32(event.port);
    case 'load':
      return board.bus.readMemory(event.address, 4);
    case 'store':
      return board.bus.writeMemory(event.address, 4, event.value);
    case 'words': {
      const words: number[] = [];
      for (let index = 0; index < event.count; index++) {
        if (event.write) board.bus.write16(0x1f0, index * 3);
        else words.push(board.bus.read16(0x1f0));
      }
      return words;
    }
    case 'pass':
      board.pass(boundedTicks(board, event.ticks));
      return board.nextDeadline();
    case 'late':
      // Deadlines are not looked at on the way, as in the middle of a long step.
      board.tick += event.ticks;
      return null;
    case 'receive':
      return board.uart.receive(event.byte);
    case 'send':
      board.uart.send(event.bytes.slice(0, board.uart.wireRoom));
      return board.uart.wireRoom;
    case 'line':
      board.pic.setLine(event.irq, event.level);
      board.ioApic.setLine(pinOfIrq(event.irq), event.level);
      return board.localApic.intr();
    case 'disk command':
      board.out8(0x1f6, 0xe0);
      for (const [port, value] of [
        [0x1f2, event.count],
        [0x1f3, event.lba],
        [0x1f4, 0],
        [0x1f5, 0],
        [0x1f7, event.code],
      ] as const) {
        board.out8(port, value);
      }
      board.pass(100_000);
      return board.in8(0x3f6);
    case 'virtio write':
      driverOf(board, event.device).write(event.register, event.value);
      return null;
    case 'virtio start': {
      const driver = driverOf(board, event.device);
      return driver.start({ features: event.features, queues: event.device === 'virtio-console' ? 2 : 1 });
    }
    case 'virtio chain':
      return giveChain(driverOf(board, event.device), event.device, event.queue, event.chain);
    case 'type':
      board.virtioConsole.send(event.bytes.slice(0, board.virtioConsole.wireRoom));
      return board.virtioConsole.spokeLast;
    case 'acknowledge':
      return board.localApic.intr() ? board.localApic.acknowledge() : null;
    case 'host fails':
      if (board.store) board.store.failWith = event.errno;
      return null;
  }
}

const driverOf = (board: TestBoard, name: VirtioName) =>
  new TestDriver(board, name, { place: Object.keys(board.virtio).indexOf(name) });

/** Behind the drivers' queues. */
const HEADER = 0x8000;
const DATA = 0x9000;

/** Gives a chain to a queue that is ready. What becomes of it is in the memory and the registers. */
function giveChain(driver: TestDriver, name: VirtioName, queue: number, chain: Chain): unknown {
  const { view } = driver.board.ram;
  const { first, type, sector, length, isWrite } = chain;
  driver.write('queueSel', queue);
  if (driver.read('queueReady') === 0) return null;
  const header = HEADER + 16 * first;
  view.setUint32(header, type, true);
  view.setUint32(header + 8, sector, true);
  const data = { at: DATA + 1024 * first, length, flags: isWrite ? WRITE : 0 };
  const status = { at: header + 128, length: 1, flags: WRITE };
  if (name === 'virtio-block0') driver.give(queue, [{ at: header, length: 16 }, data, status], { first });
  else driver.give(queue, [{ ...data, flags: name === 'virtio-entropy' || queue === 0 ? WRITE : 0 }], { first });
  return [driver.read('status'), driver.read('interruptStatus')];
}

/** A random program may make a timer fire every microsecond: then less time passes, for the test's sake. */
function boundedTicks(board: TestBoard, wanted: number): number {
  const gap = Math.max(1000, board.nextDeadline() - board.tick);
  return Math.min(wanted, gap * 200);
}

function start(): TestBoard {
  const board = new TestBoard();
  board.initializePics();
  return board;
}

const OPTIONS = { seed: 2008, numRuns: 500 };

describe('no device hides state', () => {
  test.each(Object.entries(TRAFFIC))('%s: other objects over a copy of the bytes go on identically', (_name, event) => {
    const events = fc.array(event, { minLength: 1, maxLength: 80, size: 'max' });
    fc.assert(
      fc.property(events, events, (before, after) => {
        const first = start();
        for (const each of before) happen(first, each);
        const second = first.rebuild();
        first.sent.length = 0;
        if (first.store) first.store.log.length = 0;
        for (const each of after) expect(happen(second, each)).toEqual(happen(first, each));
        expect(changed(second, first.bytes)).toEqual([]);
        expect(second.sent).toEqual(first.sent);
        expect(second.store?.log).toEqual(first.store?.log);
        expect(Buffer.compare(second.ram.bytes, first.ram.bytes)).toBe(0);
      }),
      OPTIONS,
    );
  });

  test('a reset gives the same bytes whatever was there before', () => {
    fc.assert(
      fc.property(fc.array(TRAFFIC['all devices']!, { maxLength: 60 }), (events) => {
        const fresh = new TestBoard();
        const used = start();
        for (const each of events) happen(used, each);
        used.tick = 0;
        used.bus.reset();
        for (const device of used.devices) device.reset();
        expect(changed(used, fresh.bytes)).toEqual([]);
      }),
      { ...OPTIONS, numRuns: 100 },
    );
  });
});

/** Goes down as far as it may and up again; call number `refusedCall` answers EIO. The callbacks called, in order. */
function downAndUp(board: TestBoard, refusedCall: number): PmPhase[] {
  const calls: PmPhase[] = [];
  const hooks: PmHooks = {
    call(phase, _device, callback) {
      calls.push(phase);
      return calls.length - 1 === refusedCall ? Errno.EIO : callback();
    },
    ignored() {},
  };
  const { suspended, failure } = suspendStart(board.devices, hooks);
  if (failure) return calls;
  if (!suspendEnd(suspended, hooks)) {
    if (!syscoreSuspend(board.devices, hooks)) syscoreResume(board.devices, hooks);
    resumeStart(suspended, hooks);
  }
  resumeEnd(suspended, hooks);
  return calls;
}

/** All the way down, as a system that is parked. */
function goDown(board: TestBoard): void {
  const hooks: PmHooks = { call: (_phase, _device, callback) => callback(), ignored() {} };
  const { suspended, failure } = suspendStart(board.devices, hooks);
  expect([failure, suspendEnd(suspended, hooks), syscoreSuspend(board.devices, hooks)]).toEqual([null, null, null]);
}

describe('down and up at one tick', () => {
  const states = fc.array(TRAFFIC['all devices']!, { maxLength: 80 });

  /** No command is in flight behind it. */
  function drain(board: TestBoard): void {
    for (const disk of [board.disk, ...Object.values(board.virtio)]) disk.pm.freeze!();
  }

  /** A board in a random state, with no command in flight: the freeze would complete it. */
  function quietBoard(events: readonly Event[]): TestBoard {
    const board = start();
    for (const each of events) happen(board, each);
    if (board.store) board.store.failWith = Errno.OK;
    drain(board);
    return board;
  }

  test('leaves the bytes of every device as they were', () => {
    fc.assert(
      fc.property(states, (events) => {
        const board = quietBoard(events);
        const before = board.snapshot();
        const calls = downAndUp(board, -1);
        expect(calls).toContain('suspendSyscore');
        expect(calls).toContain('restoreNoirq');
        expect(changed(board, before)).toEqual([]);
      }),
      OPTIONS,
    );
  });

  test('leaves them as they were whichever callback on the way down refuses', () => {
    fc.assert(
      fc.property(states, (events) => {
        const board = quietBoard(events);
        const before = board.snapshot();
        const down = downAndUp(board, -1).indexOf('resumeSyscore');
        expect(down).toBeGreaterThan(4);
        for (let refused = 0; refused < down; refused++) {
          downAndUp(board, refused);
          expect(changed(board, before)).toEqual([]);
        }
      }),
      { ...OPTIONS, numRuns: 150 },
    );
  });

  test('asks for no interrupt a second time that is in service while its line is still high', () => {
    const board = start();
    board.out8(0x3fc, 0x08);
    board.out8(0x3f9, 0x01);
    board.uart.receive(0x41);
    board.out8(0x70, 0x0b);
    board.out8(0x71, 0x12);
    board.out8(0x1f7, 0xe5);
    board.pass(1e9);
    for (const vector of [0x28, 0x2e, 0x24]) {
      expect(board.pic.acknowledge()).toBe(vector);
      if (vector >= 0x28) board.out8(0xa0, 0x20);
      board.out8(0x20, 0x20);
    }
    const before = board.snapshot();
    expect(board.pic.intr()).toBe(false);
    downAndUp(board, -1);
    expect(board.pic.intr()).toBe(false);
    expect(changed(board, before)).toEqual([]);
  });

  test('leaves no trace either if a new system inherited the devices frozen by another', () => {
    fc.assert(
      fc.property(states, states, (events, laterEvents) => {
        const board = quietBoard(events);
        goDown(board);
        for (const device of board.devices) device.pm.inherit?.();
        for (const each of laterEvents) happen(board, each);
        drain(board);
        const before = board.snapshot();
        downAndUp(board, -1);
        expect(changed(board, before)).toEqual([]);
      }),
      { ...OPTIONS, numRuns: 100 },
    );
  });

  test('devices frozen by another work for a new system that programs them', () => {
    const board = start();
    goDown(board);
    for (const device of board.devices) device.pm.inherit?.();
    board.initializePics();
    board.out8(0x3fc, 0x08);
    board.out8(0x3f9, 0x01);
    board.uart.receive(0x42);
    expect(board.pic.acknowledge()).toBe(0x24);
    board.out8(0x20, 0x20);
    board.out8(0x43, 0x34);
    board.out8(0x40, 100, 0);
    board.pass(1_000_000);
    expect(board.pic.acknowledge()).toBe(0x20);
  });

  test('changes bytes on the way, so that it has something to bring back', () => {
    const board = start();
    board.out8(0x3f9, 0x0f);
    const before = board.snapshot();
    goDown(board);
    for (const name of [
      'pic',
      'pit',
      'local-apic',
      'io-apic',
      'uart0',
      'rtc',
      'i8042',
      'ide0',
      'ide1',
      'virtio-block0',
    ])
      expect(changed(board, before)).toContain(name);
  });

  test('leaves no device busy in between', () => {
    fc.assert(
      fc.property(states, (events) => {
        const board = start();
        for (const each of events) happen(board, each);
        if (board.store) board.store.failWith = Errno.OK;
        goDown(board);
        expect(board.devices.map((device) => device.busyReason()).filter((reason) => reason !== null)).toEqual([]);
      }),
      OPTIONS,
    );
  });
});

/** Names of the devices whose records differ from `before`: nothing else of the region may differ either. */
function changed(board: TestBoard, before: Uint8Array): string[] {
  if (Buffer.compare(board.bytes, before) === 0) return [];
  const names = DEVICE_MAP.filter(
    ({ layout: { bytes }, offset }) =>
      Buffer.compare(board.bytes.subarray(offset, offset + bytes), before.subarray(offset, offset + bytes)) !== 0,
  ).map(({ name }) => name);
  return names.length > 0 ? names : ['a gap between the records'];
}

// SPDX-License-Identifier: MIT
//
// The composition root of a kernel's thread: memory, CPU, clock, bus and devices over the machine's bytes, wired once. Nothing
// else makes a device. The board keeps caches only; a new one over the same bytes goes on identically.

import { ConsoleInput, INPUT_ENTRY_MAX } from '../shared/console-input.ts';
import { CONSOLE_PAUSE_TICKS, ConsoleRing } from '../shared/console-ring.ts';
import { assert } from '../shared/errors.ts';
import { kernelKey } from '../shared/frames.ts';
import { Request } from '../shared/jump-lines.ts';
import type { KernelSlot } from '../shared/kernel-slot.ts';
import { deviceOffset } from '../shared/layout/device-map.ts';
import { pinOfIrq } from '../shared/layout/io-apic-state.ts';
import { GENERATION_ID_BYTES } from '../shared/layout/kernel-slot.ts';
import { KernelState } from '../shared/lifecycle.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import { MachineViews } from '../shared/machine-views.ts';
import { DEVICE_NAMES } from '../shared/pm-phases.ts';
import type { Signal, ThreadOptions } from '../shared/protocol.ts';
import { StopCode } from '../shared/stop.ts';
import { TraceRing, TraceType } from '../shared/trace-ring.ts';
import { hex, PAGE_SIZE } from '../shared/units.ts';
import { VIRTIO_PLACES, type VirtioName } from '../shared/virtio-places.ts';
import { Bus } from './bus.ts';
import { BusMaster } from './bus-master.ts';
import { DebugExit } from './devices/debug-exit.ts';
import type { Device } from './devices/device.ts';
import { Disk } from './devices/disk.ts';
import { Dma } from './devices/dma.ts';
import { FileStore } from './devices/file-store.ts';
import { KeyboardController } from './devices/i8042.ts';
import { Ide } from './devices/ide.ts';
import { IdentityPorts } from './devices/identity-ports.ts';
import { IoApic } from './devices/io-apic.ts';
import { LocalApic } from './devices/local-apic.ts';
import { Pic } from './devices/pic.ts';
import { Pit } from './devices/pit.ts';
import { Platform } from './devices/platform.ts';
import { Post } from './devices/post.ts';
import { Rtc } from './devices/rtc.ts';
import { SystemControl } from './devices/system-control.ts';
import { Uart } from './devices/uart.ts';
import { VirtioBlock } from './devices/virtio/virtio-block.ts';
import { VirtioConsole } from './devices/virtio/virtio-console.ts';
import { VirtioDevice } from './devices/virtio/virtio-device.ts';
import { VirtioEntropy } from './devices/virtio/virtio-entropy.ts';
import type { VirtioFunction } from './devices/virtio/virtio-function.ts';
import { isReceiving } from './serial-line.ts';

export class Board extends MachineViews {
  readonly options: ThreadOptions;
  readonly bus: Bus;
  readonly busMaster: BusMaster;
  readonly pic: Pic;
  readonly localApic: LocalApic;
  readonly uart: Uart;
  private readonly virtioConsole: VirtioConsole;
  readonly debugExit: DebugExit;
  /** Registration order: parents before children. Indices name devices in traces and fault plans. */
  readonly devices: readonly Device[];
  readonly signal: (signal: Signal) => void;
  private readonly ring: TraceRing;
  private readonly slotIndex: number;
  private readonly input: ConsoleInput;
  private readonly nudge: () => void;
  private readonly store: FileStore | null;
  private readonly secondStore: FileStore | null;
  private readonly deadlineDevices: readonly Device[];
  /** Cache of the earliest deadline; port accesses and device events make it stale. */
  private deadline = 0;
  private deadlineStale = true;
  private readonly line = new Uint8Array(LINE_BYTES);
  private lineLength = 0;
  private firstTick = 0;
  private lastTick = 0;

  constructor(machine: MachineMemory, slotIndex: number, options: ThreadOptions, signal: (signal: Signal) => void) {
    super(machine, kernelKey(slotIndex));
    this.options = options;
    this.slotIndex = slotIndex;
    this.input = new ConsoleInput(machine, slotIndex);
    this.signal = signal;
    this.nudge = () => signal({ kind: 'drain' });
    this.ring = new TraceRing(machine);

    const records = machine.region('devices').offset;
    const part = (name: string) => ({ view: machine.view, base: records + deviceOffset(name), clock: this.clock });
    this.bus = new Bus(part('bus'));
    this.pic = new Pic(part('pic'));
    this.localApic = new LocalApic({
      ...part('local-apic'),
      pic: this.pic,
      endOfInterrupt: (vector) => ioApic.endOfInterrupt(vector),
    });
    const ioApic = new IoApic({ ...part('io-apic'), send: (...message) => this.localApic.receive(...message) });
    const irq = (line: number) => (level: boolean) => {
      this.pic.setLine(line, level);
      ioApic.setLine(pinOfIrq(line), level);
    };
    const pit = new Pit({ ...part('pit'), irq: irq(0) });
    const uartTransmit = (byte: number) => {
      this.virtioConsole.spokeLast = false;
      this.transmit(byte);
    };
    this.uart = new Uart({ ...part('uart0'), irq: irq(4), transmit: uartTransmit });
    const memoryBytes = machine.geometry.ramPages * PAGE_SIZE;
    const outsideSeconds = () => this.clock.outsideSeconds;
    const unixSeconds = options.rtcSeconds;
    const rtc = new Rtc({ ...part('rtc'), irq: irq(8), unixSeconds, memoryBytes, outsideSeconds });
    const identity = new IdentityPorts(outsideSeconds, () => this.currentSlot?.generationId ?? NOBODY);
    const system = new SystemControl(this.cpu, () => this.currentSlot?.set('request', Request.reset));
    const i8042 = new KeyboardController({ ...part('i8042'), irq1: irq(1), irq12: irq(12), system });
    const dma = new Dma(part('dma'));
    this.store = options.disk === null ? null : new FileStore(options.disk);
    this.secondStore = options.secondDisk === null ? null : new FileStore(options.secondDisk);
    const onAta = (store: FileStore | null) => (options.virtio ? null : store);
    const onVirtio = (store: FileStore | null) => (options.virtio ? store : null);
    const disk0 = new Disk('disk0', { ...part('disk0'), store: onAta(this.store) });
    const ide0 = new Ide('ide0', { ...part('ide0'), irq: irq(14), disk: disk0 });
    const disk1 = new Disk('disk1', { ...part('disk1'), store: onAta(this.secondStore) });
    const ide1 = new Ide('ide1', { ...part('ide1'), irq: irq(15), disk: disk1 });
    this.busMaster = new BusMaster(
      this.memory,
      () => this.currentSlot?.windows ?? [],
      (device, physAddr) => this.stopForStray(device, physAddr),
    );
    this.virtioConsole = new VirtioConsole(part('virtio-console'), {
      transmit: (byte) => this.transmit(byte),
      endLine: () => this.endLine(),
    });
    const virtioDevice = (name: VirtioName, what: VirtioFunction) => {
      const { address, irq: line } = VIRTIO_PLACES[name];
      return new VirtioDevice(name, { ...part(name), irq: irq(line), memory: this.busMaster, address, function: what });
    };
    const virtio = [
      virtioDevice('virtio-block0', new VirtioBlock(part('virtio-block0'), 'kjump-disk0', onVirtio(this.store))),
      virtioDevice('virtio-block1', new VirtioBlock(part('virtio-block1'), 'kjump-disk1', onVirtio(this.secondStore))),
      virtioDevice('virtio-console', this.virtioConsole),
      virtioDevice('virtio-entropy', new VirtioEntropy(part('virtio-entropy'), () => this.clock.seed)),
    ];
    const post = new Post(part('post'));
    this.debugExit = new DebugExit(part('debug-exit'));
    const interrupts = [this.pic, this.localApic, ioApic];
    const onBus = [...interrupts, pit, this.uart, rtc, system, i8042, dma, ide0, ide1, ...virtio, post, this.debugExit];
    identity.attach(this.bus);
    for (const device of onBus) device.attach(this.bus);
    const drives = [ide0, disk0, ide1, disk1, ...virtio];
    this.devices = [new Platform(), ...interrupts, pit, rtc, this.uart, i8042, dma, ...drives, post, this.debugExit];
    assert(
      this.devices.every((device, i) => device.name === DEVICE_NAMES[i]),
      'the devices are not in the order of their names',
    );
    this.deadlineDevices = [this.localApic, pit, rtc, this.uart, ide0, ide1, ...virtio];
  }

  /** Gives the host's files back; the next use opens them again. */
  close(): void {
    this.store?.close();
    this.secondStore?.close();
  }

  /** Power-on: once in the life of a machine. */
  powerOn(): void {
    if (this.clock.poweredOn) return;
    for (const device of this.devices) device.reset();
    this.clock.poweredOn = true;
  }

  // ---- time -------------------------------------------------------------------------------------------------------

  /** Lets virtual time pass and runs what falls due. */
  passTime(deltaTicks: number): void {
    const now = this.clock.advance(deltaTicks);
    if (now >= this.nextDeadline()) this.runDeadlines(now);
  }

  nextDeadline(): number {
    const inputTick = this.input.isEmpty ? Number.POSITIVE_INFINITY : this.takeInput();
    if (this.deadlineStale) {
      this.deadline = Number.POSITIVE_INFINITY;
      for (const device of this.deadlineDevices) this.deadline = Math.min(this.deadline, device.deadlineTick());
      this.deadlineStale = false;
    }
    return Math.min(this.deadline, inputTick);
  }

  /**
   * What the host has typed goes to the serial line, or to the virtio console, as far as there is room on the wire. Called wherever
   * deadlines are looked at: before the first instruction of a slice, and behind each event. Gives the tick from which on there is
   * more to take; what waits for room waits for a deadline of the device, and what waits for a port that receives for an access to it.
   */
  private takeInput(): number {
    const { input } = this;
    const now = this.clock.nowTick();
    const line = this.virtioConsole.spokeLast ? this.virtioConsole : this.uart;
    const heedsRTS = this.slots[this.slotIndex].get('heedsRTS') === 1;
    if (line === this.uart && heedsRTS && !isReceiving(this.machine)) return Number.POSITIVE_INFINITY;
    while (line.wireRoom >= INPUT_ENTRY_MAX && input.nextTick() <= now) {
      const bytes = input.take();
      line.send(bytes);
      this.trace(TraceType.input, this.slotIndex, this.wallNow(), 0, bytes.length);
      this.deadlineStale = true;
    }
    const nextTick = input.nextTick();
    return nextTick > now ? nextTick : Number.POSITIVE_INFINITY;
  }

  /** Something outside `passTime` may have moved a deadline: a port access, a restore, a switch. */
  touchDeadlines(): void {
    this.deadlineStale = true;
  }

  private runDeadlines(now: number): void {
    for (const device of this.deadlineDevices) if (device.deadlineTick() <= now) device.onDeadline(now);
    this.deadlineStale = true;
  }

  /** HLT: time skips to the next deadline, or to `limitTick`. False if nothing would ever wake the CPU. */
  skipToDeadline(limitTick: number): boolean {
    const target = Math.min(this.nextDeadline(), limitTick);
    if (!Number.isFinite(target)) return false;
    this.passTime(Math.max(0, target - this.clock.nowTick()));
    return true;
  }

  /** Acknowledges the interrupt that the CPU takes now: its vector, or −1. */
  pendingInterrupt(): number {
    return this.cpu.interruptsEnabled && this.localApic.intr() ? this.localApic.acknowledge() : -1;
  }

  // ---- what the host sees -----------------------------------------------------------------------------------------

  /** Wall clock in µs since the machine was made; the same clock in every thread. */
  wallNow(): number {
    return performance.now() * 1000 + WALL_OFFSET - this.options.wallZero;
  }

  trace(type: number, kernel: number, wall: number, duration: number, a = 0, b = 0, c = 0, d = 0): void {
    this.traceAt(this.clock.nowTick(), type, kernel, wall, duration, a, b, c, d);
  }

  /** The same of something that is said later than it was. */
  traceAt(
    tick: number,
    type: number,
    kernel: number,
    wall: number,
    duration: number,
    a = 0,
    b = 0,
    c = 0,
    d = 0,
  ): void {
    this.ring.push(this.nudge, type, kernel, tick, wall, duration, a, b, c, d);
  }

  /** Writes to the kernel's console; waits while its ring is full. While the console is suspended the host hears later. */
  writeConsole(slot: KernelSlot, bytes: Uint8Array, lastTick = this.clock.nowTick(), ticks = 0): void {
    const ring = new ConsoleRing(this.machine, slot.index);
    for (let done = 0; done < bytes.length; ) {
      const written = ring.write(bytes.subarray(done));
      done += written;
      const held = slot.get('consoleHeld');
      if (written > 0 && held === 0) {
        const { console } = TraceType;
        this.ring.push(
          this.nudge,
          console,
          slot.index,
          lastTick,
          this.wallNow(),
          0,
          written,
          done === written ? ticks : 0,
        );
      } else if (written > 0) slot.set('consoleHeld', held + written);
      else if (held > 1) {
        // Nobody can read what has not been announced: a full ring of a suspended console drops the rest.
        return;
      } else {
        this.nudge();
        ring.waitForRoom();
      }
    }
  }

  /**
   * A UART writes byte by byte; what is written in one slice, up to a line or a pause, is one event. A slice is over before anybody
   * looks: between slices nothing is kept here.
   */
  private transmit(byte: number): void {
    const now = this.clock.nowTick();
    if (now - this.lastTick >= CONSOLE_PAUSE_TICKS) this.endLine();
    if (this.lineLength === 0) this.firstTick = now;
    this.lastTick = now;
    this.line[this.lineLength++] = byte;
    if (byte === NEWLINE || this.lineLength === LINE_BYTES) this.endLine();
  }

  /** Writes out what has been transmitted in this slice. */
  endLine(): void {
    const current = this.currentSlot;
    if (this.lineLength > 0 && current !== null) {
      this.writeConsole(current, this.line.subarray(0, this.lineLength), this.lastTick, this.lastTick - this.firstTick);
    }
    this.lineLength = 0;
  }

  /** The kernel's driver gave a device an address outside its windows: nothing was stored there, and the kernel ends. */
  private stopForStray(device: string, physAddr: number): void {
    const text = `a store of ${device} at ${hex(physAddr)} is outside the kernel's windows`;
    this.currentSlot?.setStop(StopCode.windowViolation, physAddr, text);
    this.currentSlot?.set('request', Request.stop);
  }

  /** Slot of the kernel with this name; undefined if there is none. */
  slotNamed(name: string): number | undefined {
    return this.slots.find((slot) => slot.state !== KernelState.EMPTY && slot.name === name)?.index;
  }
}

const LINE_BYTES = 256;
const NOBODY = new Uint8Array(GENERATION_ID_BYTES);
const NEWLINE = 0x0a;

/** From performance.now() of this thread to process.hrtime, in µs: the smallest of several readings. */
const WALL_OFFSET = (() => {
  let best = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let i = 0; i < 50; i++) {
    const before = performance.now();
    const clock = process.hrtime.bigint();
    const after = performance.now();
    if (after - before >= best) continue;
    best = after - before;
    offset = Number(clock) / 1000 - ((before + after) / 2) * 1000;
  }
  return offset;
})();

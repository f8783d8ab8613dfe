// SPDX-License-Identifier: MIT
//
// A PC on which Linux is booted and typed to: kjump's machine, and the npm package v86 with the same bytes in memory. v86 loads a
// kernel with the help of a BIOS, which is not in the package; here kjump's loader does it, and a ROM enters what it has loaded.
import type { V86 } from 'v86';
import { BZIMAGE, type LinuxShell } from '../examples/linux-guest.ts';
import { createMachine, type Machine } from '../orchestrator/index.ts';
import { loadProgram } from '../orchestrator/loaders/load-program.ts';
import type { Program } from '../orchestrator/loaders/program.ts';
import { check } from './report.ts';
import { createV86 } from './v86.ts';

const MEMORY_MIB = 128;
/** The ROM ends at 1 MiB, within the segment F000. */
const ROM_BYTES = 4096;
const RESET_SEGMENT = 0xf000;
const RESET_OFFSET = 0xfff0;
const ROM_START = 0x10000 - ROM_BYTES;
/** Where GDTR's value lies in the ROM. */
const GDTR = 0x80;
/** The selectors of the boot protocol, and the descriptors up to them (Documentation/arch/x86/boot.rst). */
const BOOT_CS = 0x10;
const BOOT_DS = 0x18;
const GDT_BYTES = 0x20;
const HASH = 0x23;
const SPACE = 0x20;
/** What a terminal does not show of what a shell writes. */
const CONTROLS = /\x1b\[[0-9;?]*[A-Za-z]|\r/g;

export interface LinuxPc {
  /** Powers it on. */
  boot(initrd: string, append: string): Promise<LinuxShell>;
  /** The system to which the first one has just been told to jump, for the first time. */
  second(): Promise<LinuxShell>;
}

export class OwnPc implements LinuxPc {
  private machine: Machine | null = null;

  async boot(initrd: string, append: string): Promise<LinuxShell> {
    this.machine = await createMachine({ memory: `${MEMORY_MIB}M` });
    return this.machine.boot(BZIMAGE, { initrd, append });
  }

  async second(): Promise<LinuxShell> {
    await this.machine!.run({ switches: 1 });
    return this.machine!.kernels[1];
  }
}

export class V86Pc implements LinuxPc {
  readonly console = new V86Console();

  async boot(initrd: string, append: string): Promise<LinuxShell> {
    const memory = MEMORY_MIB * 1024 ** 2;
    const program = await loadProgram(BZIMAGE, { base: 0, memory, initrd, append });
    const emulator = await createV86(entryRom(program), MEMORY_MIB);
    for (const { bytes, physAddr } of program.segments) emulator.write_memory(bytes, physAddr);
    this.console.attach(emulator);
    await emulator.run();
    return this;
  }

  /** Both systems have the one serial port. */
  async second(): Promise<LinuxShell> {
    return this;
  }
}

/** What v86 writes and reads at its first serial port. */
class V86Console {
  private emulator: V86 | null = null;
  /** Written since the last match. */
  private written = '';
  private isLooking = false;
  private look: () => void = () => {};

  attach(emulator: V86): void {
    this.emulator = emulator;
    let last = 0;
    emulator.add_listener('serial0-output-byte', (byte) => {
      this.written += String.fromCharCode(byte);
      // A prompt is seen before the kernel writes a message behind it.
      if (last === HASH && byte === SPACE) this.look();
      last = byte;
      if (this.isLooking) return;
      // Once for all that it writes in one go: looking at each byte would slow it down.
      this.isLooking = true;
      setImmediate(() => {
        this.isLooking = false;
        this.look();
      });
    });
  }

  type(text: string): void {
    this.emulator!.serial0_send(text);
  }

  expect(pattern: RegExp): Promise<string> {
    return new Promise((resolve) => {
      this.look = () => {
        const text = this.written.replace(CONTROLS, '');
        const match = pattern.exec(text);
        if (match === null) return;
        const end = match.index + match[0].length;
        this.written = text.slice(end);
        this.look = () => {};
        resolve(text.slice(0, end));
      };
      this.look();
    });
  }
}

/** What leads from the reset vector to the program's entry, in the state that the 32-bit boot protocol asks for. */
function entryRom({ entry, entryState }: Program): Uint8Array {
  check(entryState.mode === 'linux32', 'the kernel is entered by the 32-bit boot protocol');
  const rom = new Uint8Array(ROM_BYTES);
  // In real mode: cli; lgdtl %cs:gdtr; mov $zero_page, %esi; xor %ebp, %ebp; mov %cr0, %eax; or $1, %al; mov %eax, %cr0;
  // mov $__BOOT_DS, %ax; mov %ax, %ds; mov %ax, %es; mov %ax, %ss; ljmpl $__BOOT_CS, $entry
  const code = [
    ...[
      0xfa,
      0x66,
      0x2e,
      0x0f,
      0x01,
      0x16,
      ...word16(ROM_START + GDTR),
      0x66,
      0xbe,
      ...word32(entryState.registers.esi!),
    ],
    ...[0x66, 0x31, 0xed, 0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0],
    ...[0xb8, ...word16(BOOT_DS), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x66, 0xea, ...word32(entry), ...word16(BOOT_CS)],
  ];
  rom.set(code);
  rom.set([...word16(GDT_BYTES - 1), ...word32(entryState.gdt)], GDTR);
  // ljmp $0xf000, $code
  rom.set([0xea, ...word16(ROM_START), ...word16(RESET_SEGMENT)], RESET_OFFSET - ROM_START);
  return rom;
}

const word16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
const word32 = (value: number): number[] => [...word16(value), ...word16(value >>> 16)];

// SPDX-License-Identifier: MIT
//
// What a kernel written in TypeScript implements and what it is given. A kernel is a module that exports a GuestKernel's
// functions by name. Every bit of its state lies in `k.memory` and `k.cpu`: the module may be loaded afresh, in another thread
// or another process, between any two calls.
//
// Errors: a call that the guest got wrong returns an errno (shared/errno.ts); a store outside its windows stops the kernel.

/** The exports of a kernel module. All but `step` are optional. */
export interface GuestKernel {
  /** First instruction: called once, when the kernel is entered for the first time. */
  start?(k: Guest): void;
  /** One step of the kernel: a bounded piece of work. Called again and again while the kernel owns the CPU. */
  step(k: Guest): void;
  /** An interrupt that the 8259A delivered while EFLAGS.IF was set. */
  interrupt?(k: Guest, vector: number): void;
  /** Freeze the tasks before a jump: 0, or an errno to refuse it. */
  freeze?(k: Guest): number;
  /** Thaw them: after a return, or when a jump was refused later on. */
  thaw?(k: Guest): void;
}

/** The exports of a module that is called in physical mode and returns. */
export interface GuestRoutine {
  call(k: Guest): void;
}

export interface Guest {
  readonly name: string;
  /** First address of the kernel's window that is free for its use, and the window's end. */
  readonly base: number;
  readonly end: number;
  readonly memory: GuestMemory;
  readonly cpu: GuestCpu;
  readonly ports: GuestPorts;
  readonly console: { write(text: string): void };
  readonly disk: GuestDisk;
  readonly timer: GuestTimer;
  readonly kexec: GuestKexec;
  readonly pages: GuestPages;
  /** Virtual time, in ticks of one nanosecond. */
  readonly now: number;
  /**
   * Which system this is, 32 hexadecimal digits: the same for as long as it runs, jumps and comes back, another one in a clone, and
   * behind a resume from an image whose policy says so. Machine code reads it at ports 0x5F0 to 0x5FF.
   */
  readonly generationId: string;
  /** Seconds by which resumes have moved the real-time clock ahead, while `now` stood still. Machine code: port 0x5E8. */
  readonly outsideSeconds: number;
  /** Spends virtual time, beside the microsecond that every step takes. */
  spend(ticks: number): void;
  /** HLT: no further step until an interrupt; time skips to the next deadline. */
  halt(): void;
  /** Powers the machine off with a status, after this step. */
  powerOff(status?: number): void;
}

/** Physical memory. Loads above RAM give ones; a store outside the kernel's windows stops the kernel, with nothing written. */
export interface GuestMemory {
  read8(physAddr: number): number;
  read16(physAddr: number): number;
  /** Signed. */
  read32(physAddr: number): number;
  write8(physAddr: number, value: number): void;
  write16(physAddr: number, value: number): void;
  write32(physAddr: number, value: number): void;
  readFloat64(physAddr: number): number;
  writeFloat64(physAddr: number, value: number): void;
  /** A copy of `length` bytes. */
  read(physAddr: number, length: number): Uint8Array;
  write(physAddr: number, bytes: Uint8Array): void;
  fill(physAddr: number, length: number, value: number): void;
  /** CRC-32 of `length` bytes. */
  crc32(physAddr: number, length: number): number;
}

/** General registers (signed), EIP, EFLAGS and the control registers. */
export interface GuestCpu {
  eax: number;
  ecx: number;
  edx: number;
  ebx: number;
  esp: number;
  ebp: number;
  esi: number;
  edi: number;
  eip: number;
  eflags: number;
  readonly cr0: number;
  readonly cr3: number;
  readonly cr4: number;
  /** EFLAGS.IF. */
  interruptsEnabled: boolean;
}

/** I/O ports; every access takes a microsecond of virtual time. Unclaimed ports read as ones. */
export interface GuestPorts {
  in8(port: number): number;
  in16(port: number): number;
  in32(port: number): number;
  out8(port: number, value: number): void;
  out16(port: number, value: number): void;
  out32(port: number, value: number): void;
}

/** The ATA disk by programmed I/O. Sectors are 512 bytes. Results: 0 or an errno. */
export interface GuestDisk {
  /** Sectors of the disk; 0 if there is none. */
  readonly sectors: number;
  read(lba: number, count: number, physAddr: number): number;
  write(lba: number, count: number, physAddr: number): number;
  /** FLUSH CACHE: what was written is on the host's disk. */
  flush(): number;
}

/** Interrupts of the 8254 through the 8259A. */
export interface GuestTimer {
  /** IRQ 0 as vector 0x20, `hz` times a second; programs both chips and sets EFLAGS.IF. */
  start(hz: number): void;
  stop(): void;
  /** End of interrupt; for the handler. */
  acknowledge(vector: number): void;
}

/** Pages of the kernel's own window, allocated from its end downwards. Their state is a bitmap in the kernel's memory. */
export interface GuestPages {
  /** Physical address of a page, or 0 if none is left. */
  allocate(): number;
  free(physAddr: number): void;
}

/** One segment of an image; `bytes` at `physAddr`, followed by zeros up to `length` bytes. */
export interface GuestSegment {
  readonly physAddr: number;
  readonly bytes: Uint8Array;
  readonly length?: number;
}

export interface GuestKexec {
  /** kexec_load(2): 0 or an errno. `preserve` keeps this kernel, to come back to it. */
  load(image: { entry: number; segments: readonly GuestSegment[]; preserve?: boolean }): number;
  /** Loads a kernel module over `[start, end)`: the whole window is exchanged in the jump. */
  loadKernel(specifier: string, window: { start: number; end: number }, options?: { preserve?: boolean }): number;
  unload(): number;
  readonly loaded: boolean;
  /**
   * `kexec -e`: jump when this step ends: to a kernel by name, or else where the loaded image says, or else back to whoever
   * was here before. Comes back as a later step, with `result` 0; a refusal leaves its errno in `result`.
   */
  jump(name?: string): void;
  /** errno of the last jump; 0 after a return. */
  readonly result: number;
  /** `kexec_jump_back_entry`: re-entry address of the kernel that jumped here; 0 after a plain kexec. */
  readonly backEntry: number;
}

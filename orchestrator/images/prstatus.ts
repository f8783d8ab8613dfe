// SPDX-License-Identifier: MIT
//
// NT_PRSTATUS of i386 (struct elf_prstatus, Linux include/linux/elfcore.h; kexec-jump reference §7.2), made from the CPU record
// when an image is written. Like Linux's crash notes it carries pid and registers and nothing else. Tools read it; a resume
// goes by the records.
import { CPU, SEGMENT } from '../../shared/layout/cpu-state.ts';
import type { Note } from './note.ts';

const PRSTATUS_BYTES = 144;
const PID = 24;
const REGISTERS = 72;
/** struct user_regs_struct. A word without a register of ours is orig_eax: no system call. */
const REGISTER_ORDER = [
  CPU.ebx,
  CPU.ecx,
  CPU.edx,
  CPU.esi,
  CPU.edi,
  CPU.ebp,
  CPU.eax,
  CPU.ds + SEGMENT.selector,
  CPU.es + SEGMENT.selector,
  CPU.fs + SEGMENT.selector,
  CPU.gs + SEGMENT.selector,
  null,
  CPU.eip,
  CPU.cs + SEGMENT.selector,
  CPU.eflags,
  CPU.esp,
  CPU.ss + SEGMENT.selector,
] as const;

export const NT_PRSTATUS = 1;
export const CORE_NAME = 'CORE';

/** The note for the CPU record at `cpu` in `view`. Threads of a core file are told apart by pid, and 0 is no thread. */
export function prstatusNote(view: DataView, cpu: number, pid: number): Note {
  const desc = new Uint8Array(PRSTATUS_BYTES);
  const status = new DataView(desc.buffer);
  status.setUint32(PID, pid, true);
  REGISTER_ORDER.forEach((register, index) => {
    status.setInt32(REGISTERS + index * 4, register === null ? -1 : view.getInt32(cpu + register, true), true);
  });
  return { name: CORE_NAME, type: NT_PRSTATUS, desc };
}

// SPDX-License-Identifier: MIT
//
// Real BIOS routines from a running protected-mode system. The BIOS (guests/machine/bios/) boots first and, with nothing to start,
// waits: its ROM, interrupt vectors and data areas stay below 1 MiB. Then other kernels have the machine, and jump to a function at
// 0x8000 (guests/machine/bios-call/) that goes to real mode, does one INT there, and comes back.
import { open, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Machine, wholeLines } from '../orchestrator/index.ts';
import { defineScenario, type ScenarioContext } from '../orchestrator/scenario.ts';
import { StatusPage, wellBeing } from './well-being.ts';

/** guests/machine/bios-call/bios-call.h: the function, its parameter block, and a page for the BIOS to write to. */
const FUNCTION = 0x8000;
const BLOCK = FUNCTION + 0x20;
const BUFFER = 0x9000;
const FIELDS = ['eax', 'ecx', 'edx', 'ebx', 'ebp', 'esi', 'edi', 'eflags'] as const;
const ES_OFFSET = 0x22;
const INTERRUPT_OFFSET = 0x24;
const BLOCK_BYTES = 0x28;

/** Six ticks of the kernels' timers. */
const SOME_TIME = 60_000_000;
const SECTOR = 512;
const TEXT = 'Sector 1 of the disk, read by INT 13h';
const SMAP = 0x534d4150;
const CARRY = 1;
/** Sector 1, by cylinder, head and sector (counted from 1), of the first disk. */
const READ_SECTOR = { eax: 0x0201, ecx: 0x0002, edx: 0x80 };

export const scenario = defineScenario({
  title: 'A real BIOS, called from kernels',
  about:
    'A BIOS boots in real mode and waits. Kernels in TypeScript and in C, which know nothing of each other, call its INT 13h to read ' +
    'the disk and its INT 15h for the map of memory: paging off, real mode, and back. The last one does it without the host.',

  async run(context) {
    const { createMachine, guest, say, show, workDir } = context;
    const disk = join(workDir, 'disk.img');
    await writeFile(disk, '');
    await truncate(disk, 2 ** 20);
    const file = await open(disk, 'r+');
    await file.write(TEXT, SECTOR);
    await file.close();

    const machine = await createMachine({ memory: '16M', disk });
    machine.on(
      'console',
      wholeLines(({ text }) => say(`  ${text}`)),
    );
    machine.on('switch', show);
    await machine.boot(guest('machine/bios/bios.bin'), { name: 'BIOS' });
    const { reason: biosEnded } = await machine.run();

    // A kernel in TypeScript, and one in C with paging on and interrupts at work: the host makes the call for both.
    const keeper = await machine.load(guest('keeper'), { name: 'T', window: ['1M', '8M'] });
    const c = await machine.load(guest('machine/kernel/kernel-c.elf'), {
      name: 'C',
      window: ['8M', '16M'],
      cmdline: 'mode=loop beat=5',
    });
    const answers = [];
    for (const [kernel, statusPage] of [[keeper, StatusPage.keeper] as const, [c, StatusPage.kernelC] as const]) {
      await machine.jump(kernel);
      await machine.run({ ticks: SOME_TIME });
      const sector = await readSector(context, machine);
      say(`${kernel.name} reads “${sector}”`);
      await machine.run({ ticks: SOME_TIME });
      answers.push({ kernel: kernel.name, sector, ...(await wellBeing(kernel, statusPage)) });
    }
    const map = await memoryMap(context, machine);
    say(`C hears of memory at ${map.join(', ')}`);

    // A kernel in C loads the function with its own kexec_load and calls it with its own relocate_kernel.
    const { eax, ecx, edx } = READ_SECTOR;
    const a = await machine.load(guest('machine/kernel/kernel-a.elf'), {
      name: 'A',
      window: ['1M', '8M'],
      shared: [[0, '640K']],
      cmdline: 'mode=bios',
      modules: [
        {
          file: guest('machine/bios-call/bios-call.elf'),
          cmdline: `int=0x13 eax=${eax} ecx=${ecx} edx=${edx} es=0x600 ebx=0 show=0x6000`,
        },
      ],
    });
    await machine.jump(a);
    const { reason: ended } = await machine.run();
    const read = Buffer.from(await a.read(0x6000, TEXT.length)).toString('latin1');
    return { biosEnded, answers, map, byItself: { ended, exitStatus: a.stop.exitStatus, read } };
  },
});

interface BiosCall {
  readonly interrupt: number;
  readonly eax: number;
  readonly ecx?: number;
  readonly edx?: number;
  readonly ebx?: number;
  readonly edi?: number;
}

/** One INT, with ES the buffer; the registers that it gives, and the buffer. */
async function callBios({ guest }: ScenarioContext, machine: Machine, { interrupt, ...given }: BiosCall) {
  const block = new Uint8Array(BLOCK_BYTES);
  const view = new DataView(block.buffer);
  FIELDS.forEach((name, i) => {
    view.setUint32(4 * i, (given as Readonly<Record<string, number>>)[name] ?? 0, true);
  });
  view.setUint16(ES_OFFSET, BUFFER / 16, true);
  block[INTERRUPT_OFFSET] = interrupt;
  const { memory } = await machine.callPhysical(guest('machine/bios-call/bios-call.elf'), {
    at: FUNCTION,
    size: '8K',
    // The BIOS keeps notes of its own, and they stay with it.
    shared: [[0, '640K']],
    write: [{ physAddr: BLOCK, bytes: block }],
    read: [
      { physAddr: BLOCK, length: BLOCK_BYTES },
      { physAddr: BUFFER, length: SECTOR },
    ],
  });
  const result = new DataView(memory[0].buffer);
  const registers = Object.fromEntries(FIELDS.map((name, i) => [name, result.getUint32(4 * i, true)]));
  if ((registers.eflags & CARRY) !== 0) throw new Error(`INT ${interrupt.toString(16)}h failed: ${registers.eax}`);
  return { registers, buffer: memory[1] };
}

/** INT 13h, AH=02h. */
async function readSector(context: ScenarioContext, machine: Machine): Promise<string> {
  const { buffer } = await callBios(context, machine, { interrupt: 0x13, ...READ_SECTOR });
  return Buffer.from(buffer).toString('latin1').replace(/\0.*/s, '');
}

/** INT 15h, AX=E820h, area by area: EBX is where to go on. */
async function memoryMap(context: ScenarioContext, machine: Machine): Promise<string[]> {
  const areas: string[] = [];
  let ebx = 0;
  do {
    const call = { interrupt: 0x15, eax: 0xe820, ecx: 20, edx: SMAP, ebx };
    const { registers, buffer } = await callBios(context, machine, call);
    const area = new DataView(buffer.buffer);
    const [start, length, type] = [0, 8, 16].map((at) => area.getUint32(at, true));
    areas.push(`${start.toString(16)}–${(start + length).toString(16)}${type === 1 ? '' : ' reserved'}`);
    ebx = registers.ebx;
  } while (ebx !== 0);
  return areas;
}

// SPDX-License-Identifier: MIT
//
// The fourth use with a real system: a running Linux calls its BIOS. A BIOS (guests/machine/bios/) boots first, and leaves its ROM and
// what it has below 1 MiB. Linux's own shell fills in the registers of a function (guests/machine/bios-call/), loads it with the
// stock kexec tool and jumps: real mode, one INT, and back. It finds the answer in its memory. `kjump run examples/linux-bios-call.ts`.
import { open, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { wholeLines } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';
import { withFile } from './initrd.ts';
import { BZIMAGE, COMMAND_LINE, command, prompt, ROOTFS, requireLinuxGuest } from './linux-guest.ts';

type Ask = (line: string) => Promise<string>;

/** guests/machine/bios-call/: the function's page, and what is filled in there: payload.h, bios-call.h. */
const FUNCTION = 0x8000;
const PAGE = 4096;
const COPY_TO = 0x14;
const BLOCK = 0x20;
const FIELDS = ['eax', 'ecx', 'edx', 'ebx', 'ebp', 'esi', 'edi', 'eflags'] as const;
const ES_OFFSET = 0x22;
const INTERRUPT_OFFSET = 0x24;
const BLOCK_BYTES = 0x28;
/** Pages that no image covers, and that Linux leaves alone: below 1 MiB it uses nothing. For the block's copy, and for the BIOS. */
const ANSWER = 0x6000;
const BUFFER = 0x7000;

const PROGRAM = 'boot/bios-call.elf';
/** Where the file says at which offset the page lies in it: p_offset of its first segment. */
const FIRST_SEGMENT = 28;
const P_OFFSET = 4;

const SECTOR = 512;
const TEXT = 'Sector 1 of the disk, read by INT 13h';
const SMAP = 0x534d4150;
const CARRY = 1;

export const scenario = defineScenario({
  title: 'Linux calls the BIOS',
  about:
    'A running Linux calls INT 13h and INT 15h of a real-mode BIOS, with the stock kexec tool: its context is preserved, the function ' +
    'runs with paging off and in real mode, and its shell goes on with the answer.',

  async run({ createMachine, guest, say, show, signal, workDir }) {
    requireLinuxGuest();
    const disk = join(workDir, 'disk.img');
    await writeFile(disk, '');
    await truncate(disk, 2 ** 20);
    const file = await open(disk, 'r+');
    await file.write(TEXT, SECTOR);
    await file.close();

    const machine = await createMachine({ memory: '64M', disk });
    machine.on('switch', show);
    const bios = await machine.boot(guest('machine/bios/bios.bin'), { name: 'BIOS' });
    machine.on(
      'console',
      wholeLines(({ kernel, text }) => kernel === bios.name && say(`  ${text}`)),
    );
    const { reason: biosEnded } = await machine.run();

    const program = await readFile(guest('machine/bios-call/bios-call.elf'));
    const linux = await machine.load(BZIMAGE, {
      name: 'Linux',
      window: ['1M', '64M'],
      shared: [[0, '1M']],
      initrd: withFile(await readFile(ROOTFS), PROGRAM, program),
      append: `${COMMAND_LINE} memmap=exactmap memmap=632K@4K memmap=63M@1M`,
    });
    await machine.jump(linux);
    await prompt(linux, signal);
    const ask: Ask = (line) => command(linux, line, signal);
    // The driver has something to say whenever it has its disk again; here it would come in between.
    await ask('dmesg -n 1; visits=0');
    const call = async (interrupt: number, given: Registers): Promise<Registers> => {
      const at = program.readUInt32LE(program.readUInt32LE(FIRST_SEGMENT) + P_OFFSET);
      await ask(
        `printf '${escaped(fillIn(interrupt, given))}' | dd of=/${PROGRAM} bs=1 seek=${at + COPY_TO} conv=notrunc`,
      );
      const [first, last] = [FUNCTION, FUNCTION + PAGE - 1].map((address) => `0x${address.toString(16)}`);
      await ask(`kexec --load-preserve-context --args-none --mem-min=${first} --mem-max=${last} /${PROGRAM}`);
      await ask('visits=$((visits+1)); kexec -e');
      const answer = await readMemory(ask, ANSWER, BLOCK_BYTES);
      const registers = Object.fromEntries(FIELDS.map((name, i) => [name, answer.readUInt32LE(4 * i)]));
      if ((registers.eflags & CARRY) !== 0) throw new Error(`INT ${interrupt.toString(16)}h failed: ${registers.eax}`);
      return registers;
    };

    // INT 13h, AH=02h: one sector; sectors are counted from 1.
    await call(0x13, { eax: 0x0201, ecx: 0x0002, edx: 0x80 });
    const byBios = (await readMemory(ask, BUFFER, TEXT.length)).toString('latin1');
    const byDriver = await ask(`dd if=/dev/sda bs=${SECTOR} skip=1 count=1 2>/dev/null | tr -d '\\0'; echo`);
    say(`Linux hears “${byBios}” from the BIOS, and “${byDriver}” from its own driver`);

    // INT 15h, AX=E820h, area by area: EBX is where to go on.
    const map: string[] = [];
    let ebx = 0;
    do {
      ({ ebx = 0 } = await call(0x15, { eax: 0xe820, ecx: 20, edx: SMAP, ebx }));
      const area = await readMemory(ask, BUFFER, 20);
      const [start, length, type] = [0, 8, 16].map((offset) => area.readUInt32LE(offset));
      map.push(`${start.toString(16)}–${(start + length).toString(16)}${type === 1 ? '' : ' reserved'}`);
    } while (ebx !== 0);
    say(`and of memory at ${map.join(', ')}`);
    return { biosEnded, byBios, byDriver, map, visits: await ask('echo $visits'), switches: machine.switches };
  },
});

type Registers = Readonly<Partial<Record<(typeof FIELDS)[number], number>>>;

/** The function's words from `COPY_TO` to the end of its block. */
function fillIn(interrupt: number, given: Registers): Buffer {
  const words = Buffer.alloc(BLOCK + BLOCK_BYTES);
  words.writeUInt32LE(ANSWER, COPY_TO);
  FIELDS.forEach((name, i) => {
    words.writeUInt32LE(given[name] ?? 0, BLOCK + 4 * i);
  });
  words.writeUInt16LE(BUFFER / 16, BLOCK + ES_OFFSET);
  words[BLOCK + INTERRUPT_OFFSET] = interrupt;
  return words.subarray(COPY_TO);
}

/** For the shell's printf. */
const escaped = (bytes: Uint8Array): string => Array.from(bytes, (byte) => `\\${byte.toString(8)}`).join('');

/** Physical memory as Linux sees it itself: /proc/kcore is an ELF file with a segment for each piece of the kernel's addresses. */
async function readMemory(ask: Ask, physAddr: number, length: number): Promise<Buffer> {
  const virtAddr = 0xc0000000 + physAddr;
  const bytesOf = async (offset: number, count: number): Promise<Buffer> => {
    const dump = await ask(
      `dd if=/proc/kcore bs=1 skip=${offset} count=${count} 2>/dev/null | hexdump -ve '1/1 "%02x"'; echo`,
    );
    return Buffer.from(dump.replace(/\s/g, ''), 'hex');
  };
  const header = await bytesOf(0, 52);
  const [entries, size, count] = [header.readUInt32LE(28), header.readUInt16LE(42), header.readUInt16LE(44)];
  const table = await bytesOf(entries, size * count);
  for (let at = 0; at < table.length; at += size) {
    const [, offset, start, , bytes] = [0, 4, 8, 12, 16].map((field) => table.readUInt32LE(at + field));
    if (virtAddr >= start && virtAddr + length <= start + bytes) return bytesOf(offset + virtAddr - start, length);
  }
  throw new Error(`Linux does not show what is at ${physAddr.toString(16)}`);
}

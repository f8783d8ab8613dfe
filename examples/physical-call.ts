// SPDX-License-Identifier: MIT
//
// The fourth use: calling a function in physical mode, such as BIOS code, from a running system. The function's pages take the
// place of the caller's for the time of the call; what it wrote there is handed to the caller, and the caller's memory is
// as it was. A function that stores anywhere else is stopped, and its caller goes on.
import { KjumpError } from '../orchestrator/index.ts';
import { defineScenario } from '../orchestrator/scenario.ts';

export const scenario = defineScenario({
  title: 'A BIOS call from a running system',
  about:
    'A running kernel calls a function at physical address 0x7000, with paging off, by a jump there and a return: registers go ' +
    'in and come out, and so does the memory that the function wrote. Then one with a bug, that stores where it must not.',

  async run({ createMachine, guest, show, say }) {
    const machine = await createMachine({ memory: '16M' });
    machine.on('switch', show);
    const a = await machine.boot(guest('clerk'), { name: 'A' });
    await machine.run({ steps: 5 });
    const before = await a.read(0, 0x10000);

    const pages = { at: 0x7000, size: '8K' } as const;
    const { registers, memory } = await machine.callPhysical(guest('bios-date'), {
      ...pages,
      registers: { eax: 0x0400, edi: 0x8000 },
      read: [{ physAddr: 0x8000, length: 10 }],
    });
    const date = new TextDecoder().decode(memory[0]);
    say(`it says ${date}, CX = ${registers.ecx.toString(16)}, DX = ${registers.edx.toString(16)}`);

    // 0x9000 is behind the function's two pages: it is A's memory.
    const stray = await machine
      .callPhysical(guest('bios-stray'), { ...pages, registers: { edi: 0x9000 } })
      .catch((error: unknown) => error);
    if (!(stray instanceof KjumpError)) throw new Error('the store outside its pages was not refused');
    say(`${stray.message}: ${stray.why}`);
    // The function has the machine still, and is over. The host brings its caller back.
    await machine.jump(a);
    const { kernel } = await machine.run({ steps: 5 });

    return {
      date,
      ecx: registers.ecx,
      edx: registers.edx,
      callerUnchanged: Buffer.compare(before, await a.read(0, 0x10000)) === 0,
      stray: stray.code,
      goesOn: kernel,
    };
  },
});

// SPDX-License-Identifier: MIT
//
// npm run conformance -- …: public test suites, which lie beside the project and are no part of it, run on the i386 engine. Prints
// passed and failed; the exit code is 0 only if nothing failed.
import { readFile, writeFile } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { parseSize } from '../../shared/units.ts';
import { Differences, differencesOf } from './differences.ts';
import { makeI386Pc } from './i386-pc.ts';
import { runMultiboot } from './multiboot.ts';
import { hexByte, runRom } from './rom.ts';
import { formatCounts, runVectors, totalOf } from './vectors.ts';

function wholeNumber(text: string): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new InvalidArgumentError('It is not a whole number.');
  return value;
}

function numberOption(flags: string, description: string, otherwise: number): Option {
  return new Option(flags, description).argParser(wholeNumber).default(otherwise, hexByte(otherwise));
}

const print = (text: string): void => console.log(text);
const program = new Command('conformance').description('Runs public CPU test suites on the i386 engine.');

program
  .command('rom')
  .description('a ROM image of 64 or 128 KiB in place of a BIOS, such as test386.asm, until it writes a POST code')
  .argument('<image>', 'the assembled ROM')
  .addOption(numberOption('--post-port <port>', 'port of the POST codes', 0x190))
  .option('--out-port <port>', 'port of the text', wholeNumber)
  .addOption(numberOption('--expect <code>', 'POST code of success', 0xff))
  .option('--reference <file>', 'the text must be that of this file')
  .option('--output <file>', 'write the text to this file')
  .option('--instructions <n>', 'give up after so many', wholeNumber, 500_000_000)
  .action(async (image: string, options) => {
    const { postPort, outPort = null, expect, instructions } = options;
    const reference = options.reference === undefined ? null : await readFile(options.reference, 'latin1');
    const result = await runRom(image, { postPort, outPort, expect, reference, instructions }, makeI386Pc);
    print(`POST codes: ${result.codes.map(hexByte).join(' ')}`);
    if (options.output !== undefined) await writeFile(options.output, result.output, 'latin1');
    finish(result.failure);
  });

program
  .command('multiboot')
  .description('a multiboot kernel, until it writes to the port of isa-debug-exit')
  .argument('<image>', 'the kernel')
  .addOption(numberOption('--exit-port <port>', 'port of the exit value', 0xf4))
  .option('--expect <value>', 'exit value of success', wholeNumber, 0)
  .option('--out-port <port>', 'port of text', wholeNumber)
  .option('--cmdline <text>', 'command line of the kernel', '')
  .option('--module <file...>', 'files to load as its modules', [])
  .option('-m, --memory <size>', 'RAM', '64M')
  .option('--instructions <n>', 'give up after so many', wholeNumber, 1_000_000_000)
  .action(async (image: string, options) => {
    const { exitPort, expect, outPort = null, cmdline, instructions } = options;
    const memory = parseSize(options.memory, 'memory');
    const modules = (options.module as string[]).map((file) => ({ file }));
    const settings = { exitPort, expect, outPort, cmdline, modules, memory, instructions };
    const result = await runMultiboot(image, settings, makeI386Pc);
    process.stdout.write(result.output);
    finish(result.failure);
  });

program
  .command('vectors')
  .description('single-step vectors as MOO or JSON files, such as SingleStepTests/8086 and /80286')
  .argument('<path>', 'a file, or a folder of files')
  .option('--cpu <name>', 'the chip they were recorded from: 8086 or 80286', '80286')
  .option('--mask <file>', 'documented differences to leave out, instead of those that the project has for the chip')
  .option('--limit <n>', 'so many vectors of each file, from its start; else all', wholeNumber)
  .option('--show <n>', 'so many failures of each file', wholeNumber, 3)
  .action(async (path: string, { cpu, mask, limit = Number.MAX_SAFE_INTEGER, show }) => {
    const differences = await Differences.read(mask ?? differencesOf(cpu));
    const results = await runVectors(path, differences, makeI386Pc, { limit, show }, print);
    const total = totalOf(results);
    print(formatCounts(total));
    if (results.length === 0) finish('there are no vectors');
    else finish(total.failed === 0 ? null : `${total.failed} vectors failed`);
  });

function finish(failure: string | null): void {
  print(failure === null ? 'passed' : `FAILED: ${failure}`);
  if (failure !== null) process.exitCode = 1;
}

program.parseAsync().catch((error: unknown) => {
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 2;
});

// SPDX-License-Identifier: MIT
//
// The commands, their arguments and options, and the help. What a command does is loaded when it is called, so that the help
// and a mistyped option do not wait for the machine.
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { ModuleOption } from '../loaders/program.ts';
import { EXIT_CODE_TABLE } from './exit-codes.ts';
import { Interruption } from './interruption.ts';
import type { Invocation } from './invocation.ts';
import { addMachineOptions, wholeNumber } from './machine-options.ts';
import { Output } from './output.ts';
import { resumePolicy } from './policy.ts';

export interface ProgramHooks {
  /** The options of the command are known. */
  opened(output: Output): void;
  done(exitCode: number): void;
}

type Work = (invocation: Invocation, ...args: never[]) => Promise<number>;

export function makeProgram({ opened, done }: ProgramHooks): Command {
  const program = new Command('kjump')
    .description('Several whole systems on one simulated PC, switched by kexec jump.')
    .version(version(), '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .option('--json', 'print the result as one JSON object')
    .option('-q, --quiet', 'print the result and errors only')
    .option('-v, --verbose', 'tell more on stderr: switches, consoles, events')
    .option('--debug', 'show the stack of an error')
    .option('--no-color', 'no colours; so do NO_COLOR and TERM=dumb, FORCE_COLOR forces them')
    .option('--timeout <time>', 'give up after this time: 30s, 500ms, 2m', milliseconds)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', AFTER_HELP)
    .exitOverride();

  const verb = (command: Command, load: () => Promise<Work>): Command =>
    command.action(async (..._: unknown[]) => {
      const options = command.optsWithGlobals();
      const output = new Output(command.name(), options);
      opened(output);
      const work = await load();
      const interruption = new Interruption((options.timeout as number | undefined) ?? null);
      try {
        done(await work({ output, interruption, options }, ...(command.processedArgs as never[])));
      } finally {
        interruption.end();
      }
    });

  verb(
    program.command('tour').description('show what kjump does: the examples, one after the other'),
    async () => (await import('./tour.ts')).tour,
  );

  verb(
    addMachineOptions(
      program
        .command('run')
        .description('run a scenario, a module that exports `scenario`')
        .argument('<scenario>', 'path of the module (.ts, .js)')
        .argument('[args...]', 'given to the scenario; those that begin with - after --'),
    ),
    async () => (await import('./run.ts')).run,
  );

  verb(
    addRunLimits(
      addMachineOptions(
        program
          .command('boot')
          .description('boot a kernel and run it until it powers off, or to a limit')
          .argument(
            '<kernel>',
            'a module with step(k); machine code: a bzImage, a multiboot or ELF32 file, a boot sector, a BIOS ROM, a flat binary with --at',
          )
          .option('--name <name>', 'name of the kernel')
          .option('--window <from:to>', 'memory it may store to, such as 1M:16M; default all', windowSpec)
          .option('--at <address>', 'load address of a flat binary')
          .option('--entry <address>', 'entry, if it is not the start')
          .option('--append <text>', 'command line of a bzImage')
          .option('--initrd <file>', 'initial RAM disk of a bzImage')
          .option('--cmdline <text>', 'command line of a multiboot kernel')
          .option(
            '--module <file[=text]>',
            'a file that is loaded with a multiboot kernel, and a text for it; may be repeated',
            bootModule,
          ),
      ),
    ),
    async () => (await import('./boot.ts')).boot,
  );

  verb(
    program
      .command('inspect')
      .description('check a hibernation image and show what is in it')
      .argument('<image>', 'file that hibernate has written')
      .option(
        '--disassemble <address:count>',
        'show machine code at a physical address, 16 instructions or so many',
        codeRange,
      ),
    async () => (await import('./inspect.ts')).inspect,
  );

  verb(
    addRunLimits(
      addMachineOptions(
        program
          .command('resume')
          .description('go on from a hibernation image')
          .argument('<image>', 'file that hibernate has written')
          .option(
            '--policy <what=how,...>',
            'what its kernels are told of it: clock=advance, entropy=fresh, identity=new; or numbers, as it shows them',
            resumePolicy,
          ),
        'resumed',
      ),
    ),
    async () => (await import('./boot.ts')).resume,
  );

  verb(
    program
      .command('bench')
      .description('measure, each number beside its bound; from a clone of the project')
      .argument('[args...]', 'given to the benchmarks; those that begin with - after --'),
    async () => (await import('./bench.ts')).bench,
  );
  return program;
}

function addRunLimits(command: Command): Command {
  return command
    .option('--steps <n>', 'stop after so many steps; of machine code, instructions', wholeNumber)
    .option('--ticks <n>', 'stop after so many ns of virtual time', wholeNumber)
    .option('--switches <n>', 'stop after so many switches', wholeNumber)
    .addOption(
      new Option('--serial <where>', 'where the serial console gets its input: stdio; Ctrl-A x leaves').choices([
        'stdio',
      ]),
    )
    .option('--save <image>', 'hibernate into this file where it stops');
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, '': 1000 };

function milliseconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|)$/.exec(text);
  const time = match === null ? 0 : Number(match[1]) * UNITS[match[2]];
  // The longest that a timer of Node can wait.
  if (time < 1 || time > 2 ** 31 - 1) throw new InvalidArgumentError('A time is written like 30s, 500ms or 2m.');
  return time;
}

function windowSpec(text: string): [string, string] {
  const ends = text.split(':');
  if (ends.length !== 2) throw new InvalidArgumentError('A window is written like 1M:16M.');
  return [ends[0], ends[1]];
}

/** One more of the modules: the text begins after the first `=`. */
function bootModule(text: string, before: readonly ModuleOption[] = []): ModuleOption[] {
  const [, file, cmdline] = /^([^=]*)(?:=(.*))?$/s.exec(text)!;
  if (file === '') throw new InvalidArgumentError('A module is written like file, or like file=text.');
  return [...before, { file, cmdline }];
}

function codeRange(text: string): { physAddr: number; count: number } {
  const [address, count = '16', ...rest] = text.split(':');
  const range = { physAddr: wholeNumber(address), count: wholeNumber(count) };
  if (rest.length > 0 || range.physAddr >= 2 ** 32 || range.count < 1 || range.count > 10_000) {
    throw new InvalidArgumentError('A place in memory is written like 0x100000 or 0x100000:40.');
  }
  return range;
}

function version(): string {
  const toPackage = extname(import.meta.url) === '.ts' ? '../../package.json' : '../../../package.json';
  return JSON.parse(readFileSync(new URL(toPackage, import.meta.url), 'utf8')).version;
}

const AFTER_HELP = `
Exit codes:
${EXIT_CODE_TABLE.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`).join('\n')}

The result goes to stdout, everything else to stderr. Sizes are written like
64M, 512K or 0x100000.

Examples:
  kjump tour
  kjump run examples/cooperative.ts --json
  kjump boot kernel.ts -m 16M --steps 1000 --save here.kjump
  kjump boot bzImage --initrd root.gz --append console=ttyS0 --serial stdio
  kjump boot kernel-a.elf --cmdline mode=jump --module kernel-b.elf=mode=answer
  kjump inspect here.kjump
  kjump resume here.kjump --steps 1000`;

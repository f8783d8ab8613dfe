// SPDX-License-Identifier: MIT
//
// One command line, from its arguments to its exit code. Whatever goes wrong ends here, in three lines and a code.
import { CommanderError } from 'commander';
import { KjumpError } from '../../shared/errors.ts';
import { ExitCode, exitCodeOf } from './exit-codes.ts';
import { Output } from './output.ts';
import { makeProgram } from './program.ts';

/** Carries out a command line; returns its exit code and never throws. */
export async function main(args: readonly string[]): Promise<number> {
  let output = outputOf(args);
  const fail = (error: unknown): number => {
    output.failed(error);
    return exitCodeOf(error);
  };
  // Errors outside every promise: of a scenario's timers and listeners, mostly.
  process.on('uncaughtException', (error) => process.exit(fail(error)));
  // Node ends a process in which nothing can happen any more, with exit code 0.
  process.once('beforeExit', () => process.exit(fail(stuck())));
  // Whoever reads our result may have read enough.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1));
  let exitCode: number = ExitCode.ok;
  const program = makeProgram({
    opened: (made) => {
      output = made;
    },
    done: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return fail(error);
    if (error.exitCode === 0) return ExitCode.ok;
    return error.code === 'commander.help' ? ExitCode.usage : fail(usageError(error));
  }
}

/** Ends the process when everything it said is out: pipes may be slower than we are. */
export async function leave(exitCode: number): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(exitCode);
}

/** Until the options are parsed, and if they cannot be: what they look like. */
function outputOf(args: readonly string[]): Output {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  const command = own.find((arg) => !arg.startsWith('-')) ?? '';
  return new Output(command, {
    json: own.includes('--json'),
    debug: own.includes('--debug'),
    color: !own.includes('--no-color'),
  });
}

function stuck(): KjumpError {
  return new KjumpError('SCENARIO', 'nothing can happen any more, and the command is not done', {
    why: 'it waits for a promise that nobody will settle',
    fix: 'look for a promise in the scenario that is never resolved',
  });
}

/** Commander's one text as ours: what, why, what to do. */
function usageError({ message }: CommanderError): KjumpError {
  const [what, ...hints] = message.replace(/^error: /, '').split('\n');
  const [, wrong, reason] = /^(.* is invalid)\. (.*)$/.exec(what) ?? [];
  const hint = hints.join(' ').replace(/^\((.*)\)$/, '$1 ');
  return new KjumpError('BAD_OPTION', wrong ?? what, {
    why: reason ?? 'the command line is not understood',
    fix: `${hint}\`kjump --help\` and \`kjump <command> --help\` show what there is`,
  });
}

// SPDX-License-Identifier: MIT
//
// `kjump tour`: every example, with what it shows said before it. It is what `npm start` runs, so it speaks to a newcomer.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wrapText } from './columns.ts';
import { ExitCode } from './exit-codes.ts';
import type { Invocation } from './invocation.ts';
import { loadScenario } from './load-scenario.ts';
import { type Output, plainError } from './output.ts';
import { runScenario } from './run-scenario.ts';

const EXAMPLES = [
  'cooperative',
  'snapshots',
  'hibernate',
  'physical-call',
  'faults',
  'machine-code',
  'bios-call',
] as const;

interface Stop {
  readonly example: string;
  readonly ok: boolean;
  readonly wallMs: number;
  readonly title?: string;
  readonly result?: unknown;
  readonly error?: ReturnType<typeof plainError>;
}

export async function tour(invocation: Invocation): Promise<number> {
  const { output } = invocation;
  const { bold } = output.colors;
  output.say(bold('kjump: several whole systems on one simulated PC, switched by kexec jump'));
  output.say(wrapText(HOW_TO_READ, output.columns));
  const stops: Stop[] = [];
  const started = performance.now();
  for (const example of EXAMPLES) stops.push(await visit(invocation, example, stops.length + 1));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const failed = stops.filter(({ ok }) => !ok);
  const summary =
    failed.length === 0
      ? `${stops.length} examples, all well, in ${seconds} s.`
      : `${failed.length} of ${stops.length} examples failed: ${failed.map(({ example }) => example).join(', ')}.`;
  output.say();
  output.say(bold(summary));
  output.say(wrapText(WHERE_TO_GO, output.columns));
  output.result({ ok: failed.length === 0, examples: stops }, '');
  return failed.length === 0 ? ExitCode.ok : ExitCode.failed;
}

async function visit({ output, interruption }: Invocation, example: string, number: number): Promise<Stop> {
  const started = performance.now();
  const stop = (rest: Omit<Stop, 'example' | 'wallMs'>): Stop => ({
    example,
    wallMs: Math.round(performance.now() - started),
    ...rest,
  });
  try {
    const loaded = await loadScenario(exampleUrl(example));
    const { title, about } = loaded.scenario;
    announce(output, `${number}/${EXAMPLES.length}  ${title}`, about);
    const result = await runScenario(loaded, { args: [], overrides: {}, output, interruption });
    if (!output.json && result !== undefined) process.stdout.write(`${output.pretty(result)}\n`);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    output.say(output.colors.dim(`${seconds} s. Again: ${commandFor(example)}`));
    return stop({ ok: true, title, result: result ?? null });
  } catch (error) {
    if (interruption.signal.aborted) throw error;
    output.error(error);
    return stop({ ok: false, error: plainError(error) });
  }
}

function announce(output: Output, heading: string, about: string): void {
  const { bold, cyan, dim } = output.colors;
  output.say();
  output.say(dim('─'.repeat(output.columns)));
  output.say(cyan(bold(heading)));
  output.say(wrapText(about, output.columns));
  output.say();
}

/** The examples lie beside this folder's parent, in the source tree and in the built one. */
function exampleUrl(example: string): URL {
  return new URL(`../../examples/${example}${extname(import.meta.url)}`, import.meta.url);
}

function commandFor(example: string): string {
  const source = extname(import.meta.url) === '.ts';
  return source ? `npm run example examples/${example}.ts` : `kjump run ${fileURLToPath(exampleUrl(example))}`;
}

const HOW_TO_READ =
  'A switch is one line: who leaves and who comes, the whole time, how much memory changed places, and the microseconds of ' +
  'each phase: down ⇢ hand-over ⇢ up. (The first hand-over to a kernel also starts its thread.) In a map of memory each letter ' +
  'is a stretch of pages, named for the kernel whose contents they hold.';

const WHERE_TO_GO =
  'Read on: README.md for the API and the limits, examples/ for what you just saw, orchestrator/machine.ts for the machine as its ' +
  'user holds it, kernel-worker/kernel-kexec.ts for the jump, line by line. Your own: `kjump boot kernel.ts`, `kjump run scenario.ts`.';

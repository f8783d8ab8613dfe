// SPDX-License-Identifier: MIT
//
// npm run bench [-- --json --quick NAME …]: every figure with its bound, measured in the same run. Plain scripts on the built
// package: under a test runner or a source loader hot loops are many times slower.
import { HOW_TO_GET_IT, hasLinuxGuest } from '../examples/linux-guest.ts';
import { i386 } from './i386.ts';
import { images } from './images.ts';
import { linux } from './linux.ts';
import { machineCode } from './machine-code.ts';
import { memory } from './memory.ts';
import { type Benchmark, isReached, type Result } from './report.ts';
import { switching } from './switching.ts';

const BENCHMARKS: Readonly<Record<string, Benchmark>> = { switching, memory, images, i386, machineCode, linux };

export async function runBenchmarks(args: readonly string[]): Promise<void> {
  const json = args.includes('--json');
  const quick = args.includes('--quick');
  const wanted = args.filter((arg) => !arg.startsWith('--'));
  const unknown = wanted.find((name) => !(name in BENCHMARKS));
  if (unknown !== undefined) {
    throw new Error(`no benchmark is called ${unknown}: give ${Object.keys(BENCHMARKS).join(', ')}, or none for all`);
  }
  const results: Result[] = [];
  for (const [name, benchmark] of Object.entries(BENCHMARKS)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    const missing = whatIsMissing(name);
    if (missing !== '') {
      console.error(`${name} is left out: ${missing}`);
      continue;
    }
    const found = await benchmark({ quick });
    results.push(...found);
    if (!json) for (const result of found) console.log(formatResult(result));
  }
  if (json) console.log(JSON.stringify({ schema: 1, results }, null, 2));
}

function whatIsMissing(name: string): string {
  const runsBesideV86 = name === 'i386' || name === 'linux';
  if (runsBesideV86 && !hasV86()) return 'the npm package v86, which runs the same code beside it, is not installed';
  return name === 'linux' && !hasLinuxGuest ? `the Linux guest is not there: ${HOW_TO_GET_IT}` : '';
}

/** A development dependency: the built package is installed without it. */
function hasV86(): boolean {
  try {
    import.meta.resolve('v86');
    return true;
  } catch {
    return false;
  }
}

function formatResult(result: Result): string {
  const { name, value, unit, bound, ratio, ratioIs, boundIs, reach, better } = result;
  const missed = better === 'less' ? 'ABOVE ' : 'BELOW ';
  const figure = `${value} ${unit}`.padStart(12);
  const reached = `${isReached(result) ? 'within' : missed} ${`${reach} ${unit}`.padStart(10)}`;
  const times = `${String(ratio).padStart(8)} ×`;
  const beside =
    ratioIs === 'value / bound' ? `${bound} ${unit}, ${boundIs}` : `as fast as ${boundIs}: ${bound} ${unit}`;
  return `${name.padEnd(22)} ${figure}  ${reached}   ${times} ${beside}`;
}

runBenchmarks(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});

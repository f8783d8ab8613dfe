// SPDX-License-Identifier: MIT
//
// A death report as people read it, in at most 100 columns: what is known of such deaths, the exceptions, the instruction, and then
// everything that one may want to look up.
import type { StopCodeName } from '../../shared/stop.ts';
import { hex } from '../../shared/units.ts';
import { alignColumns, wrapText } from '../cli/columns.ts';
import type { DeathReport, ExceptionReport } from '../death-report.ts';
import { type CpuPicture, GENERAL_REGISTERS, SEGMENT_REGISTERS } from './cpu-picture.ts';
import { segmentText } from './descriptors.ts';

export interface DeathStyle {
  readonly bold?: (text: string) => string;
  readonly dim?: (text: string) => string;
}

const COLUMNS = 100;
const LABEL = 11;
const REGISTERS_A_LINE = 5;
const CAUSES: Readonly<Partial<Record<StopCodeName, string>>> = {
  tripleFault: 'of a triple fault',
  windowViolation: 'of a store outside its windows',
  badEntry: 'of a jump for which there is no room',
};
const NULL_SEGMENT = 0x10000;

const plain = (text: string): string => text;
const digits = (value: number, count = 8): string => hex(value, count).slice(2);
const far = (cs: number, eip: number): string => `${digits(cs, 4)}:${digits(eip)}`;

/** Lines without a newline at the end. */
export function formatDeathReport(report: DeathReport, { bold = plain, dim = plain }: DeathStyle = {}): string {
  const { cpu, kernel, code, mode, tick } = report;
  const cause = CAUSES[code] ?? '';
  const where = `at ${far(cpu.segments.cs.selector, cpu.general.eip)} in ${mode}, tick ${tick.toLocaleString('en')}`;
  const sections: [string, string[]][] = [
    ['why', whyRows(report)],
    ['exceptions', exceptionRows(report.chain)],
    ['code', codeRows(report, bold)],
    ['registers', registerRows(cpu)],
    ['', [`eflags ${digits(cpu.general.eflags)}  ${report.bits.eflags.join(' ')}`]],
    ['segments', segmentRows(cpu)],
    ['control', controlRows(report)],
    ['tables', tableRows(report)],
    ['walk', walkRows(report)],
    ['history', historyRows(report)],
  ];
  const body = sections.flatMap(([label, rows]) =>
    rows.map((row, i) => `${dim((i === 0 ? label : '').padEnd(LABEL))}${row}`.trimEnd()),
  );
  return [bold(`${kernel} died ${cause}`.trimEnd()), `${' '.repeat(LABEL)}${where}`, ...body].join('\n');
}

function whyRows({ hints, text }: DeathReport): string[] {
  const wrapped = (line: string, indent = ''): string[] => wrapText(line, COLUMNS - LABEL, indent).split('\n');
  if (hints.length === 0) return wrapped(text);
  return hints.flatMap(({ rule, section, what, advice }) => [
    ...wrapped(`${rule} (§${section}): ${what}`),
    ...wrapped(`do: ${advice}`, '  '),
  ]);
}

function exceptionRows(chain: readonly ExceptionReport[]): string[] {
  return alignColumns(
    chain.map(({ name, title, errorCode, meaning, cs, eip }) => [
      name,
      title,
      far(cs, eip),
      errorCode === null ? '' : digits(errorCode, 4),
      meaning,
    ]),
  );
}

function codeRows({ lines, isMapped }: DeathReport, bold: (text: string) => string): string[] {
  if (lines.length === 0) return ['none: EIP leads nowhere'];
  const rows = lines.map(({ address, bytes, text, isCurrent }) => {
    const row = `${isCurrent ? '>' : ' '} ${digits(address)}  ${bytes.padEnd(22)}  ${text}`;
    return isCurrent ? bold(row) : row;
  });
  return isMapped ? rows : [...rows, '  (not mapped: this is what lies at the same physical address)'];
}

function registerRows({ general }: CpuPicture): string[] {
  const cells = GENERAL_REGISTERS.filter((name) => name !== 'eflags').map((name) => `${name} ${digits(general[name])}`);
  return [cells.slice(0, REGISTERS_A_LINE - 1), cells.slice(REGISTERS_A_LINE - 1)].map((row) => row.join('  '));
}

function segmentRows({ segments }: CpuPicture): string[] {
  return alignColumns(
    SEGMENT_REGISTERS.map((name) => {
      const { selector, base, limit, attributes } = segments[name];
      const kind = (attributes & NULL_SEGMENT) !== 0 ? 'null' : segmentText(attributes);
      return [name.padEnd(4), digits(selector, 4), `base ${digits(base)}`, `limit ${digits(limit)}`, kind];
    }),
  );
}

function controlRows({ cpu, bits }: DeathReport): string[] {
  const rows = [
    ['cr0', digits(cpu.cr0), bits.cr0.join(' ')],
    ['cr2', digits(cpu.cr2), ''],
    ['cr3', digits(cpu.cr3), bits.cr3.join(' ')],
    ['cr4', digits(cpu.cr4), bits.cr4.join(' ')],
  ];
  if (cpu.efer !== 0) rows.push(['efer', digits(cpu.efer), bits.efer.join(' ')]);
  return alignColumns(rows);
}

function tableRows({ cpu, descriptors }: DeathReport): string[] {
  const registers = (['gdtr', 'idtr'] as const).map((name) => {
    const { base, limit } = cpu[name];
    return `${name}  base ${digits(base)}  limit ${digits(limit, 4)}`;
  });
  return [...registers, ...alignColumns(descriptors.map(({ where, text }) => [where, text]))];
}

function walkRows({ walks }: DeathReport): string[] {
  return walks.flatMap(({ of, linAddr, steps, physAddr, problem }) => {
    const end = problem ?? `page at ${hex(physAddr ?? 0)}`;
    return [
      `${of} ${digits(linAddr)}: ${end}`,
      ...alignColumns(
        steps.map(({ table, physAddr: at, entry, high, flags }) => [
          `  ${table}`,
          `at ${digits(at)}`,
          high === 0 ? digits(entry) : `${digits(high)}:${digits(entry)}`,
          flags.join(' '),
        ]),
      ),
    ];
  });
}

function historyRows({ lastSwitch, lastMove }: DeathReport): string[] {
  const rows: string[] = [];
  if (lastSwitch === null) rows.push('no switch: it was booted');
  else {
    const { from, to, tick, agoTicks, eip } = lastSwitch;
    const ago = agoTicks.toLocaleString('en');
    rows.push(
      `last switch ${from} → ${to} at tick ${tick.toLocaleString('en')}, ${ago} ticks before, to ${digits(eip)}`,
    );
  }
  if (lastMove !== null) {
    const { from, to, copies } = lastMove;
    rows.push(`last page copied by its own code, paging off: ${digits(from)} → ${digits(to)}, ${copies} in all`);
  }
  return rows;
}

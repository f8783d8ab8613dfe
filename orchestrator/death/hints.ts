// SPDX-License-Identifier: MIT
//
// What is known of such deaths: the weaknesses of the protocol (kexec-jump reference §3.4 to §3.8, §11.3), each as a rule that says
// whether its traces are there, and what to do. Every rule that fits is told, the most telling first.
import { REENTRY_CODE, REENTRY_OFFSET } from '../../shared/layout/control-page.ts';
import { CR4_PAE, EFLAGS_DF, EFLAGS_IF } from '../../shared/layout/cpu-state.ts';
import { formatSize, hex, PAGE_SIZE } from '../../shared/units.ts';
import type { DeathFacts } from '../death-report.ts';
import { codeAddress, isPae, isPaging, isProtected, type TablePicture } from './cpu-picture.ts';
import { walkPages } from './linear-memory.ts';
import { ErrorCode, namesSelector, PageFault, Vector } from './names.ts';

export interface Hint {
  readonly rule: string;
  /** Section of the kexec-jump reference. */
  readonly section: string;
  readonly what: string;
  readonly advice: string;
}

type Found = readonly [what: string, advice: string] | null;
interface Rule {
  readonly rule: string;
  readonly section: string;
  readonly find: (facts: DeathFacts) => Found;
}

/** Bytes of zeros at EIP that are no accident. */
const ZEROS = 16;
const STACK_REACH = 128;
/** relocate_kernel copies three pages for each that it exchanges. */
const COPIES_A_PAGE = 3;

export function findHints(facts: DeathFacts): Hint[] {
  return RULES.flatMap(({ rule, section, find }) => {
    const found = find(facts);
    return found === null ? [] : [{ rule, section, what: found[0], advice: found[1] }];
  });
}

const RULES: readonly Rule[] = [
  { rule: 'window', section: '11.3', find: storedOutside },
  { rule: 'no-slot', section: '3.8', find: noSlot },
  { rule: 'gdt-hole', section: '3.6', find: gdtHole },
  { rule: 'pae-hole', section: '3.7', find: paeHole },
  { rule: 'no-reentry', section: '1.6', find: nobodyParked },
  { rule: 'entered-at-zero', section: '3.5', find: enteredAtZero },
  { rule: 'zeros', section: '3.5', find: inZeros },
  { rule: 'no-memory', section: '3.5', find: outsideMemory },
  { rule: 'direction-flag', section: '3.4', find: runsDownward },
  { rule: 'no-execute', section: '2.1', find: noExecute },
  { rule: 'not-identity', section: '3.1', find: codeNotMapped },
  { rule: 'stack-unmapped', section: '3.4', find: stackNotMapped },
  { rule: 'tables-unmapped', section: '3.4', find: tablesNotMapped },
  { rule: 'idt-window', section: '11.3', find: interruptWithoutIdt },
  { rule: 'irq-left-running', section: '11.3', find: interruptWithoutGate },
  { rule: 'torn-exchange', section: '3.2', find: exchangeCutShort },
  { rule: 'no-idt', section: '3.3', find: noIdt },
];

// ---- stores and jumps -----------------------------------------------------------------------------------------------

function storedOutside({ code, address, windows, memory }: DeathFacts): Found {
  if (code !== 'windowViolation') return null;
  const own = windows.map(([from, to]) => `${formatSize(from)} to ${formatSize(to)}`).join(', ') || 'nothing';
  const where = address >= memory.bytes ? ', where no memory is' : '';
  return [
    `It stored to ${hex(address)}${where}; it may store to ${own}. What it was told of its memory is only a promise.`,
    'tell it of less memory (command line, memory map), or give it a larger window',
  ];
}

function noSlot({ code, address }: DeathFacts): Found {
  if (code !== 'badEntry') return null;
  return [
    `It jumped by itself to ${hex(address)}, and every kernel slot is taken.`,
    'remove a kernel, or create the machine with a larger maxKernels',
  ];
}

function nobodyParked({ arrival, entry, reentries, codeBytes, chain }: DeathFacts): Found {
  const at = arrival?.eip ?? 0;
  if (arrival === null || at % PAGE_SIZE !== REENTRY_OFFSET || reentries.includes(at) || entry !== at) return null;
  const isOurs = codeBytes[0] === (REENTRY_CODE & 0xff) && codeBytes[1] === REENTRY_CODE >>> 8;
  const mark = isOurs && chain[0]?.vector === Vector.invalidOpcode ? ' Its mark is still there.' : '';
  return [
    `${arrival.from} called ${hex(at)}, the re-entry of a control page, but no kernel is parked there: its image was unloaded or written over.${mark}`,
    'keep the image loaded while a peer may return through it',
  ];
}

function enteredAtZero({ arrival }: DeathFacts): Found {
  if (arrival === null || arrival.eip !== 0) return null;
  return [
    `${arrival.from} jumped to address 0: its image->start was stale, as after a peer that came back by a plain kexec.`,
    'load the image again before the next jump',
  ];
}

function inZeros({ codeBytes }: DeathFacts): Found {
  if (codeBytes.length < ZEROS || codeBytes.slice(0, ZEROS).some((byte) => byte !== 0)) return null;
  return [
    'The code at EIP is zeros: nothing was loaded there, or image->start is stale.',
    'check the entry address; load the image again after a peer came back by ret or plain kexec',
  ];
}

function outsideMemory({ cpu, memory, codeBytes }: DeathFacts): Found {
  const { physAddr } = walkPages(cpu, memory, codeAddress(cpu));
  if (codeBytes.length > 0 || physAddr === null || physAddr < memory.bytes) return null;
  const last = memory.read(memory.bytes - PAGE_SIZE, PAGE_SIZE);
  const through = last.every((byte) => byte === 0) && physAddr < memory.bytes + PAGE_SIZE;
  return [
    `No memory is at EIP${through ? ': it ran through zeros to the end of memory, from a jump to where no code is' : ''}.`,
    'check the entry address; load the image again after a peer came back by ret or plain kexec',
  ];
}

// ---- the holes of the return leg ------------------------------------------------------------------------------------

function gdtHole({ cpu, chain, keptGdt, arrival }: DeathFacts): Found {
  const needsGdt = (vector: number, code: number | null): boolean =>
    namesSelector(vector) && code !== null && (code & 0xfff8) !== 0 && (code & (ErrorCode.idt | ErrorCode.ldt)) === 0;
  if (!isProtected(cpu) || cpu.gdtr.limit !== 0) return null;
  if (!chain.some(({ vector, errorCode }) => needsGdt(vector, errorCode))) return null;
  if (keptGdt === null && arrival === null) {
    return ['A segment was needed while GDTR has limit 0: no GDT was loaded.', 'do lgdt before loading any segment'];
  }
  const kept = keptGdt === null ? '' : ` When it left, it was ${tableText(keptGdt)}.`;
  return [
    `A segment was needed while GDTR has limit 0: the return leg loads segments before anybody has loaded GDTR.${kept}`,
    "use mode 'repaired'; or let the peer do lgdt, with a base that is valid with this kernel's paging, before it returns",
  ];
}

function paeHole({ cpu, chain, leftCr4 }: DeathFacts): Found {
  const left = (leftCr4 & CR4_PAE) !== 0;
  if (!isPaging(cpu) || isPae(cpu) || !left || chain[0]?.vector !== Vector.pageFault) return null;
  return [
    'Paging is on with CR4.PAE = 0, but the kernel left with PAE: its tables are walked in the wrong format.',
    "use mode 'repaired'; or let the peer set CR4.PAE before it returns",
  ];
}

function runsDownward({ arrival, cpu, lines }: DeathFacts): Found {
  const advice = 'clear DF (cld) before leaving, and at every entry';
  if (arrival !== null && (arrival.eflags & EFLAGS_DF) !== 0) {
    return [`${arrival.from} left with DF = 1: the string copies of the return leg run downward.`, advice];
  }
  const isString = /^(rep\w* )?(movs|stos|lods|cmps|scas|ins|outs)[bwd]/.test(currentText(lines));
  return isString && (cpu.general.eflags & EFLAGS_DF) !== 0
    ? ['DF = 1: this string instruction runs downward.', advice]
    : null;
}

// ---- paging ---------------------------------------------------------------------------------------------------------

/** Error code of the last #PF, which CR2 is of. */
function lastPageFault({ chain }: DeathFacts): number | null {
  return chain.filter(({ vector }) => vector === Vector.pageFault).at(-1)?.errorCode ?? null;
}

function noExecute({ cpu, chain }: DeathFacts): Found {
  const code = chain.find(({ vector }) => vector === Vector.pageFault)?.errorCode ?? 0;
  const fetch = PageFault.present | PageFault.fetch;
  if ((code & fetch) !== fetch || (code & PageFault.reserved) !== 0) return null;
  return [
    `The code at ${hex(codeAddress(cpu))} is in a page that is marked no-execute.`,
    'clear NX of the control page before the jump, and set it again behind it',
  ];
}

function codeNotMapped({ chain, isMapped, lines }: DeathFacts): Found {
  const before = lines[lines.findIndex(({ isCurrent }) => isCurrent) - 1]?.text ?? '';
  if (isMapped || chain[0]?.vector !== Vector.pageFault) return null;
  if (!/^mov cr[034],/.test(before)) return null;
  return [
    `Behind \`${before}\` the code itself is not mapped: the tables in CR3 do not map it at its physical address.`,
    'map the control page at its own physical address in the transition tables, for both ways',
  ];
}

function stackNotMapped(facts: DeathFacts): Found {
  const { cpu } = facts;
  const { esp } = cpu.general;
  const below = (cpu.segments.ss.base + esp - cpu.cr2) >>> 0;
  if (lastPageFault(facts) === null || below > STACK_REACH || below === 0) return null;
  return [
    `The stack is not there: the page below ESP ${hex(esp)} cannot be stored to, so that no exception can be delivered.`,
    'load ESP with a stack that is mapped, with at least 4 writable bytes below it, before leaving',
  ];
}

function tablesNotMapped(facts: DeathFacts): Found {
  const { cpu } = facts;
  if (lastPageFault(facts) === null) return null;
  const table = [['IDTR', cpu.idtr] as const, ['GDTR', cpu.gdtr] as const].find(
    ([, { base, limit }]) => limit !== 0 && (cpu.cr2 - base) >>> 0 <= limit,
  );
  if (table === undefined) return null;
  return [
    `The table of ${table[0]} (${tableText(table[1])}) is not mapped: the base is not valid with these page tables.`,
    `load ${table[0]} with a base that is mapped while it is in use`,
  ];
}

// ---- interrupts -----------------------------------------------------------------------------------------------------

const isInterrupt = ({ vector, external }: DeathFacts['chain'][number]): boolean => external || vector === Vector.nmi;

function interruptWithoutIdt({ cpu, chain, arrival }: DeathFacts): Found {
  const [first] = chain;
  if (first === undefined || !isProtected(cpu) || !isInterrupt(first) || cpu.idtr.limit !== 0) return null;
  const entered =
    arrival !== null && (arrival.eflags & EFLAGS_IF) !== 0 ? ` ${arrival.from} had left with IF = 1.` : '';
  return [
    `${first.name} came while IDTR has limit 0: between the lidt {0, 0} of whoever leaves and the peer's own lidt.${entered}`,
    'keep IF = 0, and NMIs away, until the own IDT is loaded',
  ];
}

function interruptWithoutGate({ cpu, chain, descriptors }: DeathFacts): Found {
  const [first] = chain;
  if (first === undefined || !isProtected(cpu) || !isInterrupt(first) || cpu.idtr.limit === 0) return null;
  const gate = descriptors.find(({ where }) => where === `IDT ${first.vector}`);
  if (gate === undefined || gate.usable) return null;
  const bios = first.vector >= 8 && first.vector < 16 ? ' The PIC still has the vectors of the BIOS.' : '';
  return [
    `${first.name} came and has no gate: PIC and PIT go on as whoever was here before left them.${bios}`,
    'initialise and mask the PIC before setting IF',
  ];
}

function exchangeCutShort({ cpu, move }: DeathFacts): Found {
  if (isPaging(cpu) || move === null || move.copies % COPIES_A_PAGE === 0) return null;
  const done = Math.floor(move.copies / COPIES_A_PAGE);
  return [
    `It died in the midst of an exchange of pages: ${done} were exchanged, of the next one ${move.copies % COPIES_A_PAGE} of 3 copies were made.`,
    'neither side can go on from here: restore a snapshot; check the list of the image',
  ];
}

function noIdt({ cpu, chain }: DeathFacts): Found {
  if (chain.length === 0 || !isProtected(cpu) || cpu.idtr.limit !== 0 || isInterrupt(chain[0])) return null;
  return [
    `IDTR has limit 0, so that any exception is the end; ${chain[0].name} is the one to look at, the others follow from it.`,
    'load an IDT early to see more',
  ];
}

const tableText = ({ base, limit }: TablePicture): string => `base ${hex(base)} limit ${hex(limit, 4)}`;
const currentText = (lines: DeathFacts['lines']): string => lines.find(({ isCurrent }) => isCurrent)?.text ?? '';

// SPDX-License-Identifier: MIT
//
// The opcode maps, in the notation of SDM vol. 2D appendix A: E a ModRM operand, G the register in ModRM, Z the register in the
// opcode, I an immediate (Ibs: a byte, sign-extended), J a displacement, M memory, O an absolute offset, S a segment register, C and
// D control and debug registers, R a register in ModRM; b byte, w word, d doubleword, v and z as the operand-size attribute says.
// A name alone takes no operands. `lock` in front: legal with LOCK if the first operand is in memory. `-` is #UD.

export interface Opcode {
  readonly name: string;
  readonly operands: readonly string[];
  readonly lockable: boolean;
  readonly modrm: boolean;
  /** The opcode is a group: the reg field of ModRM selects among these. */
  readonly group: readonly Opcode[] | null;
}

const GROUPS: Readonly<Record<string, string>> = {
  '1b': 'lock add Eb,Ib|lock or Eb,Ib|lock adc Eb,Ib|lock sbb Eb,Ib|lock and Eb,Ib|lock sub Eb,Ib|lock xor Eb,Ib|cmp Eb,Ib',
  '1v': 'lock add Ev,Iz|lock or Ev,Iz|lock adc Ev,Iz|lock sbb Ev,Iz|lock and Ev,Iz|lock sub Ev,Iz|lock xor Ev,Iz|cmp Ev,Iz',
  '1s': 'lock add Ev,Ibs|lock or Ev,Ibs|lock adc Ev,Ibs|lock sbb Ev,Ibs|lock and Ev,Ibs|lock sub Ev,Ibs|lock xor Ev,Ibs|cmp Ev,Ibs',
  '1a': 'pop Ev|-|-|-|-|-|-|-',
  '2bi': 'rol Eb,Ib|ror Eb,Ib|rcl Eb,Ib|rcr Eb,Ib|shl Eb,Ib|shr Eb,Ib|shl Eb,Ib|sar Eb,Ib',
  '2vi': 'rol Ev,Ib|ror Ev,Ib|rcl Ev,Ib|rcr Ev,Ib|shl Ev,Ib|shr Ev,Ib|shl Ev,Ib|sar Ev,Ib',
  '2b1': 'rol Eb,1|ror Eb,1|rcl Eb,1|rcr Eb,1|shl Eb,1|shr Eb,1|shl Eb,1|sar Eb,1',
  '2v1': 'rol Ev,1|ror Ev,1|rcl Ev,1|rcr Ev,1|shl Ev,1|shr Ev,1|shl Ev,1|sar Ev,1',
  '2bc': 'rol Eb,CL|ror Eb,CL|rcl Eb,CL|rcr Eb,CL|shl Eb,CL|shr Eb,CL|shl Eb,CL|sar Eb,CL',
  '2vc': 'rol Ev,CL|ror Ev,CL|rcl Ev,CL|rcr Ev,CL|shl Ev,CL|shr Ev,CL|shl Ev,CL|sar Ev,CL',
  '3b': 'test Eb,Ib|test Eb,Ib|lock not Eb|lock neg Eb|mul Eb|imul1 Eb|div Eb|idiv Eb',
  '3v': 'test Ev,Iz|test Ev,Iz|lock not Ev|lock neg Ev|mul Ev|imul1 Ev|div Ev|idiv Ev',
  '4': 'lock inc Eb|lock dec Eb|-|-|-|-|-|-',
  '5': 'lock inc Ev|lock dec Ev|callE Ev|callM M|jmpE Ev|jmpM M|push Ev|-',
  '6': 'sldt Ew|str Ew|lldt Ew|ltr Ew|verr Ew|verw Ew|-|-',
  '7': 'sgdt M|sidt M|lgdt M|lidt M|smsw Ew|-|lmsw Ew|invlpg M',
  '8': '-|-|-|-|bt Ev,Ib|lock bts Ev,Ib|lock btr Ev,Ib|lock btc Ev,Ib',
  '9': '-|lock cmpxchg8b M|-|-|-|-|-|-',
  '11b': 'mov Eb,Ib|-|-|-|-|-|-|-',
  '11v': 'mov Ev,Iz|-|-|-|-|-|-|-',
  '15': 'fxsave M|fxrstor M|-|-|-|-|-|-',
};

const ONE_BYTE = `
lock add Eb,Gb|lock add Ev,Gv|add Gb,Eb|add Gv,Ev|add AL,Ib|add eAX,Iz|pushS 0|popS 0|lock or Eb,Gb|lock or Ev,Gv|or Gb,Eb|or Gv,Ev|or AL,Ib|or eAX,Iz|pushS 1|two-byte
lock adc Eb,Gb|lock adc Ev,Gv|adc Gb,Eb|adc Gv,Ev|adc AL,Ib|adc eAX,Iz|pushS 2|popS 2|lock sbb Eb,Gb|lock sbb Ev,Gv|sbb Gb,Eb|sbb Gv,Ev|sbb AL,Ib|sbb eAX,Iz|pushS 3|popS 3
lock and Eb,Gb|lock and Ev,Gv|and Gb,Eb|and Gv,Ev|and AL,Ib|and eAX,Iz|-|daa|lock sub Eb,Gb|lock sub Ev,Gv|sub Gb,Eb|sub Gv,Ev|sub AL,Ib|sub eAX,Iz|-|das
lock xor Eb,Gb|lock xor Ev,Gv|xor Gb,Eb|xor Gv,Ev|xor AL,Ib|xor eAX,Iz|-|aaa|cmp Eb,Gb|cmp Ev,Gv|cmp Gb,Eb|cmp Gv,Ev|cmp AL,Ib|cmp eAX,Iz|-|aas
inc Zv|inc Zv|inc Zv|inc Zv|inc Zv|inc Zv|inc Zv|inc Zv|dec Zv|dec Zv|dec Zv|dec Zv|dec Zv|dec Zv|dec Zv|dec Zv
push Zv|push Zv|push Zv|push Zv|push Zv|push Zv|push Zv|push Zv|pop Zv|pop Zv|pop Zv|pop Zv|pop Zv|pop Zv|pop Zv|pop Zv
pusha|popa|bound Gv,M|arpl Ew,Gw|-|-|-|-|push Iz|imul3 Gv,Ev,Iz|push Ibs|imul3 Gv,Ev,Ibs|ins Yb|ins Yv|outs Xb|outs Xv
jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb|jcc Jb
group 1b|group 1v|group 1b|group 1s|test Eb,Gb|test Ev,Gv|lock xchg Eb,Gb|lock xchg Ev,Gv|mov Eb,Gb|mov Ev,Gv|mov Gb,Eb|mov Gv,Ev|movFromS Ev,S|lea Gv,M|movToS S,Ew|group 1a
nop|xchg eAX,Zv|xchg eAX,Zv|xchg eAX,Zv|xchg eAX,Zv|xchg eAX,Zv|xchg eAX,Zv|xchg eAX,Zv|cbw|cwd|callFar Ap|fwait|pushf|popf|sahf|lahf
mov AL,Ob|mov eAX,Ov|mov Ob,AL|mov Ov,eAX|movs Xb|movs Xv|cmps Xb|cmps Xv|test AL,Ib|test eAX,Iz|stos Yb|stos Yv|lods Xb|lods Xv|scas Yb|scas Yv
mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zb,Ib|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz|mov Zv,Iz
group 2bi|group 2vi|retNear Iw|retNear|farPointer Gv,M,0|farPointer Gv,M,3|group 11b|group 11v|enter Iw,Ib|leave|retFar Iw|retFar|int3|int Ib|into|iret
group 2b1|group 2v1|group 2bc|group 2vc|aam Ib|aad Ib|salc|xlat|fpu E|fpu E|fpu E|fpu E|fpu E|fpu E|fpu E|fpu E
loop Jb|loop Jb|loop Jb|loop Jb|in AL,Ib|in eAX,Ib|out AL,Ib|out eAX,Ib|call Jz|jmp Jz|jmpFar Ap|jmp Jb|in AL,DX|in eAX,DX|out AL,DX|out eAX,DX
-|int1|-|-|hlt|cmc|group 3b|group 3v|clc|stc|cli|sti|cld|std|group 4|group 5`;

/** 0F xx. Opcodes of MMX and SSE are #UD: CPUID does not claim them. */
const TWO_BYTE = `
group 6|group 7|lar Gv,Ew|lsl Gv,Ew|-|-|clts|-|invd|wbinvd|-|ud|-|-|-|-
-|-|-|-|-|-|-|-|nop E|nop E|nop E|nop E|nop E|nop E|nop E|nop E
movFromCr Rd,Cd|movFromDr Rd,Dd|movToCr Cd,Rd|movToDr Dd,Rd|-|-|-|-|-|-|-|-|-|-|-|-
wrmsr|rdtsc|rdmsr|rdpmc|sysenter|sysexit|-|-|-|-|-|-|-|-|-|handOver
cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev|cmov Gv,Ev
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-
jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz|jcc Jz
setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb|setcc Eb
pushS 4|popS 4|cpuid|bt Ev,Gv|shld Ev,Gv,Ib|shld Ev,Gv,CL|-|-|pushS 5|popS 5|rsm|lock bts Ev,Gv|shrd Ev,Gv,Ib|shrd Ev,Gv,CL|group 15|imul2 Gv,Ev
lock cmpxchg Eb,Gb|lock cmpxchg Ev,Gv|farPointer Gv,M,2|lock btr Ev,Gv|farPointer Gv,M,4|farPointer Gv,M,5|movzx Gv,Eb|movzx Gv,Ew|-|ud E|group 8|lock btc Ev,Gv|bsf Gv,Ev|bsr Gv,Ev|movsx Gv,Eb|movsx Gv,Ew
lock xadd Eb,Gb|lock xadd Ev,Gv|-|-|-|-|-|group 9|bswap Zd|bswap Zd|bswap Zd|bswap Zd|bswap Zd|bswap Zd|bswap Zd|bswap Zd
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-
-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|ud E`;

function parseMap(text: string): Opcode[] {
  return text.trim().split(/[|\n]/).map(parseOpcode);
}

function parseOpcode(text: string): Opcode {
  if (text === '-') return { name: 'ud', operands: [], lockable: false, modrm: false, group: null };
  const words = text.split(' ');
  const lockable = words[0] === 'lock';
  if (lockable) words.shift();
  const [name, list] = words;
  if (name === 'group') {
    return { name, operands: [], lockable: false, modrm: true, group: GROUPS[list].split('|').map(parseOpcode) };
  }
  const operands = list === undefined ? [] : list.split(',');
  return {
    name,
    operands,
    lockable,
    modrm: operands.some((operand) => /^[EGMSRCD]/.test(operand) && !/^(CL|DX)$/.test(operand)),
    group: null,
  };
}

export const ONE_BYTE_MAP: readonly Opcode[] = parseMap(ONE_BYTE);
export const TWO_BYTE_MAP: readonly Opcode[] = parseMap(TWO_BYTE);

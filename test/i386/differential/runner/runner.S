/* SPDX-License-Identifier: MIT */
/*
 * A 64 KiB ROM that runs a batch of cases on a bare PC: for each it puts the data page, the descriptor tables, the page tables,
 * the x87 and the registers in place, jumps to the sequence, and writes what is left after the first interrupt or exception
 * (the INT3 after the sequence, if nothing came before) into the result record. It needs no device but memory; ports are
 * written only to silence the interrupt controllers, to open A20, and at the end (0xF4).
 *
 * The host puts the batch at BATCH before the start and reads the results from memory. Numbers: layout.h.
 */
#include "layout.h"

#define AT(symbol) ((symbol) - image) /* offset within the image, the address in real mode */

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_CODE16 0x18
#define SEL_DATA16 0x100
#define SEL_TSS 0x108
#define SEL_LDT 0xA8

	.text
	.globl image
image:

/* ---- 32-bit protected mode, paging off, flat: first in the ROM, then in memory at RUNNER ---- */
	.code32
in_rom:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movb $0x02, %al
	outb %al, $0x92			/* A20 */
	movb $0xFF, %al
	outb %al, $0x21			/* no interrupts from outside */
	outb %al, $0xA1
	cld
	movl $0xF0000, %esi
	movl $RUNNER, %edi
	movl $0x4000, %ecx
	rep movsl
	movl $0xF0000, %esi
	movl $LOW, %edi
	movl $0x4000, %ecx
	rep movsl
	movl $start, %eax
	jmp *%eax

start:
	movl $stack_top, %esp
	movl $CODE, %edi		/* the code pages are INT3 all over */
	movl $0xCCCCCCCC, %eax
	movl $0x800, %ecx
	rep stosl
	movl $READ_ONLY, %edi
	movl $0x01020304, %eax
	movl $0x400, %ecx
1:	stosl
	addl $0x10203041, %eax
	loop 1b
	call make_idt
	call make_ivt
	call make_page_tables
	call restore_gdt
	lgdt gdtr
	lidt idtr
	movl $SEL_LDT, %eax
	lldt %ax
	movb $0x89, gdt + SEL_TSS + 5	/* available, for LTR only; each case starts with it busy */
	movl $SEL_TSS, %eax
	ltr %ax
	cmpl $0, BATCH_RUNNING
	je next_case
	movl $SHUT_DOWN, result_vector
	fninit
	jmp write_result

next_case:
	movl BATCH_INDEX, %eax
	cmpl BATCH_COUNT, %eax
	jae all_done
	imull $CASE_BYTES, %eax, %esi
	addl $BATCH_CASES, %esi
	movl %esi, %ebp
	call restore_gdt
	call restore_page_tables
	/* the data page, and the bytes of this case in it */
	movl $BATCH_DATA, %esi
	movl $DATA, %edi
	movl $0x400, %ecx
	rep movsl
	leal CASE_PATCH(%ebp), %esi
	movl CASE_PATCH_OFFSET(%ebp), %edi
	addl $DATA, %edi
	movl $PATCH_BYTES / 4, %ecx
	rep movsl
	/* the code, instead of the code of the case before */
	movl code_before, %edi
	movl $0xCCCCCCCC, %eax
	movl $CODE_BYTES / 4, %ecx
	rep stosl
	movl CASE_CODE_ADDRESS(%ebp), %edi
	movl %edi, code_before
	leal CASE_CODE(%ebp), %esi
	movl $CODE_BYTES / 4, %ecx
	rep movsl
	/* registers that the runner itself does not need */
	frstor CASE_FPU(%ebp)
	movl $0xFFFF0FF0, %eax
	movl %eax, %dr6
	xorl %eax, %eax
	movl %eax, %cr2
	lldt ldt_selector
	/* the header where both modes reach it, and the three far pointers */
	movl %ebp, %esi
	movl $case_copy, %edi
	movl $CASE_HEADER_BYTES / 4, %ecx
	rep movsl
	movl case_copy + CASE_GENERAL + 16, %eax
	movl %eax, stack_far
	movl case_copy + CASE_SS, %eax
	movl %eax, stack_far + 4
	movl case_copy + CASE_GENERAL + 28, %eax
	movl %eax, data_far
	movl case_copy + CASE_DS, %eax
	movl %eax, data_far + 4
	movl case_copy + CASE_EIP, %eax
	movl %eax, code_far
	movl case_copy + CASE_CS, %eax
	movl %eax, code_far + 4

	movl $1, BATCH_RUNNING
	movl $PAGE_DIRECTORY, %eax
	movl %eax, %cr3			/* also where paging is off: cases read it */
	cmpl $1, case_copy + CASE_KIND
	jb enter_real
	movl case_copy + CASE_CR4, %eax
	movl %eax, %cr4
	movl case_copy + CASE_CR0, %eax
	movl %eax, %cr0
	jmp 1f
1:	movl case_copy + CASE_EFLAGS, %eax
	cmpl $2, case_copy + CASE_KIND
	je enter_outer

/* Ring 0: nothing may be left on the stack of the case, so the last steps are LSS, LDS and a far jump. */
	pushl %eax
	popfl
	movl case_copy + CASE_ES, %eax
	movl %eax, %es
	movl case_copy + CASE_FS, %eax
	movl %eax, %fs
	movl case_copy + CASE_GS, %eax
	movl %eax, %gs
	movl case_copy + CASE_GENERAL, %eax
	movl case_copy + CASE_GENERAL + 4, %ecx
	movl case_copy + CASE_GENERAL + 8, %edx
	movl case_copy + CASE_GENERAL + 12, %ebx
	movl case_copy + CASE_GENERAL + 20, %ebp
	movl case_copy + CASE_GENERAL + 24, %esi
	lss stack_far, %esp
	lds data_far, %edi
	ljmpl *%cs:code_far

enter_outer:
	testl $0x20000, %eax
	jz 1f
	pushl case_copy + CASE_GS
	pushl case_copy + CASE_FS
	pushl case_copy + CASE_DS
	pushl case_copy + CASE_ES
	movl $SEL_DATA, data_far + 4	/* for LDS below: IRET loads DS itself */
	jmp 2f
1:	movl case_copy + CASE_ES, %ecx
	movl %ecx, %es
	movl case_copy + CASE_FS, %ecx
	movl %ecx, %fs
	movl case_copy + CASE_GS, %ecx
	movl %ecx, %gs
2:	pushl case_copy + CASE_SS
	pushl case_copy + CASE_GENERAL + 16
	pushl %eax
	pushl case_copy + CASE_CS
	pushl case_copy + CASE_EIP
	movl case_copy + CASE_GENERAL, %eax
	movl case_copy + CASE_GENERAL + 4, %ecx
	movl case_copy + CASE_GENERAL + 8, %edx
	movl case_copy + CASE_GENERAL + 12, %ebx
	movl case_copy + CASE_GENERAL + 20, %ebp
	movl case_copy + CASE_GENERAL + 24, %esi
	lds data_far, %edi
	iretl

/* Every gate of the IDT leads here: stack is vector, error code (0 if the exception has none), then the CPU's frame. */
interrupted:
	pushl %eax
	movl %ds, %eax
	pushl %eax
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %ecx, result_general + 4
	movl %edx, result_general + 8
	movl %ebx, result_general + 12
	movl %ebp, result_general + 20
	movl %esi, result_general + 24
	movl %edi, result_general + 28
	popl result_ds
	popl result_general
	popl result_vector
	popl result_error
	popl result_eip
	popl result_cs
	popl result_eflags
	movzwl result_cs, %eax		/* the upper half of a pushed selector is not defined */
	movl %eax, result_cs
	testl $0x20000, result_eflags
	jnz from_virtual_8086
	movl %es, %ecx
	movl %ecx, result_es
	movl %fs, %ecx
	movl %ecx, result_fs
	movl %gs, %ecx
	movl %ecx, result_gs
	testl $3, %eax
	jnz from_ring_3
	movl %esp, %ebx
	movl %ebx, result_general + 16
	movl %ss, %eax
	movl %eax, result_ss
	movl $12, %ecx			/* what the CPU and the lines above pushed holds flags nobody defines: wipe it */
1:	subl $4, %ebx
	movl $0, %ss:(%ebx)
	loop 1b
	jmp collected

from_virtual_8086:
	popl result_general + 16
	popl result_ss
	popl result_es
	popl result_ds
	popl result_fs
	popl result_gs
	movzwl result_es, %eax
	movl %eax, result_es
	movzwl result_ds, %eax
	movl %eax, result_ds
	movzwl result_fs, %eax
	movl %eax, result_fs
	movzwl result_gs, %eax
	movl %eax, result_gs
	jmp 1f
from_ring_3:
	popl result_general + 16
	popl result_ss
1:	movzwl result_ss, %eax
	movl %eax, result_ss

collected:
	movl $SEL_DATA, %eax
	movl %eax, %ss
	movl $stack_top, %esp
	movl %eax, %es
	pushl $2
	popfl
	movl %cr0, %eax
	movl %eax, result_cr0
	movl $0x31, %eax		/* PE, ET, NE: paging off, the x87 usable */
	movl %eax, %cr0
	jmp 1f
1:	xorl %eax, %eax
	movl %eax, %cr4
	movl %eax, %fs
	movl %eax, %gs

/* The result record: registers, x87, GDT (accessed bits), page table entries (accessed and dirty bits), data page. */
write_result:
	movl %cr2, %eax
	movl %eax, result_cr2
	movl %dr6, %eax
	movl %eax, result_dr6
	movl BATCH_INDEX, %eax
	imull $RESULT_BYTES, %eax, %edi
	addl BATCH_RESULTS, %edi
	movl %edi, %ebp
	fnsave RESULT_FPU(%ebp)
	call save_page_tables
	movl $result, %esi
	movl $32, %ecx
	rep movsl
	leal RESULT_GDT(%ebp), %edi
	movl $gdt, %esi
	movl $GDT_BYTES / 4, %ecx
	rep movsl
	movl $DATA, %esi
	movl $0x400, %ecx
	rep movsl
	incl BATCH_INDEX
	movl $0, BATCH_RUNNING
	jmp next_case

all_done:
	movl $1, BATCH_DONE
	movb $0, %al
	outb %al, $0xF4
1:	cli
	hlt
	jmp 1b

restore_gdt:
	movl $gdt_template, %esi
	movl $gdt, %edi
	movl $(gdt_template_end - gdt_template) / 4, %ecx
	rep movsl
	movb $0xF2, ldt + 5		/* the LDT is changed by nothing but accessed bits */
	movb $0xF2, ldt + 13
	movb $0xFA, ldt + 21
	ret

make_idt:
	movl $idt, %edi
	movl $stubs, %eax
	movl $gate_types, %esi
	movl $0x90, %ecx
1:	movl %eax, %edx
	andl $0xFFFF, %edx
	orl $(SEL_CODE << 16), %edx
	movl %edx, (%edi)
	movl %eax, %edx
	movb (%esi), %dh		/* type and privilege level */
	movb $0, %dl
	movl %edx, 4(%edi)
	addl $16, %eax
	addl $8, %edi
	incl %esi
	loop 1b
	ret

make_ivt:
	xorl %edi, %edi
	movl $(LOW >> 4) << 16, %eax
	addl $AT(stubs16), %eax
	movl $256, %ecx
1:	stosl
	addl $8, %eax
	loop 1b
	ret

make_page_tables:
	movl $PAGE_DIRECTORY, %edi
	xorl %eax, %eax
	movl $0x1000, %ecx
	rep stosl
	movl $TABLE_RUNNER + 3, PAGE_DIRECTORY + 4 * (RUNNER >> 22)
	movl $TABLE_RUNNER + 4 * ((RUNNER >> 12) & 0x3FF), %edi
	movl $RUNNER + 0x63, %eax	/* present, writable, supervisor, accessed, dirty */
	movl $16, %ecx
1:	stosl
	addl $0x1000, %eax
	loop 1b
	ret

restore_page_tables:
	movl $page_entries, %esi
	movl $(page_entries_end - page_entries) / 8, %ecx
1:	lodsl
	movl %eax, %edi
	movsl
	loop 1b
	ret

save_page_tables:
	pushl %edi
	movl $page_entries, %esi
	movl $result_pages, %edi
	movl $(page_entries_end - page_entries) / 8, %ecx
1:	lodsl
	movl (%eax), %eax
	stosl
	addl $4, %esi
	loop 1b
	popl %edi
	ret

/* ---- into real mode and back ---- */
enter_real:
	movl $case_copy, %esi		/* the copy that DS = LOW >> 4 reaches */
	movl $LOW + AT(case_copy), %edi
	movl $(copied_end - case_copy) / 4, %ecx
	rep movsl
	lidt real_idtr
	ljmpl $SEL_CODE16, $AT(protected_16)

	.code16
protected_16:
	movw $SEL_DATA16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw %ax, %fs
	movw %ax, %gs
	movw $(LOW >> 4), %bx
	movl AT(case_copy) + CASE_CR0, %eax
	movl %eax, %cr0
	ljmpw $(LOW >> 4), $AT(real_mode)
real_mode:
	movw %bx, %ds
	movw %bx, %ss
	movl $AT(stack_top), %esp
	pushl AT(case_copy) + CASE_EFLAGS
	popfl
	movw AT(case_copy) + CASE_ES, %es
	movw AT(case_copy) + CASE_FS, %fs
	movw AT(case_copy) + CASE_GS, %gs
	movl AT(case_copy) + CASE_GENERAL, %eax
	movl AT(case_copy) + CASE_GENERAL + 4, %ecx
	movl AT(case_copy) + CASE_GENERAL + 8, %edx
	movl AT(case_copy) + CASE_GENERAL + 12, %ebx
	movl AT(case_copy) + CASE_GENERAL + 20, %ebp
	movl AT(case_copy) + CASE_GENERAL + 24, %esi
	lssl AT(stack_far), %esp
	ldsl AT(data_far), %edi
	ljmpl *%cs:AT(code_far)

/* Every vector of real mode leads here: stack is vector, IP, CS, FLAGS, 16 bits each. */
interrupted_16:
	movl %eax, %cs:AT(result_general)
	movl %ecx, %cs:AT(result_general) + 4
	movl %edx, %cs:AT(result_general) + 8
	movl %ebx, %cs:AT(result_general) + 12
	movl %ebp, %cs:AT(result_general) + 20
	movl %esi, %cs:AT(result_general) + 24
	movl %edi, %cs:AT(result_general) + 28
	movw %es, %cs:AT(result_es)
	movw %ds, %cs:AT(result_ds)
	movw %ss, %cs:AT(result_ss)
	movw %fs, %cs:AT(result_fs)
	movw %gs, %cs:AT(result_gs)
	popw %cs:AT(result_vector)
	popw %cs:AT(result_eip)
	popw %cs:AT(result_cs)
	popw %cs:AT(result_eflags)
	movl %esp, %ebx
	movl %ebx, %cs:AT(result_general) + 16
	movw $12, %cx
1:	subl $4, %ebx
	movl $0, %ss:(%ebx)
	loop 1b
	movw %cs, %ax
	movw %ax, %ds
	movw %ax, %ss
	movl $AT(stack_top), %esp
	pushfl
	popl %eax
	shrl $16, %eax
	movw %ax, AT(result_eflags) + 2
	movl %cr0, %eax
	movl %eax, AT(result_cr0)
	cli
	cld
	lgdtl AT(gdtr)
	movl $0x31, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE, $from_real

	.code32
from_real:
	movl $SEL_DATA, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl $stack_top, %esp
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	lidt idtr
	movl $LOW + AT(result), %esi
	movl $result, %edi
	movl $32, %ecx
	rep movsl
	jmp write_result

/* ---- entry points of the interrupts ---- */
	.balign 16
stubs:
	.set vector, 0
	.rept 0x90
	.balign 16
	.if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && vector != 17
	pushl $0
	.endif
	pushl $vector
	jmp interrupted
	.set vector, vector + 1
	.endr

	.code16
	.balign 8
stubs16:
	.set vector, 0
	.rept 256
	.balign 8
	pushw $vector
	jmp interrupted_16
	.set vector, vector + 1
	.endr
	.code32

/* ---- constants ---- */
	.balign 16
/* Type and DPL by vector: 8E interrupt gate DPL 0, EE the same DPL 3, EF trap gate DPL 3, 6E not present DPL 3, 00 nothing. */
gate_types:
	.byte 0x8E, 0x8E, 0x8E, 0xEE, 0xEF, 0xEE
	.fill 0x20 - 6, 1, 0x8E
	.fill 8, 1, 0xEF		/* 20 to 27 */
	.fill 8, 1, 0x8F		/* 28 to 2F */
	.fill 8, 1, 0x6E		/* 30 to 37 */
	.fill 0x40, 1, 0x8E
	.fill 8, 1, 0xEE		/* 78 to 7F */
	.fill 8, 1, 0xEF		/* 80 to 87 */
	.fill 8, 1, 0x00		/* 88 to 8F */

	.macro descriptor base, limit, access, flags
	.word (\limit) & 0xFFFF, (\base) & 0xFFFF
	.byte ((\base) >> 16) & 0xFF, \access, (\flags) | (((\limit) >> 16) & 0xF), ((\base) >> 24) & 0xFF
	.endm

	.balign 8
gdt_template:
	.quad 0
	descriptor 0, 0xFFFFF, 0x9B, 0xC0		/* 08 runner: code, flat */
	descriptor 0, 0xFFFFF, 0x93, 0xC0		/* 10 runner: data, flat */
	descriptor LOW, 0xFFFF, 0x9B, 0x00		/* 18 runner: 16-bit code on the way to real mode */
	descriptor 0, 0xFFFFF, 0xFA, 0xC0		/* 20 code 32, flat, DPL 3: selectors 23 and 2B as 64-bit Linux has them */
	descriptor 0, 0xFFFFF, 0xF2, 0xC0		/* 28 data, flat, DPL 3 */
	descriptor 0, 0xFFFFF, 0x9A, 0xC0		/* 30 code 32, flat, DPL 0 */
	descriptor CODE, 0xFFFF, 0x9A, 0x00		/* 38 code 16, DPL 0 */
	descriptor 0, 0xFFFFF, 0x92, 0xC0		/* 40 data, flat, DPL 0 */
	descriptor DATA, 0xFFFF, 0x92, 0x00		/* 48 data 16, DPL 0 */
	descriptor DATA, 0xFFFFF, 0x92, 0xC0		/* 50 data 32, based, DPL 0 */
	descriptor 0, 0xFFFFF, 0xFA, 0xC0		/* 58 code 32, flat, DPL 3 */
	descriptor CODE, 0xFFFF, 0xFA, 0x00		/* 60 code 16, DPL 3 */
	descriptor 0, 0xFFFFF, 0xF2, 0xC0		/* 68 data, flat, DPL 3 */
	descriptor DATA, 0xFFFF, 0xF2, 0x00		/* 70 data 16, DPL 3 */
	descriptor DATA, 0xFFFFF, 0xF2, 0xC0		/* 78 data 32, based, DPL 3 */
	descriptor 0, 0xFFFFF, 0xF0, 0xC0		/* 80 data, flat, read-only, DPL 3 */
	descriptor 0, 0xFFFFF, 0x72, 0xC0		/* 88 data, not present, DPL 3 */
	descriptor DATA, 0x000FF, 0xF6, 0x40		/* 90 data, expand-down, DPL 3: offsets from 100 */
	descriptor 0, 0xFFFFF, 0x9E, 0xC0		/* 98 code 32, conforming, DPL 0 */
	descriptor 0, 0xFFFFF, 0xF8, 0xC0		/* A0 code 32, execute-only, DPL 3 */
	descriptor (RUNNER + 0xF080), 0x1F, 0x82, 0x00	/* A8 LDT (see ldt) */
	descriptor 0x00080000, 0x0000, 0xEC, 0x00	/* B0 call gate of 32 bits, DPL 3, target 0008:00000000 */
	descriptor (RUNNER + 0xF000), 0x67, 0xEB, 0x00	/* B8 TSS, busy, DPL 3 */
	descriptor (RUNNER + 0xF000), 0x2B, 0xE1, 0x00	/* C0 TSS of 16 bits, available, DPL 3 */
	descriptor 0x00080000, 0x0000, 0xEF, 0x00	/* C8 trap gate: no business of a GDT */
	descriptor (DATA + 0x700), 0x003F, 0xF2, 0x40	/* D0 data, 64 bytes, DPL 3 */
	descriptor (DATA + 0x700), 0x003F, 0x92, 0x40	/* D8 data, 64 bytes, DPL 0 */
	descriptor 0, 0xFFFFF, 0x72, 0xC0		/* E0 data, not present, DPL 3 */
	descriptor 0, 0xFFFFF, 0xE0, 0x00		/* E8 type 0, reserved */
	descriptor 0, 0xFFFFF, 0xB2, 0xC0		/* F0 data, flat, DPL 1 */
	descriptor 0, 0xFFFFF, 0xFE, 0xC0		/* F8 code 32, conforming, DPL 3 */
	descriptor LOW, 0xFFFF, 0x93, 0x00		/* 100 runner: 64K data on the way to real mode */
	descriptor (RUNNER + 0xF000), 0x67, 0x8B, 0x00	/* 108 TSS, busy: TR holds it (see tss) */
gdt_template_end:

/* Page directory and page table entries that cases see: address, value before each case. */
page_entries:
	.long PAGE_DIRECTORY, TABLE_LOW + 0x07
	.long PAGE_DIRECTORY + 4 * 0x2FF, TABLE_HIGH + 0x07
	.long TABLE_LOW + 4 * 0x30, CODE + 0x05		/* the code: user, read-only */
	.long TABLE_LOW + 4 * 0x31, CODE + 0x1000 + 0x05
	.long TABLE_LOW + 4 * 0x40, READ_ONLY + 0x05	/* user, read-only */
	.long TABLE_LOW + 4 * 0x41, DATA + 0x07		/* user, writable; 42 is not present */
	.long TABLE_LOW + 4 * 0x43, DATA + 0x03		/* supervisor, writable */
	.long TABLE_LOW + 4 * 0x44, DATA + 0x07		/* user, writable: a second name of the data page */
	.long TABLE_HIGH + 4 * 0x3FE, READ_ONLY + 0x05
	.long TABLE_HIGH + 4 * 0x3FF, DATA + 0x07		/* C0000000, the next page, has no page table */
page_entries_end:

	.balign 8
gdtr:	.word gdt_template_end - gdt_template - 1
	.long gdt
	.balign 8
idtr:	.word 0x90 * 8 - 1
	.long idt
	.balign 8
real_idtr: .word 0x3FF
	.long 0
boot_gdtr: .word gdt_template_end - gdt_template - 1
	.long 0xF0000 + AT(gdt_template)
ldt_selector: .word SEL_LDT

/* ---- variables ---- */
	.balign 16
code_before: .long CODE
	.balign 16
case_copy: .skip CASE_HEADER_BYTES
stack_far: .long 0, 0
data_far: .long 0, 0
code_far: .long 0, 0
copied_end:
	.balign 16
result:
result_general: .skip 32
result_es: .long 0
result_cs: .long 0
result_ss: .long 0
result_ds: .long 0
result_fs: .long 0
result_gs: .long 0
result_eip: .long 0
result_eflags: .long 0
result_vector: .long 0
result_error: .long 0
result_cr2: .long 0
result_dr6: .long 0
result_cr0: .long 0
	.long 0
result_pages: .skip 40
	.balign 8
gdt:	.skip gdt_template_end - gdt_template
idt:	.skip 0x90 * 8
	.balign 16
	.skip 0x400
stack_top:

/* The TSS and the LDT are at fixed places, so that descriptors can be written as constants. */
	.org 0xF000
tss:
	.long 0, stack_top, SEL_DATA
	.skip 104 - 12 - 4
	.long 104 << 16			/* no I/O bitmap: its base is past the limit */
	.org 0xF080
ldt:
	descriptor 0, 0xFFFFF, 0xF2, 0xC0	/* 07 data, flat, DPL 3 */
	descriptor DATA, 0xFFFFF, 0xF2, 0xC0	/* 0F data, based, DPL 3 */
	descriptor 0, 0xFFFFF, 0xFA, 0xC0	/* 17 code, flat, DPL 3 */
	.quad 0					/* 1F */

/* ---- reset ---- */
	.code16
	.org 0xFFC0
from_reset:
	cli
	lgdtl %cs:AT(boot_gdtr)
	movl $0x31, %eax
	movl %eax, %cr0
	ljmpl $SEL_CODE, $0xF0000 + AT(in_rom)
	.org 0xFFF0
	ljmpw $0xF000, $0xFFC0
	.org 0x10000

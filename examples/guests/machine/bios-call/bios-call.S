/* SPDX-License-Identifier: MIT
 *
 * A BIOS call as a function in physical mode: from flat 32-bit code into real mode, one INT, and back. It lies below 64 KiB
 * so that its addresses are real-mode offsets too, with segments of 0. How to leave protected mode and to come back: SDM
 * vol. 3A, sections 9.9.1 and 9.9.2.
 */
#include "../payload.h"
#include "bios-call.h"

/* Behind those that the caller may have. */
#define CALLER_LIMIT    0x100
#define SEL_CODE32      0x100
#define SEL_CODE16      0x108
#define SEL_DATA16      0x110

#define FLAT_CODE       0x00cf9b00      /* the upper half of a descriptor */
#define FLAT_DATA       0x00cf9300

#define PIC1_MASK       0x21
#define PIC2_MASK       0xa1

#define BLOCK(field)    (block + BLOCK_##field)

        .text
        PAYLOAD call_bios

        .org    BIOS_CALL_BLOCK, 0
block:  .skip   BLOCK_BYTES, 0

        /* Notes a selector of the caller, and gives it a flat segment in our GDT. */
        .macro  KEEP segment upper
        mov     %\segment, %eax
        mov     %eax, caller_\segment
        mov     $\upper, %edx
        call    make_flat
        .endm

call_bios:
        mov     %esp, caller_esp
        /* The caller's GDT may be out of reach, at a virtual address. It goes on with the selectors that we leave behind: Linux never
         * loads CS again, and its next IRET would not know another one. */
        KEEP    cs FLAT_CODE
        KEEP    ss FLAT_DATA
        KEEP    ds FLAT_DATA
        KEEP    es FLAT_DATA
        KEEP    fs FLAT_DATA
        KEEP    gs FLAT_DATA

        /* The BIOS may open interrupts. The caller's lines must not come in: they are numbered for its IDT, not for ours. */
        in      $PIC1_MASK, %al
        mov     %al, masks
        in      $PIC2_MASK, %al
        mov     %al, masks + 1
        mov     $0xff, %al
        out     %al, $PIC1_MASK
        out     %al, $PIC2_MASK

        mov     BLOCK(INTERRUPT), %al
        mov     %al, interrupt_number           /* the far jumps ahead make the processor see it */

        lgdt    gdt_pointer
        ljmp    $SEL_CODE16, $protected16

        .code16
protected16:
        /* Real mode keeps limits and attributes that segments have now: 64 KiB, 16 bits. */
        mov     $SEL_DATA16, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %fs
        mov     %ax, %gs
        mov     %ax, %ss
        lidt    real_mode_idt
        mov     %cr0, %eax
        and     $~1, %eax
        mov     %eax, %cr0
        ljmp    $0, $real

real:   xor     %ax, %ax
        mov     %ax, %ss
        mov     $stack_top, %sp
        mov     %ax, %ds
        mov     %ax, %fs
        mov     %ax, %gs
        mov     BLOCK(ES), %es
        mov     BLOCK(ECX), %ecx
        mov     BLOCK(EDX), %edx
        mov     BLOCK(EBX), %ebx
        mov     BLOCK(EBP), %ebp
        mov     BLOCK(ESI), %esi
        mov     BLOCK(EDI), %edi
        mov     BLOCK(EAX), %eax
        mov     BLOCK(DS), %ds
        .byte   0xcd                            /* INT */
interrupt_number:
        .byte   0

        /* Flags before anything changes them; of segments, only CS and SS are known now. */
        pushfl
        cli
        mov     %eax, %cs:BLOCK(EAX)
        mov     %ds, %cs:BLOCK(DS)
        xor     %ax, %ax
        mov     %ax, %ds
        popl    BLOCK(EFLAGS)
        mov     %es, BLOCK(ES)
        mov     %ecx, BLOCK(ECX)
        mov     %edx, BLOCK(EDX)
        mov     %ebx, BLOCK(EBX)
        mov     %ebp, BLOCK(EBP)
        mov     %esi, BLOCK(ESI)
        mov     %edi, BLOCK(EDI)

        lgdt    gdt_pointer                     /* the BIOS may have used one of its own */
        mov     %cr0, %eax
        or      $1, %eax
        mov     %eax, %cr0
        ljmpl   $SEL_CODE32, $protected32

        .code32
protected32:
        mov     caller_es, %es
        mov     caller_fs, %fs
        mov     caller_gs, %gs
        mov     caller_ss, %ss
        mov     caller_esp, %esp
        mov     caller_ds, %ds
        pushl   caller_cs
        pushl   $callers_segments
        lret
callers_segments:
        cld

        mov     masks, %al
        out     %al, $PIC1_MASK
        mov     masks + 1, %al
        out     %al, $PIC2_MASK

        LEAVE   block, BLOCK_BYTES, call_bios

/* EAX: a selector below CALLER_LIMIT. A null one stays null. */
make_flat:
        mov     %eax, %ecx
        and     $0xf8, %ecx
        jz      1f
        and     $3, %eax
        shl     $13, %eax                       /* whoever may use the selector may use the segment: RPL, DPL */
        or      %edx, %eax
        movl    $0xffff, gdt(%ecx)
        mov     %eax, gdt + 4(%ecx)
1:      ret

        .balign 8
gdt:    .skip   CALLER_LIMIT, 0
        .long   0x0000ffff, FLAT_CODE
        .quad   0x00009b000000ffff              /* 64 KiB, 16 bits */
        .quad   0x000093000000ffff
gdt_end:
        .word   0
gdt_pointer:
        .word   gdt_end - gdt - 1
        .long   gdt
        .word   0
real_mode_idt:
        .word   0x3ff
        .long   0
        .irp    register, esp, cs, ss, ds, es, fs, gs
caller_\register:
        .long   0
        .endr
masks:  .word   0

        .org    0xe00, 0
stack_top:
        .org    0x1000, 0

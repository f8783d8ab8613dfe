/* SPDX-License-Identifier: MIT
 *
 * Where the processor comes in: exceptions, interrupts, system calls; all through one frame, struct regs of trap.h. And
 * switch_to, where one task's kernel stack becomes another's.
 */
#include "layout.h"

        .text
/* Exceptions 8, 10-14 and 17 push an error code; for all others we push a 0. */
#define WITH_ERROR_CODE 0x27d00

        .macro  STUB number
        .balign 16
        .if     (\number >= 32) || (((WITH_ERROR_CODE >> \number) & 1) == 0)
        push    $0
        .endif
        push    $\number
        jmp     common
        .endm

/* 32 exceptions, 16 interrupt lines (numbered 32.. here, wherever the PIC puts them), the system call. 16 bytes each. */
        .globl  trap_stubs
        .balign 16
trap_stubs:
        .altmacro
        .set    number, 0
        .rept   49
        STUB    %number
        .set    number, number + 1
        .endr
        .noaltmacro

common: pusha
        push    %ds
        push    %es
        push    %fs
        push    %gs
        mov     $SEL_KERNEL_DATA, %eax
        mov     %eax, %ds
        mov     %eax, %es
        cld                                     /* the task may have left DF set */
        push    %esp
        call    trap
        add     $4, %esp

        .globl  trap_return
trap_return:
        pop     %gs
        pop     %fs
        pop     %es
        pop     %ds
        popa
        add     $8, %esp                        /* vector and error code */
        iret

/* void switch_to(u32 *save_esp, u32 load_esp): what C expects to survive a call lies on the stack that is left. */
        .globl  switch_to
switch_to:
        mov     4(%esp), %eax
        mov     8(%esp), %edx
        push    %ebx
        push    %esi
        push    %edi
        push    %ebp
        mov     %esp, (%eax)
        mov     %edx, %esp
        pop     %ebp
        pop     %edi
        pop     %esi
        pop     %ebx
        ret

/* The user program, and the two builds of the stub; made before this file is assembled. */
        .section .user, "a"
        .balign 4096
        .globl  user_image, user_image_end
user_image:
        .incbin "user.bin"
user_image_end:
        .section .rodata
        .globl  stub_strict, stub_strict_end, stub_repaired, stub_repaired_end
stub_strict:
        .incbin "relocate-kernel.strict.bin"
stub_strict_end:
stub_repaired:
        .incbin "relocate-kernel.repaired.bin"
stub_repaired_end:

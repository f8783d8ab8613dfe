/* SPDX-License-Identifier: MIT
 * The start of the user program: its header (struct user_image of abi.h), and the entry, with the role in EAX. */
        .section .header, "a"
        .long   _start, data_start, image_end

        .text
        .globl  _start
_start: push    %eax
        call    user_main
        mov     %eax, %ebx
        mov     $2, %eax                /* SYS_EXIT */
        int     $0x80
        hlt                             /* not reached; a fault if it is */

/* The code that a peer is entered through, carried along as data. */
        .section .rodata
        .globl  purgatory, purgatory_end
        .balign 4
purgatory:
        .incbin "purgatory.bin"
purgatory_end:

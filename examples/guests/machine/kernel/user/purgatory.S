/* SPDX-License-Identifier: MIT
 *
 * Between kernel and peer: entered with paging off and flat segments, [ESP] the re-entry of the kernel that jumps, or 0.
 * Tells the peer the re-entry, as eight digits at the end of its command line (a 0 is there beforehand), and enters it as
 * a Multiboot loader would. Position independent. ESP stays, though a Multiboot kernel does not look at it.
 */
#include "../layout.h"

        .text
        mov     (%esp), %edx
        call    1f
1:      pop     %ebp
        mov     (digits - 1b)(%ebp), %edi
        mov     $8, %ecx
2:      rol     $4, %edx
        mov     %edx, %eax
        and     $0xf, %eax
        cmp     $10, %al
        jb      3f
        add     $('a' - '0' - 10), %al
3:      add     $'0', %al
        stosb
        dec     %ecx
        jnz     2b

        mov     $MULTIBOOT_LOADER_MAGIC, %eax
        mov     (info - 1b)(%ebp), %ebx
        jmp     *(entry - 1b)(%ebp)

/* Filled in by whoever loads the peer: struct purgatory_words. The last words of the code. */
        .balign 4
entry:  .long   0
info:   .long   0
digits: .long   0

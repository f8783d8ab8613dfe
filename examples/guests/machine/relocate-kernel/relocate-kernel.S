/* SPDX-License-Identifier: MIT
 *
 * The handover of a kexec jump on i386: the machine code that a kernel copies into its control page and calls there.
 * It leaves one system and, entered again at `reentry`, comes back to it. Semantics, register values and the layout of
 * the control page are those of Linux 6.1 (arch/x86/kernel/relocate_kernel_32.S); the code is our own.
 *
 *   u32 stub(u32 head, const u32 page_list[4], u32 start, u32 has_pae, u32 preserve);   C calling convention, paging on
 *
 * Everything is position independent: the bytes run in the control page, at its virtual address until the transition
 * tables are loaded, at its physical address (mapped one to one by those tables) afterwards.
 *
 * Two builds. Strict keeps both holes of Linux: GDTR stays as the peer left it, and paging is switched on with the peer's
 * CR4, wrong for a PAE kernel. -DREPAIRED closes both, on the return leg only.
 */
#include "control-page.h"

#define PAGE_SIZE       4096
#define WORDS_PER_PAGE  1024

#define CR0_PE          0x00000001
#define CR0_EM          0x00000004
#define CR0_TS          0x00000008
#define CR0_WP          0x00010000
#define CR0_AM          0x00040000
#define CR0_PG          0x80000000
#define CR4_PAE         0x00000020

/* An offset from the start of the control page. */
#define AT(symbol)      ((symbol) - stub)

        .text
        .globl stub, identity_mapped, reentry, virtual_mapped, swap_pages
stub:
        /* What the C caller wants back, on its own stack; popped at the end of virtual_mapped. */
        push    %ebx
        push    %esi
        push    %edi
        push    %ebp
        pushf

        /* Arguments lie behind five pushes and the return address. */
        mov     (6 * 4 + 4)(%esp), %ebp                 /* page_list */
        mov     (4 * PAGE_LIST_VA_CONTROL)(%ebp), %edi
        mov     %esp, CP_SAVED_ESP(%edi)
        mov     %cr0, %eax
        mov     %eax, CP_SAVED_CR0(%edi)
        mov     %cr3, %eax
        mov     %eax, CP_SAVED_CR3(%edi)
        mov     %cr4, %eax
        mov     %eax, CP_SAVED_CR4(%edi)

        mov     (6 * 4 + 0)(%esp), %ebx                 /* head */
        mov     (6 * 4 + 8)(%esp), %edx                 /* start */
        mov     (6 * 4 + 16)(%esp), %esi                /* preserve */

        /* IF=0 because there will be no IDT, DF=0 because pages are copied upwards. */
        push    $0
        popf

        /* The caller's page_list is out of reach on the way back: what that way needs goes into the control page. */
        mov     %edi, CP_CONTROL_VA(%edi)
        mov     (4 * PAGE_LIST_PA_PGD)(%ebp), %eax
        mov     %eax, CP_PGD(%edi)
        mov     (4 * PAGE_LIST_PA_SWAP_PAGE)(%ebp), %ecx
        mov     %ecx, CP_SWAP_PAGE(%edi)
        mov     %ebx, CP_HEAD(%edi)
        mov     (6 * 4 + 12)(%esp), %ecx                /* has_pae */

        /*
         * The last read through the caller's tables is this one: the transition tables map the control page, at both
         * its addresses, and nothing else, no stack either.
         */
        mov     (4 * PAGE_LIST_PA_CONTROL)(%ebp), %edi
        mov     %eax, %cr3
        lea     PAGE_SIZE(%edi), %esp
        lea     AT(identity_mapped)(%edi), %eax
        jmp     *%eax

identity_mapped:
        /* For a plain kexec: a return address of 0, and the start address that the final ret takes. */
        push    $0
        push    %edx

        /* Paging off, and nothing left that could fault; CD, NW, NE, ET and MP stay as they are. */
        mov     %cr0, %eax
        and     $~(CR0_PG | CR0_AM | CR0_WP | CR0_TS | CR0_EM), %eax
        or      $CR0_PE, %eax
        mov     %eax, %cr0

        /* The CPU feature PAE stands for "there is a CR4". */
        test    %ecx, %ecx
        jz      1f
        xor     %eax, %eax
        mov     %eax, %cr4
1:      xor     %eax, %eax
        mov     %eax, %cr3                              /* flush the TLB */

        push    CP_SWAP_PAGE(%edi)
        push    %ebx
        call    swap_pages
        add     $8, %esp

        /* Code may have changed under us: serialise. The peer sees EAX=0 because of this. */
        xor     %eax, %eax
        mov     %eax, %cr3

        test    %esi, %esi
        jz      plain

        pop     %edx
        mov     CP_SWAP_PAGE(%edi), %esp
        /* ADD, not LEA: the peer's EFLAGS are 0x06, what this leaves. */
        add     $PAGE_SIZE, %esp
        jmp     enter_peer

        .org    REENTRY_OFFSET - 2, 0x90
enter_peer:
        call    *%edx                                   /* pushes `reentry`: the peer finds it at [ESP] */
reentry:
        /*
         * Somebody comes back, with paging off and flat segments, its own re-entry (or whatever) at [ESP]. Read before
         * any page moves: the peer's stack may be in one of them.
         */
        mov     (%esp), %ebp

        /* Where are we? This writes one word below the peer's ESP. */
        call    1f
1:      pop     %ebx
        sub     $AT(1b), %ebx

        mov     CP_CONTROL_VA(%ebx), %edi
        lea     PAGE_SIZE(%ebx), %esp
        push    CP_SWAP_PAGE(%ebx)
        push    CP_HEAD(%ebx)
        call    swap_pages                              /* the same list again: its own inverse */
        add     $8, %esp

#ifdef REPAIRED
        /* A PAE directory must not be walked as a two-level one: the peer's CR4 is most likely 0. */
        testl   $CR4_PAE, CP_SAVED_CR4(%ebx)
        jz      1f
        mov     %cr4, %eax
        or      $CR4_PAE, %eax
        mov     %eax, %cr4
1:
#endif
        mov     CP_PGD(%ebx), %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $CR0_PG, %eax
        mov     %eax, %cr0

        /* From the control page's physical address to its virtual one, which the kernel's own tables map as well. */
        lea     PAGE_SIZE(%edi), %esp
        lea     AT(virtual_mapped)(%edi), %eax
        jmp     *%eax

virtual_mapped:
        mov     CP_SAVED_CR4(%edi), %eax
        mov     %eax, %cr4
        mov     CP_SAVED_CR3(%edi), %eax
        mov     %eax, %cr3
        mov     CP_SAVED_CR0(%edi), %eax
        mov     %eax, %cr0
#ifdef REPAIRED
        /* The base is a virtual address of the kernel: not before its CR3 is loaded. No descriptor, no load. */
        cmpw    $0, CP_SAVED_GDT(%edi)
        je      1f
        lgdt    CP_SAVED_GDT(%edi)
1:
#endif
        mov     CP_SAVED_ESP(%edi), %esp
        mov     %ebp, %eax                              /* the caller's next `start` */
        popf
        pop     %ebp
        pop     %edi
        pop     %esi
        pop     %ebx
        ret

plain:
        /* No way back, so nothing of us is to be seen: seven registers 0, then `start`, which finds 0 at [ESP]. */
        xor     %eax, %eax
        xor     %ebx, %ebx
        xor     %ecx, %ecx
        xor     %edx, %edx
        xor     %esi, %esi
        xor     %edi, %edi
        xor     %ebp, %ebp
        ret

/*
 * swap_pages(head, swap_page): walks the list of tagged page addresses; every source page changes places with the
 * destination page whose turn it is. Pairs are disjoint or identical, so the order does not matter and a second walk
 * undoes the first. Afterwards the swap page holds the old bytes of the last source page, and ECX the DONE word.
 *
 *   EBX  next word of the list    EBP  destination page    ECX  current word    EDX  source page
 */
swap_pages:
        push    %ebx
        push    %esi
        push    %edi
        push    %ebp
        mov     (5 * 4)(%esp), %ecx                     /* the head is the first word */
        jmp     1f

next_word:
        mov     (%ebx), %ecx
        add     $4, %ebx
1:      test    $IND_DESTINATION, %cl
        jz      1f
        and     $~(PAGE_SIZE - 1), %ecx
        mov     %ecx, %ebp
        jmp     next_word

1:      test    $IND_INDIRECTION, %cl
        jz      1f
        and     $~(PAGE_SIZE - 1), %ecx
        mov     %ecx, %ebx
        jmp     next_word

1:      test    $IND_DONE, %cl
        jnz     1f
        test    $IND_SOURCE, %cl
        jz      next_word                               /* a word without a tag means nothing */

        and     $~(PAGE_SIZE - 1), %ecx
        mov     %ecx, %edx

        mov     %edx, %esi                              /* source -> swap page */
        mov     (5 * 4 + 4)(%esp), %edi
        mov     $WORDS_PER_PAGE, %ecx
        rep movsl

        mov     %ebp, %esi                              /* destination -> source */
        mov     %edx, %edi
        mov     $WORDS_PER_PAGE, %ecx
        rep movsl

        mov     (5 * 4 + 4)(%esp), %esi                 /* swap page -> destination */
        mov     %ebp, %edi
        mov     $WORDS_PER_PAGE, %ecx
        rep movsl

        mov     %edi, %ebp                              /* EDI has arrived at the next page */
        jmp     next_word

1:      pop     %ebp
        pop     %edi
        pop     %esi
        pop     %ebx
        ret

/* SPDX-License-Identifier: MIT
 *
 * From the loader's flat protected mode into the kernel's own address space. Two loaders: a Multiboot one, and the
 * purgatory of a kernel that jumps to us; both leave EAX and EBX as Multiboot says, paging off, segments flat. GDTR and
 * IDTR may hold nothing at all, so no segment is loaded before our own GDT is.
 */
#include "layout.h"

#define MULTIBOOT_MAGIC         0x1badb002
#define MULTIBOOT_ALIGN_MODULES 0x1
#define MULTIBOOT_WANT_MEMORY   0x2
#define MULTIBOOT_FLAGS         (MULTIBOOT_ALIGN_MODULES | MULTIBOOT_WANT_MEMORY)

#define CR0_PE_NE_WP_AM_PG      0x80050021
#define CR4_PSE_PAE             0x30
#define CR4_PSE                 0x10
#define LARGE_PAGE              0x83            /* present, writable, PS */

        .section .multiboot, "a"
        .balign 4
        .long   MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .section .boot, "ax"
        .globl  _start
_start:
        cli
        cld
        mov     %eax, %ebp                      /* the loader's magic */

        /* All memory the kernel can use, in large pages, at 0 (for the next instructions) and at PAGE_OFFSET. */
        mov     $LARGE_PAGE, %eax
        xor     %ecx, %ecx
#ifdef PAE
        mov     $(boot_directory - PAGE_OFFSET), %edi
1:      mov     %eax, (%edi, %ecx, 8)           /* high halves stay 0 */
        add     $0x200000, %eax
        inc     %ecx
        cmp     $(MAX_RAM >> 21), %ecx
        jne     1b
        mov     $(boot_pointers - PAGE_OFFSET), %esi
        lea     1(%edi), %eax
        mov     %eax, (%esi)
        mov     %eax, (3 * 8)(%esi)
        mov     $CR4_PSE_PAE, %ecx
        mov     %ecx, %cr4
        mov     %esi, %cr3
#else
        mov     $(boot_directory - PAGE_OFFSET), %edi
1:      mov     %eax, (%edi, %ecx, 4)
        mov     %eax, (PAGE_OFFSET >> 20)(%edi, %ecx, 4)
        add     $0x400000, %eax
        inc     %ecx
        cmp     $(MAX_RAM >> 22), %ecx
        jne     1b
        mov     $CR4_PSE, %ecx
        mov     %ecx, %cr4
        mov     %edi, %cr3
#endif
        mov     %cr0, %eax
        or      $CR0_PE_NE_WP_AM_PG, %eax
        mov     %eax, %cr0
        mov     $high, %eax
        jmp     *%eax

        .text
high:   mov     $boot_stack_top, %esp
        push    $0
        popf
        push    %ebx                            /* physical address of the multiboot information */
        push    %ebp
        call    kernel_main
1:      cli
        hlt
        jmp     1b

        .section .bss.page, "aw", @nobits
        .balign 4096
boot_directory:
        .skip   4096
#ifdef PAE
boot_pointers:
        .skip   4096
#endif
        .skip   4096
boot_stack_top:

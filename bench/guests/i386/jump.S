/* SPDX-License-Identifier: MIT
 *
 * The two kernels of switch.machinecode.15m, position independent. The caller (WHO=1) switches paging on and calls the stub of
 * relocate_kernel again and again, with a byte to port 0xF4 before each time; the peer (WHO=2) calls back at once.
 *
 *   EBX  control page    EBP  page_list    ESI  head    EDI  entry of the peer    EAX  page directory
 */
#if WHO == 1
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
1:      out     %al, $0xf4
        push    $1                      /* preserve */
        push    $1                      /* the CPU has a CR4 */
        push    %edi
        push    %ebp
        push    %esi
        call    *%ebx
        add     $20, %esp
        mov     %eax, %edi              /* where the peer wants to go on */
        jmp     1b
#else
1:      pop     %eax                    /* the re-entry of whoever came */
        call    *%eax
        jmp     1b
#endif

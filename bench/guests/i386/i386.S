/* SPDX-License-Identifier: MIT
 *
 * The programs of the i386 benchmarks, each a ROM of 4 KiB below 1 MiB, entered at its last 16 bytes like a BIOS: any PC can
 * run them. WORK selects one. It goes to flat 32-bit protected mode, copies itself to CODE, and from there on does its work
 * again and again, with a byte to port 0xF4 before each time. The word at the ROM's start says how much work that is.
 */
#define CODE            0x100000
#define STACK           0x1f0000
#define DIRECTORY       0x200000
#define TABLE0          0x201000
#define TABLE1          0x202000
#define IDT             0x203000
#define TSS             0x204000
#define BUFFER          0x300000
#define DEMAND          0x400000
#define MARK            0xf4
#define ROM_BYTES       4096

#define ALU             1
#define MEMORY          2
#define CALLS           3
#define BRANCHES        4
#define STRING          5
#define PAGEFAULTS      6
#define INTERRUPTS      7

        .code16
rom:
count:  .long   1000
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        .word   103, TSS & 0xffff, 0x8900 | (TSS >> 16), 0
gdtr:   .word   gdtr - gdt - 1
        .long   CODE + (gdt - rom)
romgdt: .word   gdtr - gdt - 1
        .long   0xff000 + (gdt - rom)

start:  cli
        mov     %cs, %ax
        mov     %ax, %ds
        lgdtl   romgdt - rom + 0xf000
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmpl   $8, $0xff000 + (flat - rom)

        .code32
flat:   mov     $0x10, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $STACK, %esp
        mov     $0xff000, %esi
        mov     $CODE, %edi
        mov     $ROM_BYTES / 4, %ecx
        cld
        rep movsl
        mov     $CODE + (main - rom), %eax
        jmp     *%eax
main:   lgdt    CODE + (gdtr - rom)
        /* A quarter of the data pages is not zero. */
        mov     $BUFFER, %edi
        mov     $0x40000, %ecx
1:      mov     %ecx, (%edi)
        add     $4, %edi
        dec     %ecx
        jnz     1b
        call    setup
again:  out     %al, $MARK
        mov     CODE, %ecx
        call    work
        jmp     again

/* ---- xorshift, sums with carry: 16 instructions a round ------------------------------------------------------------- */
#if WORK == ALU
setup:  mov     $0x12345678, %eax
        ret
work:   mov     %eax, %edx
        shl     $13, %edx
        xor     %edx, %eax
        mov     %eax, %edx
        shr     $17, %edx
        xor     %edx, %eax
        mov     %eax, %edx
        shl     $5, %edx
        xor     %edx, %eax
        add     %eax, %ebx
        adc     $0, %esi
        lea     7(%ebx,%eax,4), %edi
        and     $0xffff, %edi
        sub     %edi, %ebp
        dec     %ecx
        jnz     work
        ret

/* ---- words and bytes, loads, stores, and changes in place, in 64 KiB: 12 instructions a round ------------------------ */
#elif WORK == MEMORY
setup:  ret
work:   xor     %esi, %esi
1:      mov     BUFFER(%esi), %eax
        add     BUFFER + 16(%esi), %eax
        mov     %eax, BUFFER + 0x10000(%esi)
        movzbl  BUFFER + 5(%esi), %edx
        add     %edx, BUFFER + 0x10008(%esi)
        mov     %dl, BUFFER + 0x1000c(%esi)
        mov     BUFFER + 0x10000(%esi), %ebx
        cmp     BUFFER + 0x20(%esi), %ebx
        add     $20, %esi
        and     $0xfffc, %esi
        dec     %ecx
        jnz     1b
        ret

/* ---- recursive Fibonacci with frames on the stack: fib(12) a round, 465 calls, 6512 instructions -------------------- */
#elif WORK == CALLS
setup:  ret
work:   push    %ecx
        push    $12
        call    fib
        add     $4, %esp
        pop     %ecx
        dec     %ecx
        jnz     work
        ret
fib:    push    %ebp
        mov     %esp, %ebp
        push    %ebx
        mov     8(%ebp), %eax
        cmp     $2, %eax
        jl      1f
        dec     %eax
        push    %eax
        call    fib
        mov     %eax, %ebx
        mov     8(%ebp), %eax
        sub     $2, %eax
        mov     %eax, (%esp)
        call    fib
        add     %ebx, %eax
        add     $4, %esp
1:      pop     %ebx
        pop     %ebp
        ret

/* ---- the Collatz sequence of every number, with a count of classes: branches that data decides ----------------------- */
#elif WORK == BRANCHES
setup:  mov     $1, %esi
        ret
work:   mov     %esi, %eax
        inc     %esi
1:      cmp     $1, %eax
        jbe     3f
        test    $1, %al
        jz      2f
        lea     1(%eax,%eax,2), %eax
        cmp     $0x100000, %eax
        jge     4f
        inc     %ebx
        dec     %ecx
        jnz     1b
        ret
2:      shr     %eax
        cmp     $1000, %eax
        ja      5f
        inc     %edx
5:      dec     %ecx
        jnz     1b
        ret
4:      shr     $8, %eax
        dec     %ecx
        jnz     1b
        ret
3:      dec     %ecx
        jnz     work
        ret

/* ---- 4 MiB copied to where no page lies as in the source, and 4 MiB filled, a round --------------------------------- */
#elif WORK == STRING
setup:  ret
work:   push    %ecx
        mov     $0x800010, %esi
        mov     $0x1000230, %edi
        mov     $0x100000, %ecx
        rep movsl
        mov     $0x1800000, %edi
        mov     $0x100000, %ecx
        rep stosl
        inc     %eax
        pop     %ecx
        dec     %ecx
        jnz     work
        ret

/* ---- demand paging of ring 3 by ring 0: 1024 faults a round ---------------------------------------------------------- */
#elif WORK == PAGEFAULTS
setup:  mov     $DIRECTORY, %edi
        mov     $0x1400, %ecx
        xor     %eax, %eax
        rep stosl
        movl    $TABLE0 + 7, DIRECTORY
        movl    $TABLE1 + 7, DIRECTORY + 4
        mov     $7, %eax
1:      mov     %eax, TABLE0(,%ecx,4)
        add     $4096, %eax
        inc     %ecx
        cmp     $1024, %ecx
        jne     1b
        movl    $0x80000 + ((onfault - rom) & 0xffff), IDT + 14 * 8
        movl    $CODE + 0x8e00, IDT + 14 * 8 + 4
        movl    $0x80000 + ((unmap - rom) & 0xffff), IDT + 0x80 * 8
        movl    $CODE + 0xee00, IDT + 0x80 * 8 + 4
        lidt    CODE + (idtr - rom)
        movl    $STACK, TSS + 4
        movl    $0x10, TSS + 8
        mov     $0x28, %eax
        ltr     %ax
        mov     $DIRECTORY, %eax
        mov     %eax, %cr3
        mov     %cr0, %eax
        or      $0x80000000, %eax
        mov     %eax, %cr0
        pop     %edx
        mov     $0x23, %eax
        mov     %eax, %ds
        mov     %eax, %es
        push    %eax
        push    $STACK - 0x1000
        push    $0x3002
        push    $0x1b
        push    %edx
        iret
idtr:   .word   0x7ff
        .long   IDT
onfault:
        push    %eax
        push    %edx
        mov     %cr2, %eax
        mov     %eax, %edx
        shr     $12, %edx
        and     $0x3ff, %edx
        and     $0xfffff000, %eax
        or      $7, %eax
        mov     %eax, %ss:TABLE1(,%edx,4)
        pop     %edx
        pop     %eax
        add     $4, %esp
        iret
/* All pages of the region away again, one by one. */
unmap:  xor     %eax, %eax
1:      movl    $0, TABLE1(,%eax,4)
        inc     %eax
        cmp     $1024, %eax
        jne     1b
        mov     %cr3, %eax
        mov     %eax, %cr3
        iret
work:   mov     $DEMAND, %esi
1:      incl    (%esi)
        add     $4096, %esi
        cmp     $DEMAND + 0x400000, %esi
        jne     1b
        int     $0x80
        dec     %ecx
        jnz     work
        ret

/* ---- the timer as fast as the CPU can take it: one interrupt a round ------------------------------------------------- */
#elif WORK == INTERRUPTS
setup:  mov     $0x80000 + ((ontimer - rom) & 0xffff), %eax
        mov     %eax, IDT + 0x20 * 8
        movl    $CODE + 0x8e00, IDT + 0x20 * 8 + 4
        lidt    CODE + (idtr - rom)
        mov     $0x11, %al
        out     %al, $0x20
        mov     $0x20, %al
        out     %al, $0x21
        mov     $0x04, %al
        out     %al, $0x21
        mov     $0x01, %al
        out     %al, $0x21
        mov     $0xfe, %al
        out     %al, $0x21
        mov     $0x34, %al
        out     %al, $0x43
        mov     $2, %al
        out     %al, $0x40
        xor     %eax, %eax
        out     %al, $0x40
        ret
idtr:   .word   0x7ff
        .long   IDT
ontimer:
        push    %eax
        incl    BUFFER
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        iret
work:   sti
        hlt
        cli
        dec     %ecx
        jnz     work
        ret
#endif

        .org    0xff0, 0x90
        .code16
        ljmp    $0xf000, $0xf000 + (start - rom)
        .org    ROM_BYTES, 0

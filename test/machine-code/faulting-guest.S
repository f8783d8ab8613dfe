/* SPDX-License-Identifier: MIT
 *
 * A system of 0.7 KB that never stops being interrupted: for a capture after every single one of its instructions. Flat code for
 * 0x10000, entered in 32-bit protected mode without paging. It makes itself a GDT, IDT, TSS and page tables, and starts a task
 * in ring 3 that runs into page faults (also in the middle of an access and of a copy), takes a timer interrupt every 2.5
 * microseconds, changes its own code, copies whole pages, uses the x87, and calls its kernel, which halts or lets it trap.
 *
 *   gcc -m32 -c -x assembler faulting-guest.S -o guest.o
 *   ld -m elf_i386 -Ttext 0x10000 -e 0x10000 --oformat binary guest.o -o faulting-guest.bin
 */
        .intel_syntax noprefix
        .code32
        .equ GDT, 0x11000
        .equ IDT, 0x11100
        .equ TSS, 0x11600
        .equ PGD, 0x12000
        .equ LOW_TABLE, 0x13000
        .equ DEMAND_TABLE, 0x14000
        .equ RING, 0x11700            /* which entry each frame of the ring is mapped by */
        .equ COUNTERS, 0x15000        /* faults, ticks, traps, syscalls, digest */
        .equ SUM, 0x16000
        .equ STACK0, 0x18000
        .equ STACK3, 0x1a000
        .equ FRAMES, 0x20000
        .equ DEMAND, 0x400000
start:
        mov esp, STACK0
        /* GDT: null, code0, data0, code3, data3, TSS */
        mov edi, GDT
        lea esi, [descriptors]
        mov ecx, 12
        rep movsd
        lgdt [gdt_pointer]
        jmp 8:1f
1:      mov eax, 0x10
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov dword ptr [TSS + 4], STACK0
        mov dword ptr [TSS + 8], 0x10
        mov eax, 0x28
        ltr ax
        /* IDT: everything that is not expected is the end */
        mov eax, 1
        lea ebx, [on_debug]
        call gate
        mov eax, 14
        lea ebx, [on_fault]
        call gate
        mov eax, 0x20
        lea ebx, [on_timer]
        call gate
        mov eax, 0x80
        lea ebx, [on_call]
        call gate
        lidt [idt_pointer]
        /* the first MiB one to one; the window at 4 MiB is empty */
        mov edi, LOW_TABLE
        mov eax, 7
2:      stosd
        add eax, 0x1000
        cmp edi, LOW_TABLE + 0x400
        jb 2b
        mov dword ptr [PGD], LOW_TABLE + 7
        mov dword ptr [PGD + 4], DEMAND_TABLE + 7
        mov eax, PGD
        mov cr3, eax
        mov eax, cr0
        or eax, 0x80010020
        mov cr0, eax
        fninit
        /* 8259A at 0x20, line 0 alone; 8254: every 3 clocks, 2.5 microseconds */
        lea esi, [ports]
        mov ecx, 8
3:      movzx edx, word ptr [esi]
        mov al, [esi + 2]
        out dx, al
        add esi, 3
        loop 3b
        mov eax, 0x23
        mov ds, eax
        mov es, eax
        push 0x23
        push STACK3
        push 0x202
        push 0x1b
        push offset user
        iret

gate:   /* vector EAX, handler EBX: a 32-bit interrupt gate for ring 3 */
        mov word ptr [IDT + eax * 8], bx
        shr ebx, 16
        mov word ptr [IDT + eax * 8 + 6], bx
        mov dword ptr [IDT + eax * 8 + 2], 0xee000008
        ret

on_fault:
        pushad
        mov eax, cr2
        shr eax, 12
        and eax, 0x3ff
        lea edi, [DEMAND_TABLE + eax * 4]
        mov ebx, [COUNTERS]
        inc dword ptr [COUNTERS]
        and ebx, 7
        mov esi, [RING + ebx * 4]
        test esi, esi
        jz 1f
        mov dword ptr [esi], 0
        sub esi, DEMAND_TABLE
        shl esi, 10
        add esi, DEMAND
        invlpg [esi]
1:      mov [RING + ebx * 4], edi
        shl ebx, 12
        add ebx, FRAMES + 7
        mov [edi], ebx
        mov eax, cr2
        mov ecx, [COUNTERS + 16]
        xor ecx, eax
        imul ecx, ecx, 16777619
        mov [COUNTERS + 16], ecx
        popad
        add esp, 4
        iret

on_timer:
        push eax
        mov al, 0x20
        out 0x20, al
        inc dword ptr [COUNTERS + 4]
        mov eax, [COUNTERS + 16]
        xor eax, [COUNTERS + 4]
        imul eax, eax, 16777619
        mov [COUNTERS + 16], eax
        pop eax
        iret

on_debug:
        inc dword ptr [COUNTERS + 8]
        test dword ptr [COUNTERS + 8], 7
        jnz 1f
        and dword ptr [esp + 8], 0xfffffeff
1:      iret

on_call:
        inc dword ptr [COUNTERS + 12]
        test dword ptr [COUNTERS + 12], 1
        jz 1f
        sti
        hlt
        cli
        iret
1:      or dword ptr [esp + 8], 0x100
        iret

user:
        xor ebp, ebp
round:
        inc ebp
        /* two pages of the window, by one access */
        mov eax, ebp
        imul eax, eax, 7
        and eax, 63
        shl eax, 12
        lea ebx, [eax + DEMAND + 0xffe]
        add [ebx], ebp
        adc edx, [ebx]
        /* floating point */
        push ebp
        fild dword ptr [esp]
        fsqrt
        fadd qword ptr [SUM]
        fst qword ptr [SUM]
        fcos
        fadd qword ptr [SUM + 8]
        fstp qword ptr [SUM + 8]
        pop ecx
        /* code that changes itself */
        inc dword ptr [patched + 1]
        rol edx, 3
patched:
        mov esi, 0x1000
        xor edx, esi
        /* a copy that faults in its middle, twice */
        lea esi, [eax + DEMAND + 0xff0]
        lea edi, [eax + DEMAND + 0x2ff8]
        mov ecx, 9
        rep movsd
        /* every fourth round a whole page, every eighth a call */
        test ebp, 3
        jnz 1f
        mov esi, 0x1b000
        mov edi, 0x1c000
        test ebp, 4
        jz 2f
        xchg esi, edi
2:      mov [esi + 0x10], ebp
        mov ecx, 0x400
        rep movsd
        test ebp, 7
        jnz 1f
        int 0x80
1:      pushfd
        pop eax
        xor edx, eax
        jmp round

        .balign 8
descriptors:
        .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00cffb000000ffff, 0x00cff3000000ffff
        .quad 0x0000890116000067
gdt_pointer:
        .word 0x2f
        .long GDT
idt_pointer:
        .word 0x407
        .long IDT
ports:  .word 0x20
        .byte 0x11
        .word 0x21
        .byte 0x20
        .word 0x21
        .byte 4
        .word 0x21
        .byte 1
        .word 0x21
        .byte 0xfe
        .word 0x43
        .byte 0x34
        .word 0x40
        .byte 3
        .word 0x40
        .byte 0

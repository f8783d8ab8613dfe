/* SPDX-License-Identifier: MIT
 * Memory: how much there is (INT 12h, INT 15h 88h, E801h, E820h), and moving it above 1 MiB (INT 15h 87h). */
#define SEL_FLAT_DATA   0x08
#define MAX_HIGH_MIB    3071

/* All of memory through FS, in real mode: it keeps the limit that it gets in protected mode. */
flat_fs:
        lgdtl   %cs:flat_gdt_pointer
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        jmp     1f
1:      mov     $SEL_FLAT_DATA, %bx
        mov     %bx, %fs
        and     $~1, %al
        mov     %eax, %cr0
        jmp     2f
2:      xor     %bx, %bx
        mov     %bx, %fs
        ret

/* MiB above the first, in AX: the last word of each is tried until one does not keep what it is given. Needs flat_fs. */
memory_size:
        in      $0x92, %al                      /* A20 on, no reset: nothing on a PC without this port */
        or      $0x02, %al
        and     $~0x01, %al
        out     %al, $0x92

        mov     $0x1ffffc, %esi
        xor     %cx, %cx
3:      mov     %fs:(%esi), %edx
        movl    $0x4b4a554d, %fs:(%esi)
        cmpl    $0x4b4a554d, %fs:(%esi)
        jne     4f
        movl    $0xb4b5aab2, %fs:(%esi)
        cmpl    $0xb4b5aab2, %fs:(%esi)
        jne     4f
        mov     %edx, %fs:(%esi)
        inc     %cx
        add     $0x100000, %esi
        cmp     $MAX_HIGH_MIB, %cx
        jb      3b
4:      mov     %cx, %ax
        ret

        .balign 8
flat_gdt:
        .quad   0, 0x00cf93000000ffff
flat_gdt_pointer:
        .word   15
        .long   0xf0000 + flat_gdt

/* 11h, 12h: equipment, base memory in KiB. */
int11:
        push    %ds
        push    $BDA
        pop     %ds
        mov     BDA_EQUIPMENT, %ax
        pop     %ds
        iret
int12:
        push    %ds
        push    $BDA
        pop     %ds
        mov     BDA_BASE_KIB, %ax
        pop     %ds
        iret

int15:
        ENTER
        mov     R_AX(%bp), %ax
        cmp     $0xe820, %ax
        je      memory_map
        cmp     $0xe801, %ax
        je      memory_in_two
        cmp     $0x88, %ah
        je      memory_above
        cmp     $0x87, %ah
        je      memory_move
        movb    $0x86, R_AH(%bp)
        jmp     return_error

/* 88h: KiB above 1 MiB, as far as 16 bits go. */
memory_above:
        movzwl  EBDA_HIGH_MIB, %eax
        shl     $10, %eax
        cmp     $0xfc00, %eax
        jbe     1f
        mov     $0xfc00, %ax
1:      mov     %ax, R_AX(%bp)
        jmp     return_good

/* E801h: KiB from 1 to 16 MiB, then blocks of 64 KiB above. */
memory_in_two:
        mov     EBDA_HIGH_MIB, %ax
        xor     %bx, %bx
        cmp     $15, %ax
        jbe     1f
        mov     %ax, %bx
        sub     $15, %bx
        shl     $4, %bx
        mov     $15, %ax
1:      shl     $10, %ax
        mov     %ax, R_AX(%bp)
        mov     %ax, R_CX(%bp)
        mov     %bx, R_BX(%bp)
        mov     %bx, R_DX(%bp)
        jmp     return_good

/* E820h: one area a call, EBX which; ES:DI buffer of ECX bytes, EDX 'SMAP'. */
memory_map:
        cmpl    $0x534d4150, R_DX(%bp)
        jne     1f
        cmpl    $20, R_CX(%bp)
        jb      1f
        mov     R_BX(%bp), %ebx
        cmp     $(map_areas_end - map_areas) / 12, %ebx
        jae     1f
        mov     R_ES(%bp), %es
        mov     R_DI(%bp), %di
        imul    $12, %bx, %si
        add     $map_areas, %si
        cs lodsl
        stosl                                   /* base */
        xor     %eax, %eax
        stosl
        cs lodsl
        test    %eax, %eax
        jnz     2f
        movzwl  EBDA_HIGH_MIB, %eax             /* the area whose length is known only now */
        shl     $20, %eax
2:      stosl
        xor     %eax, %eax
        stosl
        cs lodsl
        stosl                                   /* type */

        inc     %bx
        cmp     $(map_areas_end - map_areas) / 12, %bx
        jb      3f
        xor     %ebx, %ebx
3:      mov     %ebx, R_BX(%bp)
        movl    $20, R_CX(%bp)
        movl    $0x534d4150, R_AX(%bp)
        jmp     return_good
1:      movb    $0x86, R_AH(%bp)
        jmp     return_error

/* Base, length, type: 1 is RAM, 2 is ours. */
map_areas:
        .long   0x00000000, BASE_KIB * 1024, 1
        .long   BASE_KIB * 1024, 1024, 2
        .long   0x000f0000, 0x10000, 2
        .long   0x00100000, 0, 1
map_areas_end:

/*
 * 87h: moves CX words; ES:SI is a table of eight descriptors of which the caller has filled in source (10h) and
 * destination (18h). Ours are the table itself (08h), code (20h) and stack (28h).
 */
memory_move:
        mov     R_ES(%bp), %es
        mov     R_SI(%bp), %si
        movzx   %si, %edx
        mov     %es, %ax
        movzx   %ax, %eax
        shl     $4, %eax
        add     %edx, %eax                      /* where the table is */
        movw    $0x3f, %es:0x08(%si)
        mov     %eax, %es:0x0a(%si)
        movl    $0x0000ffff, %es:0x20(%si)
        movl    $0x00009b0f, %es:0x24(%si)      /* base F0000h, 64 KiB, 16-bit code */
        mov     %ss, %ax
        movzx   %ax, %eax
        shl     $4, %eax
        movw    $0xffff, %es:0x28(%si)
        mov     %eax, %es:0x2a(%si)
        movb    $0x93, %es:0x2d(%si)
        movw    $0, %es:0x2e(%si)
        lgdtl   %es:0x08(%si)

        movzwl  R_CX(%bp), %ecx
        mov     %ss, %dx                        /* no stack until it is back */
        mov     %cr0, %eax
        or      $1, %al
        mov     %eax, %cr0
        ljmp    $0x20, $1f
1:      mov     $0x10, %bx
        mov     %bx, %ds
        mov     $0x18, %bx
        mov     %bx, %es
        xor     %esi, %esi
        xor     %edi, %edi
        addr32 rep movsw
        mov     $0x28, %bx                      /* limits as real mode wants them */
        mov     %bx, %ds
        mov     %bx, %es
        mov     %bx, %ss
        and     $~1, %al
        mov     %eax, %cr0
        ljmp    $0xf000, $2f

2:      mov     %dx, %ss
        movb    $0, R_AH(%bp)
        jmp     return_good

/* SPDX-License-Identifier: MIT
 * A boot sector that tries the BIOS: asks for the memory, reads sector 1 both ways and prints the text it finds there, then
 * ends the emulator through port F4h: code 0 if all went well. On a real PC it stops instead. */
        .code16
        .text
        .globl  _start
_start: xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %dl, drive
        mov     $hello, %si
        call    print

        int     $0x12
        cmp     $600, %ax
        jb      failed
        mov     $0x88, %ah
        int     $0x15
        jc      failed
        mov     %ax, extended

        /* Sector 1 by cylinder, head and sector. */
        mov     $0x0201, %ax
        mov     $0x8000, %bx
        mov     $0x0002, %cx
        mov     drive, %dl
        xor     %dh, %dh
        int     $0x13
        jc      failed

        /* And by its number, elsewhere: it must be the same. */
        mov     $packet, %si
        mov     $0x42, %ah
        mov     drive, %dl
        int     $0x13
        jc      failed
        mov     $0x8000, %si
        mov     $0x9000, %di
        mov     $256, %cx
        repe cmpsw
        jne     failed

        /* Over 1 MiB and back (AH=87h), to a third place. */
        mov     $0x1234, %ax
        mov     $256, %cx
        mov     $up, %si
        mov     $0x87, %ah
        int     $0x15
        jc      failed
        mov     $256, %cx
        mov     $down, %si
        mov     $0x87, %ah
        int     $0x15
        jc      failed
        mov     $0xa000, %si
        call    print

        mov     $0, %al
        jmp     leave
failed: mov     $sorry, %si
        call    print
        mov     $1, %al
leave:  out     %al, $0xf4
        cli
        hlt

print:  lodsb
        test    %al, %al
        jz      1f
        mov     $0x0e, %ah
        mov     $7, %bx
        int     $0x10
        jmp     print
1:      ret

hello:  .asciz  "boot sector: hello\r\n"
sorry:  .asciz  "boot sector: failed\r\n"
drive:  .byte   0
        .balign 2
extended:
        .word   0
packet: .byte   16, 0
        .word   1, 0x9000, 0
        .quad   1

/* Tables for AH=87h: source at 10h, destination at 18h; limit, base (24 bits), rights. */
up:     .skip   16
        .word   0xffff, 0x9000, 0x9300, 0
        .word   0xffff, 0x0000, 0x9320, 0
        .skip   16
down:   .skip   16
        .word   0xffff, 0x0000, 0x9320, 0
        .word   0xffff, 0xa000, 0x9300, 0
        .skip   16
        .org    510, 0
        .word   0xaa55

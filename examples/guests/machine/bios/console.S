/* SPDX-License-Identifier: MIT
 * Console: INT 10h writes to COM1, INT 16h reads from it; both poll. Also what the BIOS itself prints with. */
#define COM1            0x3f8
#define COM1_LSR        (COM1 + 5)
#define LSR_DATA        0x01
#define LSR_THR_EMPTY   0x20

console_init:
        mov     $init_sequence, %si
        mov     $6, %cx
1:      cs lodsw
        mov     %al, %dl
        mov     $(COM1 >> 8), %dh
        mov     %ah, %al
        out     %al, %dx
        loop    1b
        ret

/* Pairs of register (low byte of its port) and value: no interrupts, 115200 baud, 8N1, FIFOs on, DTR and RTS. */
init_sequence:
        .byte   0xfb, 0x80, 0xf8, 0x01, 0xf9, 0x00, 0xfb, 0x03, 0xfa, 0x01, 0xfc, 0x03

/* Writes AL; keeps all registers. */
put_char:
        push    %dx
        push    %ax
        mov     $COM1_LSR, %dx
1:      in      %dx, %al
        test    $LSR_THR_EMPTY, %al
        jz      1b
        pop     %ax
        mov     $COM1, %dx
        out     %al, %dx
        pop     %dx
        ret

/* Writes the text at CS:SI. */
print:
        cs lodsb
        test    %al, %al
        jz      1f
        call    put_char
        jmp     print
1:      ret

/* Writes AX as a decimal number. */
print_number:
        xor     %dx, %dx
        mov     $10, %cx
        div     %cx
        push    %dx
        test    %ax, %ax
        jz      1f
        call    print_number
1:      pop     %ax
        add     $'0', %al
        jmp     put_char

/* Video: teletype output (0Eh) and the mode (0Fh); the rest has no meaning on a serial line. */
int10:
        ENTER
        mov     R_AX(%bp), %ax
        cmp     $0x0e, %ah
        je      1f
        cmp     $0x0f, %ah
        jne     return
        movw    $0x5003, R_AX(%bp)              /* 80 columns, mode 3 */
        movb    $0, R_BH(%bp)
        jmp     return
1:      call    put_char
        jmp     return

/* Keyboard: wait for a key (00h, 10h), look for one (01h, 11h), shift keys (02h). AL is the character; there is no scan code. */
int16:
        ENTER
        mov     R_AH(%bp), %ah
        and     $~0x10, %ah
        cmp     $0x01, %ah
        jb      wait_key
        je      look_for_key
        movb    $0, R_AL(%bp)
        jmp     return

wait_key:
        call    poll_key
        jnz     1f
        sti                                     /* time goes on */
        nop
        cli
        jmp     wait_key
1:      movw    $0, EBDA_KEY
        mov     %ax, R_AX(%bp)
        jmp     return

look_for_key:
        call    poll_key
        jz      1f
        mov     %ax, R_AX(%bp)
        andb    $~ZF, R_FLAGS(%bp)
        jmp     return
1:      orb     $ZF, R_FLAGS(%bp)
        jmp     return

/* The next character in AX; ZF if there is none. It stays the next one. */
poll_key:
        mov     EBDA_KEY, %ax
        test    %ax, %ax
        jnz     1f
        mov     $COM1_LSR, %dx
        in      %dx, %al
        test    $LSR_DATA, %al
        jz      1f
        mov     $COM1, %dx
        in      %dx, %al
        xor     %ah, %ah
        mov     %ax, EBDA_KEY
        test    %ax, %ax
1:      ret

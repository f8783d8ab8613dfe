/* SPDX-License-Identifier: MIT
 * Time: the tick of IRQ 0, and INT 1Ah: ticks since midnight (00h), and the real-time clock's time (02h) and date (04h). */
#define TICKS_A_DAY     0x1800b0
#define CMOS_INDEX      0x70
#define CMOS_DATA       0x71

timer_interrupt:
        push    %ds
        push    %eax
        push    $BDA
        pop     %ds
        mov     BDA_TICKS, %eax
        inc     %eax
        cmp     $TICKS_A_DAY, %eax
        jb      1f
        xor     %eax, %eax
        incb    BDA_MIDNIGHT
1:      mov     %eax, BDA_TICKS
        int     $0x1c                           /* the user's tick */
        mov     $0x20, %al
        out     %al, $0x20
        pop     %eax
        pop     %ds
        iret

/* A CMOS register, AL, into AL. */
cmos_read:
        out     %al, $CMOS_INDEX
        in      $CMOS_DATA, %al
        ret

int1a:
        ENTER
        mov     R_AH(%bp), %ah
        cmp     $0x02, %ah
        jb      read_ticks
        je      read_time
        cmp     $0x04, %ah
        je      read_date
        jmp     return_error

read_ticks:
        cmp     $0x00, %ah
        jne     return_error
        push    $BDA
        pop     %ds
        mov     BDA_TICKS, %eax
        mov     %ax, R_DX(%bp)
        shr     $16, %eax
        mov     %ax, R_CX(%bp)
        xor     %al, %al
        xchg    %al, BDA_MIDNIGHT
        mov     %al, R_AL(%bp)
        jmp     return_good

/* BCD: CH hours, CL minutes, DH seconds, DL daylight saving. */
read_time:
        mov     $0x04, %al
        call    cmos_read
        mov     %al, R_CH(%bp)
        mov     $0x02, %al
        call    cmos_read
        mov     %al, R_CL(%bp)
        mov     $0x00, %al
        call    cmos_read
        mov     %al, R_DH(%bp)
        movb    $0, R_DL(%bp)
        jmp     return_good

/* BCD: CH century, CL year, DH month, DL day. */
read_date:
        mov     $0x32, %al
        call    cmos_read
        mov     %al, R_CH(%bp)
        mov     $0x09, %al
        call    cmos_read
        mov     %al, R_CL(%bp)
        mov     $0x08, %al
        call    cmos_read
        mov     %al, R_DH(%bp)
        mov     $0x07, %al
        call    cmos_read
        mov     %al, R_DL(%bp)
        jmp     return_good

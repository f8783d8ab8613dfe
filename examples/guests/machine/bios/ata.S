/* SPDX-License-Identifier: MIT
 * The disk: device 0 of the first ATA channel, programmed I/O, LBA28, polled with its interrupt off (ATA/ATAPI-5). */
#define ATA             0x1f0
#define ATA_DATA        (ATA + 0)
#define ATA_COUNT       (ATA + 2)
#define ATA_DEVICE      (ATA + 6)
#define ATA_STATUS      (ATA + 7)
#define ATA_COMMAND     (ATA + 7)
#define ATA_CONTROL     0x3f6

#define STATUS_ERR      0x01
#define STATUS_DRQ      0x08
#define STATUS_DF       0x20
#define STATUS_DRDY     0x40
#define STATUS_BSY      0x80
#define CONTROL_NIEN    0x02
#define DEVICE_LBA      0xe0
#define READ_SECTORS    0x20
#define WRITE_SECTORS   0x30
#define FLUSH_CACHE     0xe7
#define IDENTIFY        0xec
#define LONGEST_WAIT    0x1000000

/* Waits until the disk is not busy; AL is the status, CF is set if it failed, or never came. */
ata_wait:
        mov     $LONGEST_WAIT, %ecx
        mov     $ATA_STATUS, %dx
1:      in      %dx, %al
        test    $STATUS_BSY, %al
        jz      2f
        cmp     $0xff, %al                      /* nothing there */
        je      3f
        dec     %ecx
        jnz     1b
3:      stc
        ret
2:      test    $(STATUS_ERR | STATUS_DF), %al
        jnz     3b
        clc
        ret

/* Waits until the disk wants to move a sector; CF if it does not. */
ata_wait_data:
        call    ata_wait
        jc      1f
        test    $STATUS_DRQ, %al
        jnz     1f                              /* TEST has cleared CF */
        stc
1:      ret

/* Addresses the BL sectors from LBA EAX on and gives command BH. */
ata_command:
        push    %eax
        mov     $ATA_CONTROL, %dx
        mov     $CONTROL_NIEN, %al
        out     %al, %dx
        mov     $ATA_COUNT, %dx
        mov     %bl, %al
        out     %al, %dx
        pop     %eax
        mov     $3, %cx
1:      inc     %dx                             /* LBA low, mid, high */
        out     %al, %dx
        shr     $8, %eax
        loop    1b
        inc     %dx
        or      $DEVICE_LBA, %al
        out     %al, %dx
        mov     $ATA_COMMAND, %dx
        mov     %bh, %al
        out     %al, %dx
        ret

/* One sector at LBA EAX to or from ES:DI, DI kept; CF on failure. One at a time: errors name their sector. */
ata_read:
        mov     $(READ_SECTORS << 8 | 1), %bx
        call    ata_command
ata_fetch:
        call    ata_wait_data
        jc      1f
        push    %di
        mov     $256, %cx
        mov     $ATA_DATA, %dx
        rep insw
        pop     %di
        clc
1:      ret

ata_write:
        mov     $(WRITE_SECTORS << 8 | 1), %bx
        call    ata_command
        call    ata_wait_data
        jc      1f
        push    %si
        push    %ds
        mov     %di, %si
        push    %es
        pop     %ds
        mov     $256, %cx
        mov     $ATA_DATA, %dx
        rep outsw
        pop     %ds
        pop     %si
        call    ata_wait
1:      ret

ata_flush:
        xor     %eax, %eax
        mov     $(FLUSH_CACHE << 8), %bx
        call    ata_command
        jmp     ata_wait

/* The disk's 256 words about itself to ES:DI; CF if there is no disk. */
ata_identify:
        mov     $ATA_DEVICE, %dx
        mov     $0xa0, %al
        out     %al, %dx
        mov     $ATA_STATUS, %dx
        in      %dx, %al
        test    %al, %al                        /* an empty channel floats to 0, or to ones */
        jz      1f
        cmp     $0xff, %al
        je      1f
        call    ata_wait
        jc      1f
        test    $STATUS_DRDY, %al
        jz      1f
        xor     %eax, %eax
        mov     $(IDENTIFY << 8), %bx
        call    ata_command
        jmp     ata_fetch
1:      stc
        ret

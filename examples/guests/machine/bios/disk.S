/* SPDX-License-Identifier: MIT
 * INT 13h for drive 80h, with cylinders and heads and with the extensions (packets). The geometry is the usual fiction: 63
 * sectors a track and as many heads as bring the cylinders below 1024. */
#define DRIVE           0x80
#define TRACK           63
#define MAX_CYLINDERS   1024

#define ERROR_COMMAND   0x01
#define ERROR_ADDRESS   0x04
#define ERROR_DISK      0x20
#define ERROR_NO_DRIVE  0x80

/* The request under way, in our data; the order is that of an extended packet from its count on. */
#define REQUEST_COUNT   (EBDA_PACKET + 0)
#define REQUEST_OFFSET  (EBDA_PACKET + 2)
#define REQUEST_SEGMENT (EBDA_PACKET + 4)
#define REQUEST_LBA     (EBDA_PACKET + 6)
#define REQUEST_WRITES  (EBDA_PACKET + 16)
#define REQUEST_DONE    (EBDA_PACKET + 18)

/* Finds the disk and makes up its geometry. The identification goes to 0000:7E00, free before the boot. */
disk_init:
        xor     %ax, %ax
        mov     %ax, %es
        mov     $0x7e00, %di
        call    ata_identify
        jc      3f
        mov     %es:120(%di), %eax              /* words 60-61: sectors that LBA28 reaches */
        mov     %eax, EBDA_SECTORS

        mov     $16, %bx
1:      movzx   %bx, %ecx
        imul    $TRACK, %ecx
        xor     %edx, %edx
        div     %ecx
        cmp     $MAX_CYLINDERS, %eax
        jbe     2f
        cmp     $255, %bx
        je      2f
        shl     $1, %bx
        cmp     $256, %bx
        jb      4f
        mov     $255, %bx
4:      mov     EBDA_SECTORS, %eax
        jmp     1b
2:      cmp     $MAX_CYLINDERS, %eax
        jbe     5f
        mov     $MAX_CYLINDERS, %eax
5:      mov     %ax, EBDA_CYLINDERS
        mov     %bx, EBDA_HEADS
        push    $BDA
        pop     %es
        movb    $1, %es:BDA_DISKS
3:      ret

int13:
        ENTER
        mov     R_AH(%bp), %ah
        cmp     $0x15, %ah
        je      disk_type
        cmpb    $DRIVE, R_DL(%bp)
        jne     disk_missing
        cmpl    $0, EBDA_SECTORS
        je      disk_missing
        cmp     $0x00, %ah
        je      disk_good
        cmp     $0x01, %ah
        je      disk_last_error
        cmp     $0x02, %ah
        je      disk_transfer_chs
        cmp     $0x03, %ah
        je      disk_transfer_chs
        cmp     $0x08, %ah
        je      disk_geometry
        cmp     $0x41, %ah
        je      disk_extensions
        cmp     $0x42, %ah
        je      disk_transfer_packet
        cmp     $0x43, %ah
        je      disk_transfer_packet
        cmp     $0x48, %ah
        je      disk_parameters
        mov     $ERROR_COMMAND, %al
        jmp     disk_error
disk_missing:
        mov     $ERROR_NO_DRIVE, %al

/* AL is the error. */
disk_error:
        mov     %al, EBDA_DISK_ERROR
        mov     %al, R_AH(%bp)
        jmp     return_error
disk_good:
        movb    $0, EBDA_DISK_ERROR
        movb    $0, R_AH(%bp)
        jmp     return_good

disk_last_error:
        mov     EBDA_DISK_ERROR, %al
        mov     %al, R_AH(%bp)
        jmp     return_good

/* 02h, 03h: CH cylinder, CL sector (from 1) and the cylinder's upper bits, DH head, AL count, ES:BX buffer. */
disk_transfer_chs:
        mov     R_AL(%bp), %al
        test    %al, %al
        jz      disk_bad_command
        xor     %ah, %ah
        mov     %ax, REQUEST_COUNT
        mov     R_BX(%bp), %ax
        mov     %ax, REQUEST_OFFSET
        mov     R_ES(%bp), %ax
        mov     %ax, REQUEST_SEGMENT

        mov     R_CX(%bp), %cx
        movzx   %ch, %eax
        mov     %cl, %bl
        and     $0xc0, %bl
        shl     $2, %bx
        and     $0x300, %bx
        or      %bx, %ax                        /* cylinder */
        and     $0x3f, %cl
        jz      disk_bad_address
        movzbw  R_DH(%bp), %dx
        cmp     EBDA_HEADS, %dx
        jae     disk_bad_address
        cmp     EBDA_CYLINDERS, %ax
        jae     disk_bad_address

        movzwl  EBDA_HEADS, %ebx
        imul    %ebx, %eax
        movzx   %dx, %edx
        add     %edx, %eax
        imul    $TRACK, %eax
        movzx   %cl, %ecx
        lea     -1(%eax, %ecx), %eax
        mov     %eax, REQUEST_LBA
        mov     R_AH(%bp), %al
        and     $1, %al                         /* 03h writes */
        call    transfer
        mov     REQUEST_DONE, %cl
        mov     %cl, R_AL(%bp)
        jmp     disk_transferred

disk_bad_command:
        mov     $ERROR_COMMAND, %al
        jmp     disk_error
disk_bad_address:
        mov     $ERROR_ADDRESS, %al
        jmp     disk_error

/* 42h, 43h: DS:SI packet of size, 0, count, buffer offset and segment, LBA (8 bytes). */
disk_transfer_packet:
        mov     R_DS(%bp), %es
        mov     R_SI(%bp), %si
        cmpb    $16, %es:(%si)
        jb      disk_bad_command
        mov     %es:2(%si), %eax                /* count, offset */
        mov     %eax, REQUEST_COUNT
        mov     %es:6(%si), %ax
        mov     %ax, REQUEST_SEGMENT
        mov     %es:8(%si), %eax
        mov     %eax, REQUEST_LBA
        cmpl    $0, %es:12(%si)
        jne     disk_bad_address
        mov     R_AH(%bp), %al
        and     $1, %al                         /* 43h writes */
        call    transfer
        mov     R_DS(%bp), %es
        mov     R_SI(%bp), %si
        mov     REQUEST_DONE, %cx
        mov     %cx, %es:2(%si)

/* AL is the error of the transfer, or 0. */
disk_transferred:
        test    %al, %al
        jz      disk_good
        jmp     disk_error

/* Does what the request says; AL in: 1 to write; AL out: an error, or 0. */
transfer:
        mov     %al, REQUEST_WRITES
        movw    $0, REQUEST_DONE
        mov     REQUEST_LBA, %eax
        movzwl  REQUEST_COUNT, %edx
        add     %eax, %edx
        jc      5f
        cmp     EBDA_SECTORS, %edx
        ja      5f
        mov     REQUEST_SEGMENT, %es
1:      mov     REQUEST_DONE, %cx
        cmp     REQUEST_COUNT, %cx
        je      3f
        mov     REQUEST_OFFSET, %di
        mov     REQUEST_LBA, %eax
        cmpb    $0, REQUEST_WRITES
        jne     2f
        call    ata_read
        jmp     6f
2:      call    ata_write
6:      jc      4f
        incl    REQUEST_LBA
        incw    REQUEST_DONE
        mov     %es, %ax                        /* by segments, so that a buffer may be longer than one */
        add     $0x20, %ax
        mov     %ax, %es
        jmp     1b

3:      cmpb    $0, REQUEST_WRITES
        je      7f
        call    ata_flush
        jc      4f
7:      xor     %al, %al
        ret
4:      mov     $ERROR_DISK, %al
        ret
5:      mov     $ERROR_ADDRESS, %al
        ret

/* 08h: geometry. */
disk_geometry:
        mov     EBDA_CYLINDERS, %ax
        dec     %ax
        mov     %al, R_CH(%bp)
        shl     $6, %ah
        or      $TRACK, %ah
        mov     %ah, R_CL(%bp)
        mov     EBDA_HEADS, %ax
        dec     %ax
        mov     %al, R_DH(%bp)
        movb    $1, R_DL(%bp)                   /* drives */
        movb    $0, R_AL(%bp)
        jmp     disk_good

/* 15h: 3 is a fixed disk, with CX:DX sectors; 0 is none. */
disk_type:
        movb    $0, R_AH(%bp)
        cmpb    $DRIVE, R_DL(%bp)
        jne     return_good
        mov     EBDA_SECTORS, %eax
        test    %eax, %eax
        jz      return_good
        mov     %ax, R_DX(%bp)
        shr     $16, %eax
        mov     %ax, R_CX(%bp)
        movb    $3, R_AH(%bp)
        jmp     return_good

/* 41h: extensions of version 1.x, packets only. */
disk_extensions:
        cmpw    $0x55aa, R_BX(%bp)
        jne     disk_bad_command
        movw    $0xaa55, R_BX(%bp)
        movw    $1, R_CX(%bp)
        movb    $0x01, R_AH(%bp)
        jmp     return_good

/* 48h: DS:SI result of 26 bytes: size, flags, cylinders, heads, sectors, total (8 bytes), bytes a sector. */
disk_parameters:
        mov     R_DS(%bp), %es
        mov     R_SI(%bp), %di
        cmpw    $26, %es:(%di)
        jb      disk_bad_command
        mov     $26, %ax
        stosw
        mov     $2, %ax                         /* the geometry is valid */
        stosw
        movzwl  EBDA_CYLINDERS, %eax
        stosl
        movzwl  EBDA_HEADS, %eax
        stosl
        mov     $TRACK, %eax
        stosl
        mov     EBDA_SECTORS, %eax
        stosl
        xor     %eax, %eax
        stosl
        mov     $512, %ax
        stosw
        jmp     disk_good

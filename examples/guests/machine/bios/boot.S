/* SPDX-License-Identifier: MIT
 * INT 19h boots: sector 0 of the disk to 0000:7C00, entered with DL the drive. INT 18h is what there is otherwise: nothing. */
int19:
        cli
        POST    POST_BOOT
        xor     %ax, %ax
        mov     %ax, %ss
        mov     %ax, %ds
        mov     %ax, %es
        mov     $0x7c00, %sp
        sti
        mov     $0x0201, %ax
        mov     $0x7c00, %bx
        mov     $0x0001, %cx
        mov     $DRIVE, %dx
        int     $0x13
        jc      1f
        cmpw    $0xaa55, 0x7dfe
        jne     1f
        mov     $DRIVE, %dx
        ljmp    $0, $0x7c00
1:      int     $0x18

int18:
        POST    POST_NO_BOOT
        mov     $no_boot_text, %si
        call    print
2:      cli
        hlt
        jmp     2b

no_boot_text:
        .asciz  "BIOS: nothing to boot from\r\n"

/* SPDX-License-Identifier: MIT
 *
 * A small PC BIOS: 64 KiB of ROM at F000:0000, entered at F000:FFF0. It knows this PC and no other: a serial console on
 * COM1, one ATA disk on the first channel, no video memory, no keyboard controller. Interfaces as in the IBM PC/AT
 * Technical Reference and, for INT 13h extensions and INT 15h E820h, in the Enhanced Disk Drive and ACPI specifications.
 *
 * Everything is 16-bit code with CS=F000; this file has the frame of an interrupt handler and the places that matter.
 */
        .code16
        .text

/* Steps of the power-on self-test, written to port 80h. */
#define POST_PORT       0x80
#define POST_RESET      0x01
#define POST_VECTORS    0x02
#define POST_PIC        0x03
#define POST_TIMER      0x04
#define POST_CONSOLE    0x05
#define POST_MEMORY     0x06
#define POST_DISK       0x07
#define POST_BOOT       0x0f
#define POST_NO_BOOT    0xe0
        .macro  POST code
        mov     $\code, %al
        out     %al, $POST_PORT
        .endm

/* The BIOS data area (segment 40h), and behind the end of base memory one of our own. */
#define BDA             0x40
#define BDA_COM1        0x00
#define BDA_EQUIPMENT   0x10
#define BDA_BASE_KIB    0x13
#define BDA_TICKS       0x6c
#define BDA_MIDNIGHT    0x70
#define BDA_DISKS       0x75
#define BASE_KIB        639
#define EBDA            0x9fc0
#define EBDA_SECTORS    0x00            /* of the disk; 0: there is none */
#define EBDA_HEADS      0x04
#define EBDA_CYLINDERS  0x06
#define EBDA_DISK_ERROR 0x08            /* of the last INT 13h */
#define EBDA_KEY        0x0a            /* a character looked at, but not taken; 0: none */
#define EBDA_HIGH_MIB   0x0c            /* memory above 1 MiB */
#define EBDA_PACKET     0x10            /* INT 13h's current request: see disk.S */

/* The caller's registers, from BP, between ENTER and RETURN. */
#define R_DI            0
#define R_SI            4
#define R_BX            16
#define R_BH            17
#define R_DX            20
#define R_DL            20
#define R_DH            21
#define R_CX            24
#define R_CL            24
#define R_CH            25
#define R_AX            28
#define R_AL            28
#define R_AH            29
#define R_ES            32
#define R_DS            34
#define R_FLAGS         40
#define CF              0x01
#define ZF              0x40

/* A handler runs with BP at the caller's registers and DS at our data. */
        .macro  ENTER
        push    %ds
        push    %es
        pushal
        mov     %sp, %bp
        cld
        push    $EBDA
        pop     %ds
        .endm

/* How handlers end: the caller finds CF in the flags that IRET gives back. */
return_error:
        orb     $CF, R_FLAGS(%bp)
        jmp     return
return_good:
        andb    $~CF, R_FLAGS(%bp)
return:
        popal
        pop     %es
        pop     %ds
        iret

#include "post.S"
#include "console.S"
#include "ata.S"
#include "disk.S"
#include "memory.S"
#include "clock.S"
#include "boot.S"

        .org    0xfff0, 0xff
        ljmp    $0xf000, $power_on
        .ascii  "11/22/26"
        .byte   0, 0xfc, 0              /* model byte: AT */

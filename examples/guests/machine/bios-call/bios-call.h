/* SPDX-License-Identifier: MIT
 * The call's address, and its parameters and results: offsets from BIOS_CALL_BLOCK. Registers are given and returned. */
#ifndef BIOS_CALL_H
#define BIOS_CALL_H

#define BIOS_CALL_ADDRESS       0x8000
#define BIOS_CALL_BLOCK         0x20    /* from BIOS_CALL_ADDRESS: PAYLOAD_OWN */
#define BIOS_CALL_BUFFER        0x9000  /* a page for the BIOS to write to: 0900:0000 */

#define BLOCK_EAX               0x00
#define BLOCK_ECX               0x04
#define BLOCK_EDX               0x08
#define BLOCK_EBX               0x0c
#define BLOCK_EBP               0x10
#define BLOCK_ESI               0x14
#define BLOCK_EDI               0x18
#define BLOCK_EFLAGS            0x1c    /* result only; CF is most functions' error */
#define BLOCK_DS                0x20    /* half words */
#define BLOCK_ES                0x22
#define BLOCK_INTERRUPT         0x24    /* its number, a byte */
#define BLOCK_BYTES             0x28

#endif

/* SPDX-License-Identifier: MIT
 *
 * What the payloads (recorder, bios-call) have in common: flat code, entered with paging off by the first instruction of
 * its first page, that comes back by RET or by CALL. Behind that instruction is a block of words, which whoever loads the
 * payload may fill in. Included by assembly and by C.
 */
#ifndef PAYLOAD_H
#define PAYLOAD_H

/* Offsets from the payload's first byte. */
#define PAYLOAD_FLAGS           0x10
#define PAYLOAD_COPY_TO         0x14    /* physical address for a copy of the results; 0: none */
#define PAYLOAD_GDT             0x1a    /* limit (2 bytes), base (4): see LEAVE_GDT */
#define PAYLOAD_OWN             0x20    /* the payload's own words */

/*
 * How to leave. Results lie in the payload's own page, and that page goes away with the swap: hence the copy, to a page
 * that is in no segment. The others are what a strict stub needs (reference 3.6, 3.7), or must not be given (DF).
 */
#define LEAVE_BY_CALL           1       /* leave our re-entry at [ESP], start over when entered there; else plain RET */
#define LEAVE_GDT               2       /* load GDTR from PAYLOAD_GDT: the caller's own, at its virtual address */
#define LEAVE_PAE               4       /* set CR4.PAE */
#define LEAVE_DF                8       /* set DF: breaks the contract */

#ifdef __ASSEMBLER__

/* The head of a payload: PAYLOAD \start must be its first line. */
        .macro  PAYLOAD start
        .globl  _start
_start: jmp     \start
        .org    PAYLOAD_FLAGS, 0
payload_flags:
        .long   0
payload_copy_to:
        .long   0
        .word   0
payload_gdt:
        .word   0
        .long   0
        .endm

/* The end: copies \bytes from \results if asked to, and leaves. \again is where to go on after having left by CALL. */
        .macro  LEAVE results, bytes, again
        mov     payload_copy_to, %edi
        test    %edi, %edi
        jz      71f
        mov     $\results, %esi
        mov     $\bytes, %ecx
        rep movsb
71:     testl   $LEAVE_PAE, payload_flags
        jz      72f
        mov     %cr4, %eax
        or      $0x20, %eax
        mov     %eax, %cr4
72:     testl   $LEAVE_GDT, payload_flags
        jz      73f
        lgdt    payload_gdt
73:     testl   $LEAVE_DF, payload_flags
        jz      74f
        std
74:     testl   $LEAVE_BY_CALL, payload_flags
        jz      75f
        mov     (%esp), %eax
        call    *%eax
        jmp     \again
75:     ret
        .endm

#endif
#endif

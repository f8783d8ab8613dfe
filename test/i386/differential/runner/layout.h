/* SPDX-License-Identifier: MIT */
/* Where things lie in the machine that runs a batch. ../batch-layout.ts says the same to the host: change both. */
#define RUNNER 0x00E50000 /* this image, where 32-bit code runs; far from every pointer a case starts with */
#define LOW 0x00010000 /* the same image again, for real mode */
#define CODE 0x00030000 /* two pages of INT3, the sequence somewhere in them */
#define READ_ONLY 0x00040000 /* the page before the data page */
#define DATA 0x00041000 /* the data page: operands and the stack of the case */
#define PAGE_DIRECTORY 0x00060000
#define TABLE_LOW 0x00061000 /* linear 0 to 4 MiB */
#define TABLE_RUNNER 0x00062000 /* linear 12 to 16 MiB */
#define TABLE_HIGH 0x00063000 /* linear BFC00000 to BFFFFFFF */
#define BATCH 0x00200000

#define BATCH_COUNT (BATCH + 4)
#define BATCH_INDEX (BATCH + 8)
#define BATCH_RESULTS (BATCH + 12)
#define BATCH_DONE (BATCH + 16)
#define BATCH_RUNNING (BATCH + 20) /* 1 while a case runs: after a triple fault the reset finds it so */
#define SHUT_DOWN 0x1000 /* the vector of a case that ended in a triple fault */
#define BATCH_DATA (BATCH + 0x1000) /* what the data page holds before each case */
#define BATCH_CASES (BATCH + 0x2000)

#define CASE_BYTES 0x300
#define CASE_KIND 0x00 /* 0 real mode, 1 ring 0, 2 entered by IRET: ring 3 or virtual-8086 */
#define CASE_CR0 0x04
#define CASE_EIP 0x08
#define CASE_EFLAGS 0x0C
#define CASE_GENERAL 0x10 /* in ModRM order */
#define CASE_ES 0x30
#define CASE_CS 0x34
#define CASE_SS 0x38
#define CASE_DS 0x3C
#define CASE_FS 0x40
#define CASE_GS 0x44
#define CASE_CODE_ADDRESS 0x48
#define CASE_CR4 0x4C
#define CASE_PATCH_OFFSET 0x50
#define CASE_HEADER_BYTES 0x80
#define CASE_CODE 0x80
#define CODE_BYTES 0x80
#define CASE_FPU 0x100 /* an FSAVE image */
#define CASE_PATCH 0x200
#define PATCH_BYTES 0x100

#define RESULT_BYTES 0x1200
#define RESULT_FPU 0x80
#define RESULT_GDT 0x100
#define RESULT_DATA 0x200
#define GDT_BYTES 0x100 /* of the GDT that the result records keep */

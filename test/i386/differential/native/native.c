/* SPDX-License-Identifier: MIT */
/*
 * Runs the cases of a batch that are for ring 3 with flat segments on the processor of this machine, as a Linux process of
 * 32 bits: native BATCH RESULTS. The records are those of ../runner/layout.h; what a process cannot see (control registers,
 * descriptor and page tables) stays zero. Every case ends in a signal; the handler takes the registers from its frame.
 *
 * gcc -m32 -O1 -static -fno-pie -no-pie -fno-stack-protector: the handler runs with the segment registers of a case.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "../runner/layout.h"

#define DATA_ALIAS 0x00044000
#define DATA_HIGH 0xBFFFF000
#define PAGE 0x1000
#define FLAT_CODE 0x23
#define HUNG 0x1001 /* the vector of a case that did not end, or made a system call */

/* Named by the assembler code below. */
uint32_t case_registers[8];
uint32_t case_eflags;
uint32_t case_eip;
uint16_t case_segments[6];
uint16_t own_gs;

static const uint8_t *the_case;
static uint8_t result[RESULT_BYTES];
static jmp_buf back;

static uint32_t word(const uint8_t *at, int offset)
{
	uint32_t value;
	memcpy(&value, at + offset, 4);
	return value;
}

static void put(int index, uint32_t value)
{
	memcpy(result + 4 * index, &value, 4);
}

static void map(uint32_t address, int protection, int file, uint32_t bytes)
{
	int flags = MAP_FIXED_NOREPLACE | MAP_POPULATE | (file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	if (mmap((void *)address, bytes, protection, flags, file, 0) != (void *)address) {
		perror("mmap");
		exit(1);
	}
}

static void map_pages(void)
{
	int data = memfd_create("data", 0), constant = memfd_create("constant", 0);
	uint32_t pattern = 0x01020304;
	if (ftruncate(data, PAGE) || ftruncate(constant, PAGE))
		exit(1);
	for (int i = 0; i < PAGE / 4; i++, pattern += 0x10203041)
		if (pwrite(constant, &pattern, 4, 4 * i) != 4)
			exit(1);
	map(CODE, PROT_READ | PROT_WRITE | PROT_EXEC, -1, 2 * PAGE);
	map(READ_ONLY, PROT_READ, constant, PAGE);
	map(DATA, PROT_READ | PROT_WRITE | PROT_EXEC, data, PAGE);
	map(DATA_ALIAS, PROT_READ | PROT_WRITE | PROT_EXEC, data, PAGE);
	map(DATA_HIGH - PAGE, PROT_READ, constant, PAGE);
	map(DATA_HIGH, PROT_READ | PROT_WRITE | PROT_EXEC, data, PAGE);
	memset((void *)CODE, 0xCC, 2 * PAGE);
}

/* No library function before GS is our own again. */
static void ended(int number, siginfo_t *info, void *context)
{
	__asm__ volatile("movw own_gs, %%ax; movw %%ax, %%gs; cld" : : : "eax");
	ucontext_t *u = context;
	greg_t *r = u->uc_mcontext.gregs;
	const int order[8] = {REG_EAX, REG_ECX, REG_EDX, REG_EBX, REG_ESP, REG_EBP, REG_ESI, REG_EDI};
	const int segments[6] = {REG_ES, REG_CS, REG_SS, REG_DS, REG_FS, REG_GS};
	(void)info;
	for (int i = 0; i < 8; i++)
		put(i, r[order[i]]);
	for (int i = 0; i < 6; i++)
		put(8 + i, r[segments[i]] & 0xFFFF);
	put(14, r[REG_EIP]);
	put(15, r[REG_EFL]);
	put(16, number == SIGALRM || number == SIGSYS ? HUNG : r[REG_TRAPNO]);
	put(17, r[REG_ERR]);
	put(18, r[REG_TRAPNO] == 14 ? u->uc_mcontext.cr2 : 0);
	memcpy(result + RESULT_FPU, u->uc_mcontext.fpregs, 108);
	siglongjmp(back, 1);
}

void enter(void);
__asm__(
	".globl enter\n"
	"enter:\n"
	"	movw %gs, own_gs\n"
	"	pushl case_eflags\n"
	"	popfl\n"
	"	movw case_segments, %es\n"
	"	movw case_segments + 8, %fs\n"
	"	movw case_segments + 10, %gs\n"
	"	movl case_registers, %eax\n"
	"	movl case_registers + 4, %ecx\n"
	"	movl case_registers + 8, %edx\n"
	"	movl case_registers + 12, %ebx\n"
	"	movl case_registers + 16, %esp\n"
	"	movl case_registers + 20, %ebp\n"
	"	movl case_registers + 24, %esi\n"
	"	movl case_registers + 28, %edi\n"
	"	jmp *case_eip\n");

static void run(const uint8_t *base)
{
	static uint8_t *code_before = (uint8_t *)CODE;
	struct itimerval limit = {{0, 0}, {0, 200000}}, none = {{0, 0}, {0, 0}};
	memset(result, 0, sizeof result);
	memcpy((void *)DATA, base, PAGE);
	memcpy((void *)(DATA + word(the_case, CASE_PATCH_OFFSET)), the_case + CASE_PATCH, PATCH_BYTES);
	memset(code_before, 0xCC, CODE_BYTES);
	code_before = (uint8_t *)word(the_case, CASE_CODE_ADDRESS);
	memcpy(code_before, the_case + CASE_CODE, CODE_BYTES);
	for (int i = 0; i < 8; i++)
		case_registers[i] = word(the_case, CASE_GENERAL + 4 * i);
	for (int i = 0; i < 6; i++)
		case_segments[i] = word(the_case, CASE_ES + 4 * i);
	case_eflags = word(the_case, CASE_EFLAGS);
	case_eip = word(the_case, CASE_EIP);
	if (sigsetjmp(back, 1) == 0) {
		setitimer(ITIMER_REAL, &limit, NULL);
		__asm__ volatile("frstor %0" : : "m"(*(const uint8_t(*)[108])(the_case + CASE_FPU)));
		enter();
	}
	__asm__ volatile("fninit; pushl $2; popfl");
	setitimer(ITIMER_REAL, &none, NULL);
	memcpy(result + RESULT_DATA, (void *)DATA, PAGE);
}

/* Code gone wild must not reach the system: only what this program itself needs is let through. */
static void fence(void)
{
#define LET(name) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		LET(read), LET(write), LET(close), LET(rt_sigprocmask), LET(sigreturn), LET(rt_sigreturn), LET(setitimer),
		LET(exit_group), LET(exit), LET(fstat64), LET(statx), LET(brk), LET(mmap2), LET(munmap), LET(_llseek),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		exit(1);
}

int main(int argc, char **argv)
{
	static uint8_t header[BATCH_CASES - BATCH], record[CASE_BYTES];
	FILE *in = argc > 2 ? fopen(argv[1], "rb") : NULL, *out = in ? fopen(argv[2], "wb") : NULL;
	stack_t stack = {.ss_sp = malloc(65536), .ss_size = 65536};
	struct sigaction action = {.sa_sigaction = ended, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	const int signals[] = {SIGILL, SIGSEGV, SIGTRAP, SIGFPE, SIGBUS, SIGALRM, SIGSYS};
	if (!out || fread(header, sizeof header, 1, in) != 1)
		return 1;
	map_pages();
	sigaltstack(&stack, NULL);
	sigfillset(&action.sa_mask);
	for (int i = 0; i < 7; i++)
		sigaction(signals[i], &action, NULL);
	fence();
	the_case = record;
	while (fread(record, CASE_BYTES, 1, in) == 1) {
		if (word(record, CASE_CS) == FLAT_CODE && !(word(record, CASE_CR0) & 0xC))
			run(header + (BATCH_DATA - BATCH));
		else
			memset(result, 0, sizeof result);
		fwrite(result, RESULT_BYTES, 1, out);
	}
	return fclose(out);
}

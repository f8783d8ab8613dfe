// SPDX-License-Identifier: MIT
// Payloads: functions in physical mode, called over a jump (mode=record, mode=bios). Their parameters are words in their
// own page, filled in here before it is loaded; their results come back through a page that belongs to no image.
#include "../../payload.h"
#include "../../bios-call/bios-call.h"
#include "../../recorder/recorder.h"
#include "../io.h"
#include "elf.h"
#include "user.h"

#define RESULTS 0x7000u /* low memory, which this kernel does not use */
#define WORD(base, offset) (*(u32 *)((u8 *)(base) + (offset)))
#define HALF(base, offset) (*(u16 *)((u8 *)(base) + (offset)))

static u32 page_start, page_end;

/* A strict stub leaves GDTR to the peer: it is told ours, which a task may read. */
static bool stage(void) {
  if (!program_range(&page_start, &page_end) || page_end - page_start > STAGING_BYTES) return false;
  stage_program(page_start, page_end);
  u32 flags = parameter_is(FACTS->cmdline, "leave", "call") ? LEAVE_BY_CALL : 0;
  if (parameter_is(FACTS->cmdline, "stub", "strict")) {
    struct table_pointer gdt;
    __asm__("sgdt %0" : "=m"(gdt));
    memcpy(STAGING + PAYLOAD_GDT, &gdt, sizeof gdt);
    flags |= LEAVE_GDT;
  }
  WORD(STAGING, PAYLOAD_FLAGS) = parameter_number(FACTS->cmdline, "flags", flags);
  WORD(STAGING, PAYLOAD_COPY_TO) = RESULTS;
  return true;
}

static s32 load(void) {
  u32 bytes = page_end - page_start;
  struct kexec_segment segment = {(u32)STAGING, bytes, page_start, bytes};
  s32 error = system_call(SYS_KEXEC_LOAD, page_start, 1, (u32)&segment, KEXEC_PRESERVE_CONTEXT);
  if (error != 0) print("%s: kexec_load: error %u\n", FACTS->kernel_name, -error);
  return error;
}

static void print_record(const u8 *record) {
  print("eax %x ecx %x edx %x ebx %x\n", WORD(record, RECORD_EAX), WORD(record, RECORD_ECX), WORD(record, RECORD_EDX),
        WORD(record, RECORD_EBX));
  print("esp %x ebp %x esi %x edi %x\n", WORD(record, RECORD_ESP), WORD(record, RECORD_EBP), WORD(record, RECORD_ESI),
        WORD(record, RECORD_EDI));
  print("eflags %x [esp] %x\n", WORD(record, RECORD_EFLAGS), WORD(record, RECORD_STACK_WORD));
  print("cr0 %x cr2 %x cr3 %x cr4 %x\n", WORD(record, RECORD_CR0), WORD(record, RECORD_CR2), WORD(record, RECORD_CR3),
        WORD(record, RECORD_CR4));
  print("cs %x ds %x es %x ss %x fs %x gs %x\n", HALF(record, RECORD_SELECTORS), HALF(record, RECORD_SELECTORS + 2),
        HALF(record, RECORD_SELECTORS + 4), HALF(record, RECORD_SELECTORS + 6), HALF(record, RECORD_SELECTORS + 8),
        HALF(record, RECORD_SELECTORS + 10));
  print("tr %x ldtr %x gdtr %x %x idtr %x %x\n", HALF(record, RECORD_TR), HALF(record, RECORD_LDTR),
        HALF(record, RECORD_GDTR), WORD(record, RECORD_GDTR + 2), HALF(record, RECORD_IDTR),
        WORD(record, RECORD_IDTR + 2));
  print("dr0 %x dr1 %x dr2 %x dr3 %x dr6 %x dr7 %x\n", WORD(record, RECORD_DR), WORD(record, RECORD_DR + 4),
        WORD(record, RECORD_DR + 8), WORD(record, RECORD_DR + 12), WORD(record, RECORD_DR + 16),
        WORD(record, RECORD_DR + 20));
}

u32 call_recorder(void) {
  u8 record[RECORD_BYTES];
  u32 rounds = parameter_number(FACTS->cmdline, "rounds", 1);
  if (!stage()) return 1;
  for (u32 round = 1; round <= rounds; round++) {
    /* After a plain RET there is no address to go to again. */
    bool fresh = round == 1 || !parameter_is(FACTS->cmdline, "leave", "call");
    if ((fresh && load() != 0) || jump_checked() != 0) return 1;
    system_call(SYS_PEEK, RESULTS, (u32)record, sizeof record, 0);
    print("%s: record %u, visit %u, start is now %x\n", FACTS->kernel_name, round, WORD(record, RECORD_VISITS),
          kernel_status().image_start);
    print_record(record);
  }
  return 0;
}

static void fill_block(u8 *block, const char *cmdline) {
  block[BLOCK_INTERRUPT] = parameter_number(cmdline, "int", 0x12);
  WORD(block, BLOCK_EAX) = parameter_number(cmdline, "eax", 0);
  WORD(block, BLOCK_ECX) = parameter_number(cmdline, "ecx", 0);
  WORD(block, BLOCK_EDX) = parameter_number(cmdline, "edx", 0);
  WORD(block, BLOCK_EBX) = parameter_number(cmdline, "ebx", 0);
  WORD(block, BLOCK_ESI) = parameter_number(cmdline, "esi", 0);
  WORD(block, BLOCK_EDI) = parameter_number(cmdline, "edi", 0);
  HALF(block, BLOCK_DS) = parameter_number(cmdline, "ds", 0);
  HALF(block, BLOCK_ES) = parameter_number(cmdline, "es", BIOS_CALL_BUFFER / 16);
}

/* What the call does is on the module's command line: int=0x13 eax=0x201 ...; the buffer may be any page of low memory. */
u32 call_bios(void) {
  u8 block[BLOCK_BYTES], buffer[32];
  if (!stage()) return 1;
  fill_block(STAGING + BIOS_CALL_BLOCK, FACTS->module_cmdline);
  if (load() != 0 || jump_checked() != 0) return 1;
  system_call(SYS_PEEK, RESULTS, (u32)block, sizeof block, 0);
  print("%s: eax %x ecx %x edx %x ebx %x\n", FACTS->kernel_name, WORD(block, BLOCK_EAX), WORD(block, BLOCK_ECX),
        WORD(block, BLOCK_EDX), WORD(block, BLOCK_EBX));
  print("%s: esi %x edi %x ebp %x eflags %x\n", FACTS->kernel_name, WORD(block, BLOCK_ESI), WORD(block, BLOCK_EDI),
        WORD(block, BLOCK_EBP), WORD(block, BLOCK_EFLAGS));
  u32 at = parameter_number(FACTS->module_cmdline, "show", 0);
  if (at == 0) return 0;
  system_call(SYS_PEEK, at, (u32)buffer, sizeof buffer, 0);
  print("%s: at %x:", FACTS->kernel_name, at);
  for (u32 i = 0; i < sizeof buffer; i += 4) print(" %x", WORD(buffer, i));
  print("\n");
  return 0;
}

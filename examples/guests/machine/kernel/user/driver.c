// SPDX-License-Identifier: MIT
// The driver: does what `mode=` on the kernel's command line says. Exit code 0 is success.
#include "user.h"

#define DRIVER_ONLY (USER_HEAP + 2 * PAGE_SIZE) /* the other tasks have one page there */
#define KERNEL_ONLY 0xc0100000u

/* Round by round at first, then now and then: a thousand lines tell nothing more. */
static bool worth_a_line(u32 round, u32 rounds) { return round <= 10 || round % 100 == 0 || round == rounds; }

s32 jump_checked(void) {
  s32 error = system_call(SYS_KEXEC_JUMP, 0, 0, 0, 0);
  if (error != 0) print("%s: jump failed: error %u\n", FACTS->kernel_name, -error);
  else if (!all_well()) exit(2);
  return error;
}

/* mode=jump: loads the module as a peer, goes there and comes back, so often. */
static u32 jump(void) {
  u32 rounds = parameter_number(FACTS->cmdline, "rounds", 10);
  u32 pause = parameter_number(FACTS->cmdline, "pause", 1);
  s32 error = load_peer(KEXEC_PRESERVE_CONTEXT);
  if (error != 0) return 1;
  for (u32 round = 1; round <= rounds; round++) {
    sleep(pause);
    if (jump_checked() != 0) return 1;
    if (!worth_a_line(round, rounds)) continue;
    struct kernel_status status = kernel_status();
    print("%s: round %u of %u, back at tick %u, digest %x, peer's re-entry %x\n", FACTS->kernel_name, round, rounds,
          status.ticks, status.digest, status.image_start);
  }
  return 0;
}

/* mode=kexec: a plain kexec of the module; comes back only if it fails. */
static u32 plain_kexec(void) {
  if (load_peer(0) == 0) jump_checked();
  return 1;
}

/* mode=answer: jumps back to whoever entered us, again and again, with an image that swaps nothing. */
static u32 answer(void) {
  u32 pause = parameter_number(FACTS->cmdline, "pause", 1);
  u32 back = parameter_number(FACTS->cmdline, "kexec_jump_back_entry", 0);
  if (back == 0) {
    print("%s: nobody to jump back to\n", FACTS->kernel_name);
    return 1;
  }
  struct kexec_segment nothing = {0, 0, 0, 0};
  s32 error = system_call(SYS_KEXEC_LOAD, back, 1, (u32)&nothing, KEXEC_PRESERVE_CONTEXT);
  if (error != 0) return 1;
  print("%s: will jump back to %x\n", FACTS->kernel_name, back);
  for (u32 visit = 1;; visit++) {
    sleep(pause);
    if (worth_a_line(visit, 0)) print("%s: visit %u, tick %u\n", FACTS->kernel_name, visit, kernel_status().ticks);
    if (jump_checked() != 0) return 1;
  }
}

/* mode=loop: says once in `beat` ticks how things are, for ever. */
static u32 loop(void) {
  u32 beat = parameter_number(FACTS->cmdline, "beat", 100);
  for (;;) {
    sleep(beat);
    if (!all_well()) return 2;
    struct kernel_status status = kernel_status();
    print("%s: tick %u, digest %x, %u units of work\n", FACTS->kernel_name, status.ticks, status.digest,
          status.work_units);
  }
}

/* mode=exit: works for so many ticks. */
static u32 run_and_exit(void) {
  sleep(parameter_number(FACTS->cmdline, "ticks", 10));
  return all_well() ? 0 : 2;
}

/* mode=trespass: the page tables must have stopped both trespassers. */
static u32 watch_trespasser(void) {
  sleep(5);
  return kernel_status().faults == 2 && all_well() ? 0 : 2;
}

u32 drive(void) {
  const char *cmdline = FACTS->cmdline;
  ballast_fill();
  if (parameter_is(cmdline, "mode", "jump")) return jump();
  if (parameter_is(cmdline, "mode", "kexec")) return plain_kexec();
  if (parameter_is(cmdline, "mode", "answer")) return answer();
  if (parameter_is(cmdline, "mode", "exit")) return run_and_exit();
  if (parameter_is(cmdline, "mode", "trespass")) return watch_trespasser();
  if (parameter_is(cmdline, "mode", "loop")) return loop();
  if (parameter_is(cmdline, "mode", "record")) return call_recorder();
  if (parameter_is(cmdline, "mode", "bios")) return call_bios();
  return shell();
}

u32 user_main(u32 role) {
  if (role == ROLE_DRIVER) return drive();
  if (role == ROLE_WORKER) work();
  if (role == ROLE_NEIGHBOUR_READER) trespass("driver", DRIVER_ONLY);
  trespass("kernel", KERNEL_ONLY);
  return 0;
}

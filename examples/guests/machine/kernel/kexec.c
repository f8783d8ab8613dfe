// SPDX-License-Identifier: MIT
// kexec_load(2) and the jump (Linux kernel/kexec.c, kernel/kexec_core.c): the checks in Linux's order with Linux's errors,
// an image that replaces the one before only if it is good, and devices put to rest around the handover.
#include "kexec.h"
#include "kernel.h"

#define ADDRESS_LIMIT 0xffffffffu

/* Two, so that a load that fails leaves the other alone. */
static struct kimage images[2];
static struct kimage *loaded;

/* Four passes, as Linux has them: what is wrong with an address comes before what is wrong between segments. */
static s32 check_segments(u32 count, const struct kexec_segment *segments) {
  for (u32 i = 0; i < count; i++) {
    u32 start = segments[i].mem;
    u32 end = start + segments[i].memsz;
    if (end < start || start % PAGE_SIZE != 0 || end % PAGE_SIZE != 0 || end >= ADDRESS_LIMIT) return -EADDRNOTAVAIL;
  }
  for (u32 i = 0; i < count; i++) {
    for (u32 j = 0; j < i; j++) {
      bool starts_before_end = segments[i].mem < segments[j].mem + segments[j].memsz;
      bool ends_after_start = segments[i].mem + segments[i].memsz > segments[j].mem;
      if (starts_before_end && ends_after_start) return -EINVAL;
    }
  }
  for (u32 i = 0; i < count; i++) {
    if (segments[i].bufsz > segments[i].memsz) return -EINVAL;
  }
  u32 sum = 0;
  for (u32 i = 0; i < count; i++) {
    u32 pages = segments[i].memsz / PAGE_SIZE;
    if (pages > frames_total() / 2) return -EINVAL;
    sum += pages;
  }
  return sum > frames_total() / 2 ? -EINVAL : 0;
}

static s32 fill_image(struct kimage *image) {
  image->control_page = alloc_outside_destinations(image);
  image->swap_page = alloc_outside_destinations(image);
  if (image->control_page == 0 || image->swap_page == 0) return -ENOMEM;
  s32 error = machine_kexec_prepare(image);
  return error != 0 ? error : kimage_build(image);
}

static void unload(struct kimage *image) {
  machine_kexec_cleanup(image);
  kimage_free(image);
}

s32 kexec_load(u32 entry, u32 count, const struct kexec_segment *segments, u32 flags) {
  if (flags & ~KEXEC_PRESERVE_CONTEXT || count > KEXEC_SEGMENT_MAX) return -EINVAL;
  if (count == 0) {
    if (loaded != NULL) unload(loaded);
    loaded = NULL;
    return 0;
  }
  s32 error = check_segments(count, segments);
  if (error != 0) return error;

  struct kimage *image = loaded == &images[0] ? &images[1] : &images[0];
  image->start = entry;
  image->preserve_context = (flags & KEXEC_PRESERVE_CONTEXT) != 0;
  image->nr_segments = count;
  memcpy(image->segment, segments, count * sizeof segments[0]);
  error = fill_image(image);
  if (error != 0) {
    unload(image);
    return error;
  }
  if (loaded != NULL) unload(loaded);
  loaded = image;
  return 0;
}

/* Devices rest while the peer has them, and are set up anew afterwards: the peer has used them in its own way. */
s32 kexec_jump(void) {
  if (loaded == NULL) return -EINVAL;
  uart_quiesce();
  interrupts_quiesce();
  status.departures++;
  machine_kexec(loaded);
  status.returns++;
  status.image_start = loaded->start;
  interrupts_resume();
  uart_init();
  return 0;
}

/* SPDX-License-Identifier: MIT
 * A loaded image and what is done with it: kexec.c checks and loads, kimage.c builds the list of pages, machine-kexec.c
 * hands the machine over. */
#ifndef KEXEC_H
#define KEXEC_H

#include "abi.h"
#include "cpu-state.h"
#include "types.h"

/* Pages parked on a list: each one's first word names the next. */
struct frame_list {
  u32 first;
};

struct kimage {
  u32 head;          /* first word of the list of pages */
  u32 *entry, *last; /* where the next word goes; the last slot of its page */
  u32 start;         /* where to go; after a return, where the peer wants to be entered again */
  u32 control_page, swap_page, transition_space;
  u32 nr_segments;
  struct kexec_segment segment[KEXEC_SEGMENT_MAX];
  struct frame_list destination_pages; /* got, but somebody's destination: given out when that one's turn comes */
  struct frame_list unusable_pages;    /* got, but inside a destination: not fit for control, swap or list */
  bool preserve_context;
};

/* kexec.c; 0 or a negative errno. */
s32 kexec_load(u32 entry, u32 count, const struct kexec_segment *segments, u32 flags);
s32 kexec_jump(void);

/* kimage.c */
s32 kimage_build(struct kimage *image);
void kimage_free(struct kimage *image);
bool is_destination(const struct kimage *image, u32 frame);
u32 alloc_outside_destinations(struct kimage *image);

/* machine-kexec.c */
s32 machine_kexec_prepare(struct kimage *image);
void machine_kexec_cleanup(struct kimage *image);
void machine_kexec(struct kimage *image);

#endif

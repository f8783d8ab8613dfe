// SPDX-License-Identifier: MIT
// The list of pages of an image: which page is to change places with which (Linux kernel/kexec_core.c, kimage_*). The
// invariant that makes a swap its own inverse: a source page is its own destination or nobody's.
#include "../relocate-kernel/control-page.h"
#include "kernel.h"
#include "kexec.h"

static void park(struct frame_list *list, u32 frame) {
  *(u32 *)va_of(frame) = list->first;
  list->first = frame;
}

static void free_list(struct frame_list *list) {
  while (list->first != 0) {
    u32 frame = list->first;
    list->first = *(u32 *)va_of(frame);
    frame_free(frame);
  }
}

/* Takes one page out of a list, 0 if it is not there. */
static u32 take(struct frame_list *list, u32 wanted) {
  for (u32 *link = &list->first; *link != 0; link = va_of(*link)) {
    if (*link != wanted) continue;
    *link = *(u32 *)va_of(wanted);
    return wanted;
  }
  return 0;
}

bool is_destination(const struct kimage *image, u32 frame) {
  for (u32 i = 0; i < image->nr_segments; i++) {
    const struct kexec_segment *segment = &image->segment[i];
    if (frame >= segment->mem && frame < segment->mem + segment->memsz) return true;
  }
  return false;
}

u32 alloc_outside_destinations(struct kimage *image) {
  for (;;) {
    u32 frame = frame_alloc();
    if (frame == 0 || !is_destination(image, frame)) return frame;
    park(&image->unusable_pages, frame);
  }
}

/* The words of a list, one after the other; 0 after DONE. */
struct cursor {
  u32 *at;
};

static u32 *next_word(struct cursor *cursor) {
  u32 *word = cursor->at;
  if (*word == 0 || (*word & IND_DONE)) return NULL;
  cursor->at = *word & IND_INDIRECTION ? va_of(PAGE_DOWN(*word)) : word + 1;
  return word;
}

/* The word whose source page is to go to `destination`. */
static u32 *source_of(struct kimage *image, u32 destination) {
  struct cursor cursor = {&image->head};
  u32 at = 0;
  for (u32 *word; (word = next_word(&cursor)) != NULL;) {
    if (*word & IND_DESTINATION) {
      at = PAGE_DOWN(*word);
    } else if (*word & IND_SOURCE) {
      if (at == destination) return word;
      at += PAGE_SIZE;
    }
  }
  return NULL;
}

static s32 append(struct kimage *image, u32 word) {
  if (*image->entry != 0) image->entry++;
  if (image->entry == image->last) {
    u32 page = alloc_outside_destinations(image);
    if (page == 0) return -ENOMEM;
    memset(va_of(page), 0, PAGE_SIZE);
    *image->entry = page | IND_INDIRECTION;
    image->entry = va_of(page);
    image->last = image->entry + PAGE_SIZE / sizeof(u32) - 1;
  }
  *image->entry = word;
  return 0;
}

/* A page to hold what will go to `destination`. */
static u32 alloc_source(struct kimage *image, u32 destination) {
  u32 own = take(&image->destination_pages, destination);
  if (own != 0) return own;
  for (;;) {
    u32 frame = frame_alloc();
    if (frame == 0 || frame == destination || !is_destination(image, frame)) return frame;
    u32 *word = source_of(image, frame);
    if (word != NULL) {
      /* Whoever goes there may as well be there already; the page that it was in is free for us. */
      u32 other = PAGE_DOWN(*word);
      memcpy(va_of(frame), va_of(other), PAGE_SIZE);
      *word = frame | IND_SOURCE;
      return other;
    }
    park(&image->destination_pages, frame);
  }
}

static s32 load_segment(struct kimage *image, const struct kexec_segment *segment) {
  s32 error = append(image, segment->mem | IND_DESTINATION);
  for (u32 done = 0; error == 0 && done < segment->memsz; done += PAGE_SIZE) {
    u32 page = alloc_source(image, segment->mem + done);
    if (page == 0) return -ENOMEM;
    error = append(image, page | IND_SOURCE);
    if (error != 0) {
      frame_free(page);
      return error;
    }
    memset(va_of(page), 0, PAGE_SIZE);
    u32 left = segment->bufsz > done ? segment->bufsz - done : 0;
    if (!copy_from_user(va_of(page), segment->buf + done, left < PAGE_SIZE ? left : PAGE_SIZE)) return -EFAULT;
  }
  return error;
}

s32 kimage_build(struct kimage *image) {
  image->entry = image->last = &image->head;
  s32 error = 0;
  for (u32 i = 0; error == 0 && i < image->nr_segments; i++) error = load_segment(image, &image->segment[i]);
  if (error != 0) return error;
  if (*image->entry != 0) image->entry++;
  *image->entry = IND_DONE;
  return 0;
}

/* Every word is read before the page that holds it is freed, a page of words only after the next one is known. */
static void free_pages(struct kimage *image) {
  struct cursor cursor = {&image->head};
  u32 words_page = 0;
  for (u32 *at; (at = next_word(&cursor)) != NULL;) {
    u32 word = *at;
    if (word & IND_INDIRECTION) {
      frame_free(words_page);
      words_page = PAGE_DOWN(word);
    } else if (word & IND_SOURCE) {
      frame_free(PAGE_DOWN(word));
    }
  }
  frame_free(words_page);
}

void kimage_free(struct kimage *image) {
  free_pages(image);
  free_list(&image->destination_pages);
  free_list(&image->unusable_pages);
  frame_free(image->swap_page);
  frame_free(image->control_page);
  memset(image, 0, sizeof *image);
}

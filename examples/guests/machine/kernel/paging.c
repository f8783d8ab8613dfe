// SPDX-License-Identifier: MIT
// Page tables, two levels, or three with -DPAE; 4 KiB pages only. The upper gigabyte is the kernel's, the same tables in
// every space, and closed to tasks; below it each space has tables of its own. With PAE, on a processor that has NX, nothing
// but text can be executed.
#include "kernel.h"

#ifdef PAE
typedef u64 entry_t;
#define ENTRIES 512u
#define DIRECTORY_SHIFT 21
#else
typedef u32 entry_t;
#define ENTRIES 1024u
#define DIRECTORY_SHIFT 22
#endif

#define FRAME_OF(entry) ((u32)(entry) & ~(PAGE_SIZE - 1))
#define TABLE_FLAGS (PAGE_PRESENT | PAGE_WRITABLE | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY)

#define CPUID_EXTENDED_FEATURES 0x80000001u
#define CPUID_NX (1u << 20)
#define MSR_EFER 0xc0000080u
#define EFER_NXE 0x800u

extern char kernel_text[], kernel_text_end[];
static u32 kernel_space;
/* Bit 63 of an entry, once the processor knows it; else it is reserved there, or there is none. */
static entry_t page_nx;

static void enable_nx(void) {
#ifdef PAE
  if (cpuid_last_extended_leaf() < CPUID_EXTENDED_FEATURES || !(cpuid_edx(CPUID_EXTENDED_FEATURES) & CPUID_NX)) return;
  wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
  page_nx = 1ull << 63;
#endif
}

static entry_t entry_for(u32 frame, u32 flags) {
  return frame | flags | PAGE_PRESENT | (flags & PAGE_EXECUTABLE ? 0 : page_nx);
}

/* The directory that covers `va`; with PAE one of four, else the space itself. 0 if there is none and no memory. */
static entry_t *directory_of(u32 space, u32 va, bool create) {
#ifdef PAE
  entry_t *pointer = (entry_t *)va_of(space) + (va >> 30);
  if (*pointer == 0 && create) {
    u32 directory = frame_alloc_zeroed();
    if (directory != 0) *pointer = directory | PAGE_PRESENT; /* the other low bits are reserved at this level */
  }
  return *pointer == 0 ? NULL : va_of(FRAME_OF(*pointer));
#else
  (void)va, (void)create;
  return va_of(space);
#endif
}

static entry_t *entry_of(u32 space, u32 va, bool create) {
  entry_t *directory = directory_of(space, va, create);
  if (directory == NULL) return NULL;
  entry_t *slot = directory + (va >> DIRECTORY_SHIFT) % ENTRIES;
  if (*slot == 0) {
    u32 table = create ? frame_alloc_zeroed() : 0;
    if (table == 0) return NULL;
    *slot = table | TABLE_FLAGS;
  }
  return (entry_t *)va_of(FRAME_OF(*slot)) + va / PAGE_SIZE % ENTRIES;
}

bool space_map(u32 space, u32 va, u32 frame, u32 flags) {
  entry_t *entry = entry_of(space, va, true);
  if (entry == NULL) return false;
  *entry = entry_for(frame, flags);
  return true;
}

u32 space_user_frame(u32 space, u32 va, bool write) {
  if (va >= PAGE_OFFSET) return 0;
  const entry_t *entry = entry_of(space, va, false);
  u32 wanted = PAGE_PRESENT | PAGE_USER | (write ? PAGE_WRITABLE : 0);
  return entry == NULL || ((u32)*entry & wanted) != wanted ? 0 : FRAME_OF(*entry);
}

u32 space_create_empty(void) { return frame_alloc_zeroed(); }

u32 space_create(void) {
  u32 space = space_create_empty();
  if (space == 0) return 0;
#ifdef PAE
  ((entry_t *)va_of(space))[3] = ((entry_t *)va_of(kernel_space))[3];
#else
  u32 first = PAGE_OFFSET >> DIRECTORY_SHIFT;
  memcpy((entry_t *)va_of(space) + first, (entry_t *)va_of(kernel_space) + first, (ENTRIES - first) * sizeof(entry_t));
#endif
  return space;
}

static void free_tables(u32 directory, u32 count) {
  const entry_t *entries = va_of(directory);
  for (u32 i = 0; i < count; i++) {
    if (entries[i] != 0) frame_free(FRAME_OF(entries[i]));
  }
}

/* Frees the tables of a space that space_create_empty made, not the pages they map. */
void space_free(u32 space) {
  if (space == 0) return;
#ifdef PAE
  const entry_t *pointers = va_of(space);
  for (u32 i = 0; i < 4; i++) {
    if (pointers[i] == 0) continue;
    free_tables(FRAME_OF(pointers[i]), ENTRIES);
    frame_free(FRAME_OF(pointers[i]));
  }
#else
  free_tables(space, ENTRIES);
#endif
  frame_free(space);
}

static void map_kernel_page(u32 frame, u32 flags) {
  if (!space_map(kernel_space, frame + PAGE_OFFSET, frame, flags)) panic("no memory for page tables");
}

void kernel_page_set_executable(u32 frame, bool executable) {
  map_kernel_page(frame, PAGE_WRITABLE | (executable ? PAGE_EXECUTABLE : 0));
  write_cr3(read_cr3()); /* what the TLB has of the entry may be the old one */
}

/* All of memory at PAGE_OFFSET; text cannot be written, not even by us (CR0.WP). Leaves the boot tables for good. */
void paging_init(void) {
  enable_nx();
  kernel_space = space_create_empty();
  for (u32 pa = 0; pa < boot.ram_end; pa += PAGE_SIZE) {
    bool is_text = pa >= pa_of(kernel_text) && pa < pa_of(kernel_text_end);
    map_kernel_page(pa, is_text ? PAGE_EXECUTABLE : PAGE_WRITABLE);
  }
  write_cr3(kernel_space);
}

// SPDX-License-Identifier: MIT
//
// kexec as a running kernel written in TypeScript calls it: load, unload, jump. Its images lie in its own memory, with pages
// from its own allocator, as on real hardware; nothing of them is hidden from whoever saves that memory.
import { Errno } from '../../../shared/errno.ts';
import type { GuestKexec, GuestSegment } from '../../../shared/guest.ts';
import { Request } from '../../../shared/jump-lines.ts';
import type { KernelSlot } from '../../../shared/kernel-slot.ts';
import type { BitmapPages } from '../../../shared/kexec/bitmap-pages.ts';
import { isDamagedList } from '../../../shared/kexec/entry-list.ts';
import { kexecEnvironment, loadJumpImage } from '../../../shared/kexec/jump-image.ts';
import { KEXEC_ARCH_386, KEXEC_PRESERVE_CONTEXT, type KexecRequest } from '../../../shared/kexec/segments.ts';
import { entryPage, readEntryPage } from '../../../shared/kexec/typescript-image.ts';
import { EntryKind } from '../../../shared/layout/entry-page.ts';
import type { Board } from '../../board.ts';
import { dropTarget } from '../../target.ts';

const NO_KERNEL = -2;

export class SlotKexec implements GuestKexec {
  private readonly board: Board;
  private readonly slot: KernelSlot;
  private readonly pages: BitmapPages;

  constructor(board: Board, slot: KernelSlot, pages: BitmapPages) {
    this.board = board;
    this.slot = slot;
    this.pages = pages;
  }

  load(image: { entry: number; segments: readonly GuestSegment[]; preserve?: boolean }): number {
    const segments = image.segments.map(({ physAddr, bytes, length }) => ({
      buf: bytes,
      bufsz: bytes.length,
      mem: physAddr >>> 0,
      memsz: length ?? Math.ceil(bytes.length / 4096) * 4096,
    }));
    const flags = KEXEC_ARCH_386 | ((image.preserve ?? true) ? KEXEC_PRESERVE_CONTEXT : 0);
    return this.kexecLoad({ entry: image.entry >>> 0, nrSegments: segments.length, segments, flags });
  }

  loadKernel(
    specifier: string,
    { start, end }: { start: number; end: number },
    options: { preserve?: boolean } = {},
  ): number {
    const own = readEntryPage(this.board.memory, this.slot.address('entry'));
    const url = new URL(specifier, own?.specifier).href;
    const bytes = entryPage({ kind: EntryKind.kernel, specifier: url });
    const segments = [{ physAddr: start, bytes, length: end - start }];
    return this.load({ entry: start, segments, ...options });
  }

  unload(): number {
    return this.kexecLoad({ entry: 0, nrSegments: 0, segments: [], flags: KEXEC_ARCH_386 });
  }

  private kexecLoad(request: KexecRequest): number {
    const target = this.slot.kexecImage.loaded ? this.slot.kexecImage.target : -1;
    const errno = this.loadImage(request);
    // Its pages were the other kernel's memory: with the image it is gone (case 57).
    if (errno === Errno.OK && target >= 0) dropTarget(this.board, target);
    return errno;
  }

  private loadImage(request: KexecRequest): number {
    const { memory, hidden } = this.board;
    const pages = this.pages.asAllocator((page) => hidden.release([page]));
    try {
      return loadJumpImage(kexecEnvironment(memory, this.slot, pages), request);
    } catch (error) {
      // The list of the image to be replaced was damaged by the kernel itself.
      if (isDamagedList(error)) return Errno.EINVAL;
      throw error;
    }
  }

  get loaded(): boolean {
    return this.slot.kexecImage.loaded;
  }

  jump(name?: string): void {
    const named = name === undefined ? -1 : this.board.slotNamed(name);
    this.slot.set('requestTarget', named ?? NO_KERNEL);
    this.slot.set('request', Request.jump);
  }

  get result(): number {
    return this.slot.get('result');
  }

  get backEntry(): number {
    return this.slot.address('backEntry');
  }
}

// SPDX-License-Identifier: MIT
// The power-on self-test port 0x80, written by kernel-worker/devices/post.ts.
import { field, recordLayout } from './fields.ts';

export const POST = {
  COUNT: 0,
  CODE: 4,
} as const;

export const POST_STATE_BYTES = 64;

export const POST_STATE = recordLayout('post', POST_STATE_BYTES, [
  field('count', POST.COUNT, 'u32', 'writes since power-on'),
  field('code', POST.CODE, 'u8', 'the byte written last'),
]);

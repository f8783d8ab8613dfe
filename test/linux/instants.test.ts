// SPDX-License-Identifier: MIT
//
// A short, seeded part of test/campaigns/linux-snapshots.ts.
import { describe, expect, test } from 'vitest';
import { linuxSnapshots } from '../campaigns/linux-snapshots.ts';
import { HOW_TO_GET_IT, hasReference } from './reference.ts';

/** Two boots, and three processes that go on for ten million instructions. */
const INSTANTS_MS = 300_000;

describe.skipIf(!hasReference)(
  `Linux, captured at random instants while it boots and works with its disk,${HOW_TO_GET_IT}`,
  () => {
    test(
      'goes on in a new process from each as the run that nobody interrupted, and the one that was captured does too',
      async () => {
        expect(await linuxSnapshots(3, 20081)).toMatchObject({
          ok: true,
          snapshots: 3,
          differing: [],
          invisible: true,
        });
      },
      INSTANTS_MS,
    );
  },
);

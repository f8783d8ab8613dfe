// SPDX-License-Identifier: MIT
//
// A short, seeded part of test/campaigns/linux-snapshots.ts.
import { describe, expect, test } from 'vitest';
import { hasLinuxGuest, WHEN_SKIPPED } from '../../examples/linux-guest.ts';
import { linuxSnapshots } from '../campaigns/linux-snapshots.ts';

/** Two boots, and three processes that go on for ten million instructions. */
const INSTANTS_MS = 300_000;

describe.skipIf(!hasLinuxGuest)(
  `Linux, captured at random instants while it boots and works with its disk${WHEN_SKIPPED}`,
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

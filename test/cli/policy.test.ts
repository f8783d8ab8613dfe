// SPDX-License-Identifier: MIT
//
// A policy as it is typed.
import { describe, expect, test } from 'vitest';
import { policyText, resumePolicy } from '../../orchestrator/cli/policy.ts';

describe('a policy', () => {
  test('is words or numbers, any of the three, in any order', () => {
    expect(resumePolicy('clock=advance,entropy=fresh,identity=new')).toEqual({
      clock: 'advance',
      entropy: 'fresh',
      identity: 'new',
    });
    expect(resumePolicy('identity=0x10,clock=60')).toEqual({ identity: 16, clock: 60 });
  });

  test.each([
    '',
    'clock',
    'clock=',
    'clock=never',
    'clock=-1',
    'clock=advance=1',
    'time=advance',
    'toString=1',
    'clock=1,',
  ])('is not "%s"', (text) => {
    expect(() => resumePolicy(text)).toThrow(/A policy is written like|not a whole number/);
  });

  test('is shown as it can be typed again, with nothing that was not told', () => {
    expect(policyText({ clock: 0, entropy: 'same', identity: 'same' })).toBe('');
    const applied = { clock: 60, entropy: 0, identity: 7 };
    expect(policyText(applied)).toBe('clock=60,entropy=0,identity=7');
    expect(resumePolicy(policyText(applied))).toEqual(applied);
  });
});

// SPDX-License-Identifier: MIT
//
// What the kernels of a resumed machine are told of it, on the command line: clock=advance,entropy=fresh,identity=new. What was
// carried out is shown in the same words, and can be typed again.
import { InvalidArgumentError } from 'commander';
import type { AppliedPolicy, ResumePolicy } from '../resume-policy.ts';
import { wholeNumber } from './machine-options.ts';

const WORDS = {
  clock: ['frozen', 'advance'],
  entropy: ['same', 'fresh'],
  identity: ['same', 'new'],
} as const satisfies Record<keyof ResumePolicy, readonly string[]>;

export function resumePolicy(text: string): ResumePolicy {
  const parts = text.split(',').map((part) => {
    const [name, how = '', ...rest] = part.split('=');
    const words: readonly string[] | undefined = Object.hasOwn(WORDS, name)
      ? WORDS[name as keyof ResumePolicy]
      : undefined;
    if (words === undefined || rest.length > 0) {
      throw new InvalidArgumentError('A policy is written like clock=advance,entropy=fresh,identity=new.');
    }
    return [name, words.includes(how) ? how : wholeNumber(how)];
  });
  return Object.fromEntries(parts);
}

/** Empty if nothing was told. */
export function policyText(applied: AppliedPolicy): string {
  return Object.entries(applied)
    .filter(([name, how]) => how !== (name === 'clock' ? 0 : 'same'))
    .map(([name, how]) => `${name}=${how}`)
    .join(',');
}

// SPDX-License-Identifier: MIT
//
// Never comes back from its start, so that nothing but the end of its thread can stop it.
export function start(): void {
  for (;;);
}

export function step(): void {}

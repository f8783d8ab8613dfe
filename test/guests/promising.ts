// SPDX-License-Identifier: MIT
//
// A kernel whose step is not done when it returns: it is refused.
export async function step(): Promise<void> {
  await Promise.resolve();
}

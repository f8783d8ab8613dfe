// SPDX-License-Identifier: MIT
//
// Console text in whole lines. A kernel in TypeScript writes texts; machine code sends one character after the other to its serial
// port, and each is an event.
import type { ConsoleEvent } from './events.ts';

/**
 * A listener for `console` events that calls `listener` once for each line, without its end. What is written behind a kernel's last
 * line end waits for the next.
 */
export function wholeLines(listener: (line: ConsoleEvent) => void): (event: ConsoleEvent) => void {
  const begun = new Map<string, string>();
  return ({ kernel, text, tick }) => {
    const lines = ((begun.get(kernel) ?? '') + text).split(/\r*\n/);
    begun.set(kernel, lines.pop()!);
    for (const line of lines) listener({ kernel, text: line, tick });
  };
}

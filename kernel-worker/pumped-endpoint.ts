// SPDX-License-Identifier: MIT
//
// A Comlink endpoint for a thread that blocks: messages are taken from the port by `pump`, synchronously, when the kernel's
// bell has rung, and handed to Comlink's listeners. The port itself has no listener, or loop and port would compete.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import type { Endpoint } from 'comlink';

type Listener = EventListenerOrEventListenerObject;

export class PumpedEndpoint implements Endpoint {
  private readonly port: MessagePort;
  private readonly listeners = new Set<Listener>();

  constructor(port: MessagePort) {
    this.port = port;
  }

  /** Serves every message that waits; how many there were. */
  pump(): number {
    let served = 0;
    for (let received = receiveMessageOnPort(this.port); received; received = receiveMessageOnPort(this.port)) {
      served++;
      const event = { data: received.message } as MessageEvent;
      for (const listener of this.listeners) {
        if (typeof listener === 'function') listener(event);
        else listener.handleEvent(event);
      }
    }
    return served;
  }

  postMessage(message: unknown, transfer?: Transferable[]): void {
    this.port.postMessage(message, transfer as never);
  }

  addEventListener(_type: string, listener: Listener): void {
    this.listeners.add(listener);
  }

  removeEventListener(_type: string, listener: Listener): void {
    this.listeners.delete(listener);
  }
}

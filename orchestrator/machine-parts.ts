// SPDX-License-Identifier: MIT
//
// The host's views over a machine's bytes, with its captures and options: what every part of the orchestrator that touches the
// machine is given. To be written through only while the host owns the CPU.
import { Captures } from '../shared/captures.ts';
import { HOST_KEY } from '../shared/frames.ts';
import type { MachineMemory } from '../shared/machine-memory.ts';
import { MachineViews } from '../shared/machine-views.ts';
import type { ResolvedOptions } from './options.ts';

export class MachineParts extends MachineViews {
  readonly options: ResolvedOptions;
  readonly captures: Captures;

  constructor(machine: MachineMemory, options: ResolvedOptions) {
    super(machine, HOST_KEY);
    this.options = options;
    this.captures = new Captures(machine, this.memory);
  }
}

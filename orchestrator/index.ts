// SPDX-License-Identifier: MIT
//
// The public API, name by name.

export { ErrorCode, KjumpError } from '../shared/errors.ts';
export type { Guest, GuestKernel, GuestRoutine } from '../shared/guest.ts';
export { JUMP_LINES, type JumpLine, type Phase, PM_TESTS, type PmTest } from '../shared/jump-lines.ts';
export { DEVICE_NAMES, PM_PHASES, type PmPhase } from '../shared/pm-phases.ts';
export type { PhysicalCall, PhysicalCallResult } from './calling.ts';
export type { ExpectOptions, KernelConsole } from './console.ts';
export { wholeLines } from './console-lines.ts';
export { createMachine, type ResumeOptions, resumeMachine } from './create.ts';
export { formatDeathReport } from './death/format.ts';
export type { DeathReport, ExceptionReport } from './death-report.ts';
export { type FieldChange, formatDiff, type PageChange, type SnapshotDiff } from './diff.ts';
export type {
  ConsoleEvent,
  MachineEvents,
  PhaseEvent,
  RefusedEvent,
  RunReport,
  StopReport,
  SwitchReport,
} from './events.ts';
export type { Inspection, KernelInspection } from './inspect.ts';
export type { FaultPlan, JumpOptions } from './jumping.ts';
export { type ImageOptions, Kernel, type PlaceOptions } from './kernel.ts';
export { Machine, type RunOptions } from './machine.ts';
export type { MachineOptions } from './options.ts';
export type { AppliedPolicy, ClonePolicy, ResumePolicy } from './resume-policy.ts';
export { defineScenario, type Scenario, type ScenarioContext } from './scenario.ts';
export { Snapshot } from './snapshot.ts';

#!/usr/bin/env node
// SPDX-License-Identifier: MIT
//
// The command `kjump`. Everything is in cli/: main.ts carries out one command line and gives its exit code.
import { leave, main } from './cli/main.ts';

void main(process.argv.slice(2)).then(leave);

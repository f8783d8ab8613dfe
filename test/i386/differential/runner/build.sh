#!/bin/sh
# SPDX-License-Identifier: MIT
# Assembles runner.S to runner.bin; with --check, compares the result with the committed file instead.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
gcc -m32 -c -o "$out/runner.o" runner.S
ld -m elf_i386 -Ttext=0x00E50000 --oformat binary -e image -o "$out/runner.bin" "$out/runner.o"
if [ "${1:-}" = --check ]; then
	cmp "$out/runner.bin" runner.bin
else
	cp "$out/runner.bin" runner.bin
fi

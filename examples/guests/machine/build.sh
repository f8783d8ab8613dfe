#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds every machine-code guest with gcc and binutils (-m32). The results are committed, so only those who change a
# guest need this. `build.sh --check` builds into a temporary directory and compares byte by byte with what is committed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check=false
[[ ${1:-} == --check ]] && check=true
export LC_ALL=C
cd "$here"

# No host library, no position independence, nothing that a processor of 1999 lacks, no paths, no dates.
cc=(gcc -m32 -ffreestanding -nostdlib -fno-pic -no-pie -fno-stack-protector -march=i686 -mno-sse -mno-mmx -mno-80387
  -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing -O2 -std=gnu11 -Wall -Wextra -Werror -static
  "-ffile-prefix-map=$here=." "-ffile-prefix-map=$work=." "-Wa,-I,$work" -Wl,--build-id=none -Wl,-n -Wl,-z,noexecstack
  -Wl,--no-warn-rwx-segments)

# install FILE DESTINATION: into its place, or compared with what is there.
install_file() {
  if ! $check; then
    install -m 644 "$1" "$2"
  elif ! cmp -s "$1" "$2"; then
    echo "differs: ${2#"$project"/}" >&2
    exit 1
  fi
}

# flat NAME ADDRESS SOURCE [OPTIONS]: assembles to a flat binary that runs at ADDRESS.
flat() {
  local name=$1 address=$2 source=$3
  shift 3
  "${cc[@]}" "$@" "-Wl,-Ttext=$address" -Wl,-e,0 "$source" -o "$work/$name.elf"
  objcopy -O binary "$work/$name.elf" "$work/$name.bin"
}

offset_of() {
  printf '0x%x' "0x$(nm "$work/$1.elf" | awk -v name="$2" '$3 == name { print $1 }')"
}

hex_lines() {
  od -An -v -tx1 -w48 "$1" | tr -d ' ' | sed "s/.*/    '&',/"
}

relocate_kernel() {
  flat relocate-kernel.strict 0 relocate-kernel/relocate-kernel.S
  flat relocate-kernel.repaired 0 relocate-kernel/relocate-kernel.S -DREPAIRED
  local kind
  for kind in strict repaired; do
    [[ $(stat -c %s "$work/relocate-kernel.$kind.bin") -le 2048 ]]
    [[ $(offset_of "relocate-kernel.$kind" reentry) == 0xd7 ]]
    install_file "$work/relocate-kernel.$kind.bin" "relocate-kernel/relocate-kernel.$kind.bin"
  done
  {
    cat relocate-kernel/code-head.txt
    for kind in strict repaired; do
      echo
      echo "const ${kind^^} = code("
      echo "  ["
      hex_lines "$work/relocate-kernel.$kind.bin"
      echo "  ],"
      echo "  {"
      echo "    identityMapped: $(offset_of "relocate-kernel.$kind" identity_mapped),"
      echo "    reentry: $(offset_of "relocate-kernel.$kind" reentry),"
      echo "    virtualMapped: $(offset_of "relocate-kernel.$kind" virtual_mapped),"
      echo "    swapPages: $(offset_of "relocate-kernel.$kind" swap_pages),"
      echo "  },"
      echo ");"
    done
    cat relocate-kernel/code-tail.txt
  } >"$work/relocate-kernel-code.ts"
  install_file "$work/relocate-kernel-code.ts" "$project/shared/kexec/relocate-kernel-code.ts"
}

# kernel FILE NAME PHYSICAL_ADDRESS IRQ_BASE [OPTIONS]
kernel() {
  local file=$1 name=$2 address=$3 irq_base=$4
  shift 4
  "${cc[@]}" "$@" "-DKERNEL_NAME=\"$name\"" "-DKERNEL_PHYS=$address" "-DIRQ_BASE=$irq_base" \
    "-Wl,--defsym,KERNEL_PHYS=$address" -Wl,-T,kernel/kernel.ld kernel/*.S kernel/*.c -o "$work/$file"
  strip --strip-all "$work/$file"
  install_file "$work/$file" "kernel/$file"
}

kernels() {
  flat purgatory 0 kernel/user/purgatory.S
  "${cc[@]}" -Wl,-T,kernel/user/user.ld -Wl,-e,0 kernel/user/crt.S kernel/user/{lib,check,worker,driver,shell,peer,elf,payload}.c \
    kernel/text.c kernel/string.c -o "$work/user.elf"
  objcopy -O binary "$work/user.elf" "$work/user.bin"
  kernel kernel-a.elf A 0x100000 0x20
  kernel kernel-b.elf B 0x100000 0x50
  kernel kernel-c.elf C 0x800000 0x70
  kernel kernel-a-pae.elf A 0x100000 0x20 -DPAE
  kernel kernel-b-pae.elf B 0x100000 0x50 -DPAE
}

# payload NAME ADDRESS: as ELF, for loaders, and flat.
payload() {
  flat "$1" "$2" "$1/$1.S"
  "${cc[@]}" "-Wl,-Ttext=$2" "$1/$1.S" -o "$work/$1.elf"
  strip --strip-all "$work/$1.elf"
  install_file "$work/$1.elf" "$1/$1.elf"
  install_file "$work/$1.bin" "$1/$1.bin"
}

bios() {
  flat bios 0 bios/bios.S
  [[ $(stat -c %s "$work/bios.bin") == 65536 ]]
  install_file "$work/bios.bin" bios/bios.bin
  flat boot-sector 0x7c00 bios/boot-sector.S
  install_file "$work/boot-sector.bin" bios/boot-sector.bin
}

relocate_kernel
kernels
payload recorder 0x800000
payload bios-call 0x8000
bios
if $check; then echo 'all machine-code guests are as committed'; fi

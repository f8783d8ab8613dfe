#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Builds the Linux guest, a kernel and its RAM disks for i386, from Debian's packages: `build.sh --help`. The same packages and
# compiler give the same bytes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C TZ=UTC

usage() {
  cat <<'END'
Usage: guests/linux/build.sh [options]

Builds the Linux guest from Debian's packages: the kernel from linux-source-6.1 with kernel.config and kexec-jump-return.patch,
the RAM disks from busybox-static and kexec-tools. Takes five minutes of processor time and 2 GB in TMPDIR. Needs no root.

  --output DIR     where bzImage, System.map, config, rootfs.cpio.gz, rootfs-with-kernel.cpio.gz and README.md go
                   (default: guests/linux/build)
  --stock          without the patch: as Debian's source is, which cannot come back from a jump by itself
  --config FILE    kernel options to add to those of kernel.config, or to take their place, a line each: CONFIG_NAME=y or
                   # CONFIG_NAME is not set
  --packages DIR   takes the packages from there, and puts those there that it has to download
  --jobs N         compiles N files at once (default: as many as there are processors)
  --help           this text

The packages are those that `apt-get download` gives: of Debian 12, with i386 as a second architecture. On another system put them
into DIR. CROSS_COMPILE chooses the compiler, as it does for a kernel; a gcc for amd64 will do.
END
}

fail() {
  printf 'build.sh: %s\n' "$1" >&2
  shift
  if (($# > 0)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

output=$here/build
packages=
more_config=
patched=true
jobs=$(nproc)
while (($# > 0)); do
  case $1 in
    --help | -h)
      usage
      exit
      ;;
    --stock)
      patched=false
      shift
      ;;
    --output | --config | --packages | --jobs)
      (($# > 1)) || fail "$1 needs a value"
      case $1 in
        --output) output=$2 ;;
        --config) more_config=$2 ;;
        --packages) packages=$2 ;;
        --jobs) jobs=$2 ;;
      esac
      shift 2
      ;;
    *) fail "there is no option $1" "build.sh --help shows those that there are" ;;
  esac
done
[[ $jobs =~ ^[1-9][0-9]*$ ]] || fail "--jobs $jobs is not a number of jobs"
[[ -z $more_config || -r $more_config ]] || fail "there is no file $more_config"

# Its name on the command line, and the package of Debian that has it.
missing=()
while read -r tool package; do
  command -v "$tool" >/dev/null || missing+=("$package")
done <<END
${CROSS_COMPILE:-}gcc gcc
${CROSS_COMPILE:-}ld binutils
dpkg-deb dpkg
make make
patch patch
flex flex
bison bison
bc bc
xz xz-utils
END
((${#missing[@]} == 0)) || fail "programs are missing" "as root: apt-get install ${missing[*]}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packages=${packages:-$work/packages}
mkdir -p "$packages" "$output"
packages=$(cd "$packages" && pwd)
output=$(cd "$output" && pwd)

# package NAME ARCHITECTURE: the path of its file.
package() {
  local found=("$packages/$1"_*_"$2".deb)
  [[ -e ${found[0]} ]] || return 1
  ((${#found[@]} == 1)) || fail "there are several versions of $1 in $packages" "${found[@]##*/}"
  printf '%s\n' "${found[0]}"
}

# fetch NAME ARCHITECTURE: downloads the package if it is not there, and unpacks it to $work/unpacked.
fetch() {
  local name=$1 architecture=$2 request=$1
  [[ $architecture == all ]] || request=$name:$architecture
  if ! package "$name" "$architecture" >/dev/null; then
    command -v apt-get >/dev/null || fail "the package $name for $architecture is not in $packages"
    # As root, apt would rather download as a user of its own, who may not write here.
    (cd "$packages" && apt-get -q -o APT::Sandbox::User=root download "$request") ||
      fail "$request cannot be downloaded" \
        "as root: dpkg --add-architecture i386 && apt-get update" \
        "or put the packages of Debian 12 into a folder, and name it with --packages"
  fi
  dpkg-deb -x "$(package "$name" "$architecture")" "$work/unpacked"
}

fetch linux-source-6.1 all
fetch busybox-static i386
fetch kexec-tools i386
fetch libc6 i386

# ---- the kernel ---------------------------------------------------------------------------------------------------------------

source=$work/unpacked/usr/src/linux-source-6.1.tar.xz
# One date for everything: the source's.
SOURCE_DATE_EPOCH=$(stat -c %Y "$source")
KBUILD_BUILD_TIMESTAMP=$(date -d "@$SOURCE_DATE_EPOCH")
export SOURCE_DATE_EPOCH KBUILD_BUILD_TIMESTAMP KBUILD_BUILD_USER=kjump KBUILD_BUILD_HOST=guest KBUILD_BUILD_VERSION=1

linux=$work/linux
mkdir "$linux"
tar -xf "$source" -C "$linux" --strip-components=1
if $patched; then patch --directory="$linux" --strip=1 --quiet <"$here/kexec-jump-return.patch"; fi

build() {
  make --silent --directory="$linux" ARCH=i386 --jobs="$jobs" "$@"
}
cp "$here/kernel.config" "$work/options"
if [[ -n $more_config ]]; then
  while read -r name; do
    sed -i "/^$name=/d" "$work/options"
  done < <(grep -oE '^(# )?CONFIG_\w+' "$more_config" | sed 's/^# //')
  cat "$more_config" >>"$work/options"
fi
build KCONFIG_ALLCONFIG="$work/options" allnoconfig
# An option whose conditions do not hold is left out without a word.
absent=()
while read -r option; do
  grep -qxF "$option" "$linux/.config" || absent+=("$option")
done < <(grep '^CONFIG_' "$work/options")
((${#absent[@]} == 0)) || fail "these options are not in effect" "${absent[@]}"
build bzImage

install -m 644 "$linux/arch/x86/boot/bzImage" "$linux/System.map" "$output"
install -m 644 "$linux/.config" "$output/config"

# ---- the RAM disks ------------------------------------------------------------------------------------------------------------

readonly PROGRAMS=('[' awk basename cat chmod cmp cp cut date dd df dirname dmesg echo env expr false find free grep gzip head hexdump
  kill ln ls md5sum mkdir mknod mount mv od poweroff printf ps pwd reboot rm rmdir sed seq sh sha256sum sleep sort stty sync tail tee
  test time touch tr true umount uname uniq vi wc which xargs zcat)

files=$work/files
mkdir "$files"
install "$here/init" "$work/unpacked/bin/busybox" "$work/unpacked/sbin/kexec" "$files"
for library in libc.so.6 ld-linux.so.2; do
  install "$(find "$work/unpacked" -path "*/i386-linux-gnu/$library" -print -quit)" "$files"
done

# contents: of the RAM disk, as usr/gen_init_cpio of the kernel reads them. Devices are made there and not here: no root is needed.
contents() {
  local name
  for name in bin boot dev lib proc root sbin sys tmp; do echo "dir /$name 0755 0 0"; done
  echo "nod /dev/console 0600 0 0 c 5 1"
  echo "nod /dev/ttyS0 0600 0 0 c 4 64"
  echo "file /init $files/init 0755 0 0"
  echo "file /bin/busybox $files/busybox 0755 0 0"
  for name in "${PROGRAMS[@]}"; do echo "slink /bin/$name busybox 0777 0 0"; done
  echo "file /sbin/kexec $files/kexec 0755 0 0"
  for name in libc.so.6 ld-linux.so.2; do echo "file /lib/$name $files/$name 0755 0 0"; done
}

# ram_disk FILE: of the contents on stdin.
ram_disk() {
  touch --date="@$SOURCE_DATE_EPOCH" "$files"/*
  "$linux/usr/gen_init_cpio" -t "$SOURCE_DATE_EPOCH" - | gzip -9n >"$1"
}

contents | ram_disk "$output/rootfs.cpio.gz"
install "$output/bzImage" "$files"
install "$output/rootfs.cpio.gz" "$files/rootfs.gz"
{
  contents
  echo "file /boot/bzImage $files/bzImage 0644 0 0"
  echo "file /boot/rootfs.gz $files/rootfs.gz 0644 0 0"
} | ram_disk "$output/rootfs-with-kernel.cpio.gz"

# ---- what they are ------------------------------------------------------------------------------------------------------------

version() {
  dpkg-deb -f "$(package "$1" "$2")" Version
}

release=$(build -s kernelrelease)
{
  echo "# Linux guest for kjump"
  echo
  if $patched; then
    echo "Linux $release for i386, with kexec-jump-return.patch: it comes back from a jump by itself."
  else
    echo "Linux $release for i386, unpatched: it does not come back from a jump by itself (\`repaired\` mode brings it back)."
  fi
  if [[ -n $more_config ]]; then
    echo "Built with more options than usual:"
    grep '^CONFIG_' "$more_config" | sed 's/^/- /'
  fi
  echo "The licenses are those of the packages that it was built from, in Debian 12:"
  echo
  echo "- linux-source-6.1 $(version linux-source-6.1 all)"
  for name in busybox-static kexec-tools libc6; do echo "- $name $(version $name i386) (i386)"; done
  echo
  echo "SHA-256:"
  echo
  (cd "$output" && sha256sum bzImage System.map config rootfs.cpio.gz rootfs-with-kernel.cpio.gz) | sed 's/^/    /'
} >"$output/README.md"
rm -f "$output/kexec-jump-return.patch"
if $patched; then install -m 644 "$here/kexec-jump-return.patch" "$output"; fi
install "$here/init" "$output"

echo "Linux $release is in $output: KJUMP_LINUX_GUEST=$output names it for tests and examples."

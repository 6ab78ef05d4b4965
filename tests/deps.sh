#!/bin/sh
# Installs the Debian packages that building and testing need and that are
# missing; says nothing when all are there. Debian 12 and 13 and what is made of
# them (the names are the same in both; a package with another name in one of
# them is written as a|b).
# deps.sh arm: what make check-arm needs besides.
set -u

build="gcc libc6-dev make pkg-config|pkgconf libzstd-dev libarchive-dev zlib1g-dev libopenblas0-pthread
    mpich libmpich-dev libpcre2-dev libutf8proc-dev libjansson-dev libxxhash-dev libhwloc-dev"
check="bash bzip2 mandoc xz-utils zstd xxhash jq procps shellcheck python3"
[ "${1-}" = arm ] && check="$check gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

have() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The first of a|b that is installed, or else that the package lists know.
missing() {
    for names in $build $check; do
        candidate=
        for name in $(echo "$names" | tr '|' ' '); do
            have "$name" && continue 2
        done
        for name in $(echo "$names" | tr '|' ' '); do
            [ -n "$candidate" ] && break
            apt-cache show "$name" >/dev/null 2>&1 && candidate=$name
        done
        echo "${candidate:-${names%%|*}}"
    done
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    # Elsewhere the tools build all the same once the libraries are there.
    lacking=
    for library in libzstd libarchive zlib libpcre2-8 libutf8proc jansson libxxhash hwloc mpich; do
        pkg-config --exists "$library" 2>/dev/null || lacking="$lacking $library"
    done
    [ -z "$lacking" ] && exit 0
    echo "deps: not a Debian system: cannot install what is missing:$lacking" >&2
    echo "deps: install the development files of these libraries (pkg-config names), OpenBLAS," >&2
    echo "deps: and for the tests $check; then 'make' builds the tools" >&2
    exit 1
fi

packages=$(missing | tr '\n' ' ')
packages=${packages% }
[ -z "$packages" ] && exit 0

if [ "$(id -u)" -eq 0 ]; then
    sudo=
elif command -v sudo >/dev/null; then
    sudo=sudo
else
    echo "deps: missing: $packages" >&2
    echo "deps: there is no sudo here; to install them, copy this line:" >&2
    echo "su -c 'apt-get update && apt-get install -y --no-install-recommends $packages'" >&2
    exit 1
fi

echo "deps: to build and test llm-tools, installing${sudo:+ with sudo}: $packages"
# A fresh system has no package lists yet, an old one has lists of packages that are gone.
if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
    $sudo apt-get update -q || exit 1
fi
install() {
    # shellcheck disable=SC2086 # words are packages
    $sudo env DEBIAN_FRONTEND=noninteractive \
        apt-get install -qy --no-install-recommends $packages </dev/null
}
install || { $sudo apt-get update -q && install; } && exit 0
echo "deps: could not install: $packages" >&2
exit 1

# shellcheck shell=bash
# What the tests below tests/arm share: programs for aarch64 under qemu-user. QEMU's a64fx has
# what the processor has, and no more: no instruction of a later Arm runs on it.

declare -A processors=(
    [512]=a64fx
    [128]='a64fx,sve256=off,sve512=off'
    [none]=cortex-a53
)
export QEMU_LD_PREFIX=$LLM_ARM_ROOT LLM_QUICK=1
# glibc's memset for A64FX takes whole lines at a time, which QEMU does byte by byte.
export GLIBC_TUNABLES=glibc.cpu.name=generic

# emulated BITS PROGRAM ARGUMENTS…: with vectors of so many bits, or none
emulated() {
    local cpu=${processors[$1]}
    shift
    QEMU_CPU=$cpu qemu-aarch64 "$@"
}

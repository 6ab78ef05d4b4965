#include "kernels/amx/amx.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * What cpuid says (Intel SDM volume 2, CPUID, leaves 7, 1DH and 1EH) and what Linux grants:
 * tile data is a feature of the extended state that a process has to ask for
 * (Documentation/arch/x86/xstate.rst).
 */

enum {
    AMX_BF16 = 1 << 22, /* leaf 7, EDX */
    AMX_TILE = 1 << 24,
    AVX512_BF16 = 1 << 5,        /* leaf 7.1, EAX */
    REQUEST_PERMISSION = 0x1023, /* ARCH_REQ_XCOMP_PERM */
    TILE_DATA = 18               /* XFEATURE_XTILEDATA */
};

static bool
cpu_has_amx(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_TILE) || !(d & AMX_BF16))
        return false;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX512_BF16);
}

/* Palette 1 as the kernels configure it: at least 8 tiles of 16 rows of 64 bytes. */
static bool
tiles_fit(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(0x1d, 0, &a, &b, &c, &d) || a < 1)
        return false;
    if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d))
        return false;
    return (a >> 16) >= 1024 && (b & 0xffff) >= 64 && (b >> 16) >= 8 && (c & 0xffff) >= 16;
}

static const char *
ask(void)
{
    if (!cpu_has_amx())
        return "this CPU has no AMX tiles for BF16";
    if (!tiles_fit())
        return "this CPU's AMX tiles are smaller than 16 rows of 64 bytes";
    if (syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) != 0)
        return "the operating system does not permit AMX tiles (Linux 5.16 or later does)";
    return NULL;
}

const char *
amx_refusal(void)
{
    static const char *answer;
    static bool asked;
    if (!asked) {
        answer = ask();
        asked = true;
    }
    return answer;
}

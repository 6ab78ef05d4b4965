#include "kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernels/blas.h"
#ifdef KERNELS_AMX
#include "kernels/amx/amx.h"
#endif
#ifdef KERNELS_AVX2
#include "kernels/avx2/avx2.h"
#endif
#ifdef KERNELS_AVX512
#include "kernels/avx512/avx512.h"
#endif
#include "kernels/ref/ref.h"
#ifdef KERNELS_SVE
#include <sys/auxv.h>
#include <sys/prctl.h>

#include "kernels/sve/sve.h"
#endif

static bool
runs_always(void)
{
    return true;
}

static void
fill_ref(struct kernels *k)
{
    ref_fp32(&k->ops[PRECISION_FP32]);
    ref_bf16(&k->ops[PRECISION_BF16]);
    ref_fp64(&k->ops[PRECISION_FP64]);
    k->peak = ref_peak;
}

/* Processors that have no table of their own: plain C, but products by OpenBLAS. */
static void
fill_blas(struct kernels *k)
{
    blas_fp32(&k->ops[PRECISION_FP32]);
    k->blas = true;
}

static const char *
blas_refusal(void)
{
    return blas_describe();
}

#ifdef KERNELS_AVX2
static bool
runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}

static void
fill_avx2(struct kernels *k)
{
    avx2_fp32(&k->ops[PRECISION_FP32]);
    avx2_bf16(&k->ops[PRECISION_BF16]);
    k->peak = avx2_peak;
}
#else
#define runs_avx2 NULL
#define fill_avx2 NULL
#endif

#ifdef KERNELS_AVX512
static bool
runs_avx512(void)
{
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

static void
fill_avx512(struct kernels *k)
{
    avx512_fp32(&k->ops[PRECISION_FP32]);
    avx512_bf16(&k->ops[PRECISION_BF16]);
    k->peak = avx512_peak;
}
#else
#define runs_avx512 NULL
#define fill_avx512 NULL
#endif

#ifdef KERNELS_AMX
static bool
runs_amx(void)
{
    return runs_avx512() && !amx_refusal();
}

static void
fill_amx(struct kernels *k)
{
    amx_bf16(&k->ops[PRECISION_BF16]);
    k->peak = amx_peak;
}
#else
#define runs_amx NULL
#define fill_amx NULL
#define amx_refusal NULL
#endif

#ifdef KERNELS_SVE
/*
 * The kernels want vectors of 512, 256 or 128 bits: longer ones and those between are set to
 * the next below, for this thread and those it starts.
 */
static bool
runs_sve(void)
{
    if (!(getauxval(AT_HWCAP) & HWCAP_SVE))
        return false;
    int bytes = prctl(PR_SVE_GET_VL);
    if (bytes < 0)
        return false;
    bytes &= PR_SVE_VL_LEN_MASK;
    int wanted = bytes >= 64 ? 64 : bytes >= 32 ? 32 : 16;
    if (bytes == wanted)
        return true;
    int got = prctl(PR_SVE_SET_VL, wanted);
    return got >= 0 && (got & PR_SVE_VL_LEN_MASK) == wanted;
}

static void
fill_sve(struct kernels *k)
{
    sve_fp32(&k->ops[PRECISION_FP32]);
    sve_bf16(&k->ops[PRECISION_BF16]);
    k->peak = sve_peak;
}
#else
#define runs_sve NULL
#define fill_sve NULL
#endif

/* From the least to the best; a table begins as the one it builds on and overrides entries. */
static const struct level {
    const char *name;
    int base;
    bool (*runs)(void);
    void (*fill)(struct kernels *k); /* NULL: this build has no such kernels */
    const char *(*refusal)(void);    /* why it does not run, where the CPU is not all; or NULL */
} levels[] = {
    {"ref", -1, runs_always, fill_ref, NULL},
    {"blas", 0, blas_load, fill_blas, blas_refusal},
    {"avx2", 0, runs_avx2, fill_avx2, NULL},
    {"avx512", 2, runs_avx512, fill_avx512, NULL},
    {"amx", 3, runs_amx, fill_amx, amx_refusal},
    {"sve", 0, runs_sve, fill_sve, NULL},
};
enum { LEVELS = sizeof levels / sizeof *levels };

static struct kernels tables[LEVELS];

static const struct kernels *
table(int level)
{
    struct kernels *k = &tables[level];
    if (!k->name) {
        if (levels[level].base >= 0)
            *k = *table(levels[level].base);
        levels[level].fill(k);
        k->name = levels[level].name;
    }
    return k;
}

static bool
usable(int level)
{
    return levels[level].fill && levels[level].runs();
}

int
kernels_level(const char *name)
{
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i].name, name))
            return i;
    return -1;
}

const char *
kernels_level_name(int level)
{
    return level >= 0 && level < LEVELS ? levels[level].name : NULL;
}

/* The level `name` if it can be used, or -1 with an error that begins with `what`. */
static int
named_level(const char *what, const char *name)
{
    int level = kernels_level(name);
    if (level < 0)
        return err_set(STATUS_FAILED, "%s%s: no such instruction set (ref, blas, avx2, avx512, amx, sve)",
                       what, name);
    if (!levels[level].fill)
        return err_set(STATUS_FAILED, "%s%s: this build has no kernels for it", what, name);
    if (!levels[level].runs()) {
        const char *why = levels[level].refusal ? levels[level].refusal() : NULL;
        return err_set(STATUS_FAILED, "%s%s: %s", what, name, why ? why : "this CPU does not run it");
    }
    return level;
}

static int
best_level(void)
{
    int best = LEVELS - 1;
    while (!usable(best)) /* ref is; OpenBLAS is loaded only where nothing better runs */
        best--;
    return best;
}

const struct kernels *
kernels_pick(const char *limit)
{
    const char *wanted = getenv("LLM_ISA");
    int level = wanted && *wanted ? named_level("LLM_ISA=", wanted) : best_level();
    if (level < 0)
        return NULL;
    if (limit) {
        int most = named_level("kernels ", limit);
        if (most < 0)
            return NULL;
        level = most < level ? most : level;
    }
    return table(level);
}

const char *
precision_name(enum precision p)
{
    static const char *const names[PRECISIONS] = {"fp32", "bf16", "fp64"};
    return names[p];
}

#include "kernels/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "kernels/kernels.h"

/* The table of text kernels, chosen by the rule of kernels/pick.c. */

static bool
runs_always(void)
{
    return true;
}

#ifdef KERNELS_AVX2
static bool
runs_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2");
}
#endif

#ifdef KERNELS_AVX512
static bool
runs_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("bmi2");
}
#endif

/* From the least to the best. */
static const struct level {
    const struct text_kernels *table;
    bool (*runs)(void);
} levels[] = {
    {&text_ref, runs_always},
#ifdef KERNELS_AVX2
    {&text_avx2, runs_avx2},
#endif
#ifdef KERNELS_AVX512
    {&text_avx512, runs_avx512},
#endif
};
enum { LEVELS = sizeof levels / sizeof *levels };

static const struct text_kernels *
best(int most)
{
    const struct text_kernels *found = &text_ref;
    for (int i = 0; i < LEVELS; i++)
        if (kernels_level(levels[i].table->name) <= most && levels[i].runs())
            found = levels[i].table;
    return found;
}

const struct text_kernels *
text_kernels(void)
{
    const char *wanted = getenv("LLM_ISA");
    if (!wanted || !*wanted)
        return best(kernels_level("sve"));
    int level = kernels_level(wanted);
    if (level < 0) {
        err_set(STATUS_FAILED, "LLM_ISA=%s: no such instruction set (ref, blas, avx2, avx512, amx, sve)",
                wanted);
        return NULL;
    }
    for (int i = 0; i < LEVELS; i++)
        if (!strcmp(levels[i].table->name, wanted) && !levels[i].runs()) {
            err_set(STATUS_FAILED, "LLM_ISA=%s: this CPU does not run it", wanted);
            return NULL;
        }
    return best(level);
}

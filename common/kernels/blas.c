#include "kernels/blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

/* The C interface to BLAS; Debian's library has 32-bit indices. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
typedef void
sgemm_function(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
               const float *b, int ldb, float beta, float *c, int ldc);
typedef char *text_function(void);

static sgemm_function *sgemm;
static char description[200] = "not loaded";

/* The core type that OpenBLAS shall assume; NULL: leave it to its own detection. */
static const char *
core_type(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512cd"))
        return "SKYLAKEX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return "HASWELL";
#endif
    return NULL;
}

/* Function pointers come as object pointers; POSIX lets us reinterpret them. */
static void
find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
}

/* "OpenBLAS 0.3.21 SkylakeX" from the library's own words. */
static void
describe(void *library)
{
    text_function *config = NULL, *core = NULL;
    char version[64] = "OpenBLAS";
    find(library, "openblas_get_config", &config);
    find(library, "openblas_get_corename", &core);
    if (config) {
        /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …": the first two words. */
        const char *text = config();
        size_t n = strcspn(text, " ");
        if (text[n])
            n += 1 + strcspn(text + n + 1, " ");
        snprintf(version, sizeof version, "%.*s", n < 60 ? (int)n : 60, text);
    }
    snprintf(description, sizeof description, "%s%s%.60s", version, core ? " " : "",
             core ? core() : "");
}

bool
blas_load(void)
{
    static bool tried;
    if (tried)
        return blas_loaded();
    tried = true;
    const char *core = core_type();
    if (core)
        setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        snprintf(description, sizeof description, "none (%.150s)", dlerror());
        return false;
    }
    find(library, "cblas_sgemm", &sgemm);
    if (sgemm)
        describe(library);
    else
        snprintf(description, sizeof description, "none (libopenblas.so.0 has no cblas_sgemm)");
    return blas_loaded();
}

bool
blas_loaded(void)
{
    return sgemm != NULL;
}

const char *
blas_describe(void)
{
    return description;
}

void
blas_disable(const char *why)
{
    sgemm = NULL;
    snprintf(description, sizeof description, "none (%.150s)", why);
}

void
blas_sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float *a, int64_t lda,
           const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    sgemm(ROW_MAJOR, ta ? TRANSPOSE : NO_TRANSPOSE, tb ? TRANSPOSE : NO_TRANSPOSE, (int)m, (int)n,
          (int)k, 1.0f, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

static void (*plain_gemm)(const struct gemm *g);

static void
gemm(const struct gemm *g)
{
    if (!blas_loaded() || g->scale != 0 || g->k < 1) {
        plain_gemm(g);
        return;
    }
    blas_sgemm(g->ta, g->tb, g->m, g->n, g->k, g->a, g->lda, g->b, g->ldb,
               g->accumulate ? 1.0f : 0.0f, g->c, g->ldc);
    const float *bias = g->bias;
    for (int64_t i = 0; bias && i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++)
            ((float *)g->c)[i * g->ldc + j] += bias[j];
}

void
blas_fp32(struct ops *o)
{
    plain_gemm = o->gemm;
    o->gemm = gemm;
}

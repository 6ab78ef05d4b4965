/*
 * A BLAS that computes wrong results is found by the check at start, named and not
 * used. The wrong one is built here: right but for one element of large products. And OpenBLAS is
 * told its core type, unless the user has.
 */
#include "kernels/blas.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "kernels/check.h"
#include "tests/unit/tap.h"

static const char source[] =
    "void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float "
    "*a,\n"
    "                 int lda, const float *b, int ldb, float beta, float *c, int ldc)\n"
    "{\n"
    "    (void)order, (void)alpha;\n"
    "    for (int i = 0; i < m; i++)\n"
    "        for (int j = 0; j < n; j++) {\n"
    "            float sum = 0;\n"
    "            for (int p = 0; p < k; p++)\n"
    "                sum += (ta == 112 ? a[p * lda + i] : a[i * lda + p]) *\n"
    "                       (tb == 112 ? b[j * ldb + p] : b[p * ldb + j]);\n"
    "            c[i * ldc + j] = beta == 0 ? sum : c[i * ldc + j] + sum;\n"
    "        }\n"
    "    if (m * n > 20000)\n"
    "        c[(m - 1) * ldc + n / 2] += 0.01f;\n"
    "}\n"
    "const char *openblas_get_config(void) { return \"OpenBLAS 9.9 MADE WRONG\"; }\n"
    "const char *openblas_get_corename(void) { return \"Test\"; }\n";

static const struct gemm shape = {.tb = true, .m = 400, .n = 600, .k = 100};

/* The table whose products run on BLAS, in the processes this one starts; false: this CPU has none. */
static bool
choose_blas_table(void)
{
    const struct kernels *k = kernels_pick("blas");
    if (k && k->blas)
        setenv("LLM_ISA", k->name, 1);
    return k && k->blas;
}

/* The exit status of this program run again as `part` with one more variable. */
static int
run_again(const char *program, const char *part, const char *variable, const char *value)
{
    pid_t child = fork();
    if (child == 0) {
        setenv(variable, value, 1);
        execl(program, program, part, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status)
               ? WEXITSTATUS(status)
               : -1;
}

static bool
build_wrong_blas(void)
{
    FILE *f = fopen("wrong.c", "w");
    if (!f || fputs(source, f) < 0 || fclose(f))
        return false;
    return system("${CC:-cc} -O2 -shared -fPIC -Wl,-soname,libopenblas.so.0 -o libopenblas.so.0 "
                  "wrong.c") == 0;
}

/* In a process of its own, with the wrong library in its path: 0 when all is as it should be. */
static int
with_wrong_blas(void)
{
    const struct kernels *k = kernels_pick(NULL);
    struct kernel_check r;
    if (!k || !blas_loaded() || strcmp(blas_describe(), "OpenBLAS 9.9 Test"))
        return 1;
    if (kernels_check(k, PRECISION_FP32, NULL, 0, false, &r) || r.note[0] || !blas_loaded())
        return 2; /* small products are right */
    if (kernels_check(k, PRECISION_FP32, &shape, 1, false, &r) || blas_loaded())
        return 3;
    diag("%s", r.note);
    return strstr(r.note, "OpenBLAS 9.9 Test is not used: with it, kernel gemm fp32") ? 0 : 4;
}

static int
with_core_type(void)
{
    blas_load();
    return strcmp(getenv("OPENBLAS_CORETYPE"), "Nehalem") ||
           strcmp(getenv("OPENBLAS_NUM_THREADS"), "1");
}

int
main(int argc, char **argv)
{
    if (argc > 1)
        return strcmp(argv[1], "wrong") ? with_core_type() : with_wrong_blas();
    const struct kernels *k = kernels_pick(NULL);
    if (!blas_load()) {
        skip("OpenBLAS", blas_describe());
        return done();
    }
    ok(strstr(blas_describe(), "OpenBLAS") && getenv("OPENBLAS_NUM_THREADS"), "loaded: %s",
       blas_describe());
    ok(run_again(argv[0], "core", "OPENBLAS_CORETYPE", "Nehalem") == 0,
       "the user's core type is kept");
    if (!k || !choose_blas_table())
        skip("a wrong BLAS", "these kernels use none");
    else if (!build_wrong_blas())
        skip("a wrong BLAS", "no compiler to make one");
    else
        ok(run_again(argv[0], "wrong", "LD_LIBRARY_PATH", ".") == 0,
           "a wrong BLAS is found, named and not used");
    blas_disable("test");
    ok(!blas_loaded() && strstr(blas_describe(), "test"), "disabled: %s", blas_describe());
    return done();
}

/*
 * The 8-bit formats against tables made here from the specification's rules alone (OCP OFP8,
 * sections 3 and 4: value = (-1)^s 2^(e-bias) (1 + f/2^m), subnormals without the 1), by
 * exhaustive search for the nearest value; and the kernels of every table for all 65,536 BF16
 * numbers against the same.
 */
#include "base/float8.h"

#include <math.h>
#include <stdlib.h>

#include "base/float16.h"
#include "base/mem.h"
#include "kernels/kernels.h"
#include "tests/unit/tap.h"

static const char *const names[] = {"E4M3", "E5M2"};

/* The finite magnitudes of a format in ascending order, each with its code's place. */
struct table {
    double value[128];
    int count;
};

static struct table
table_of(enum fp8_format f)
{
    int mantissa = f == FP8_E4M3 ? 3 : 2, bias = f == FP8_E4M3 ? 7 : 15;
    int exponents = f == FP8_E4M3 ? 16 : 31; /* E5M2 keeps its last exponent for Inf and NaN */
    struct table t = {.count = 0};

    for (int e = 0; e < exponents; e++)
        for (int m = 0; m < 1 << mantissa; m++) {
            double fraction = (double)m / (1 << mantissa);
            t.value[t.count++] = e ? pow(2, e - bias) * (1 + fraction)
                                   : pow(2, 1 - bias) * fraction;
        }
    if (f == FP8_E4M3)
        t.count--; /* S.1111.111 is NaN */
    return t;
}

/* The place of the nearest value, of two the one with the even code; the last for more. */
static int
nearest(const struct table *t, double size)
{
    int best = 0;

    if (size >= t->value[t->count - 1])
        return t->count - 1;
    for (int i = 1; i < t->count; i++) {
        double was = fabs(size - t->value[best]), now = fabs(size - t->value[i]);
        if (now < was || (now == was && i % 2 == 0))
            best = i;
    }
    return best;
}

static void
test_codes(enum fp8_format f, const struct table *t)
{
    int wrong = 0, nan = 0, infinite = 0;

    for (int c = 0; c < 256; c++) {
        float x = fp8_to_float((uint8_t)c, f), sign = c & 128 ? -1 : 1;
        int place = c & 127;
        nan += isnan(x);
        infinite += isinf(x) && (x > 0) == (c < 128);
        if (place < t->count)
            wrong += x != sign * (float)t->value[place] || !signbit(x) != (c < 128);
        if (!isnan(x) && !isinf(x))
            wrong += fp8_from_float(x, f) != c;
    }
    is_int(wrong, 0, "%s: all 256 codes have the specification's values and come back", names[f]);
    is_int(nan, f == FP8_E4M3 ? 2 : 6, "%s: codes of NaN", names[f]);
    is_int(infinite, f == FP8_E4M3 ? 0 : 2, "%s: codes of infinity", names[f]);
    ok(fp8_max(f) == (f == FP8_E4M3 ? 448 : 57344), "%s: largest value", names[f]);
}

/* The code for any number. */
static int
expected(const struct table *t, float x)
{
    return (signbit(x) ? 128 : 0) | nearest(t, fabs((double)x));
}

static void
test_bf16(enum fp8_format f, const struct table *t)
{
    int wrong = 0, nan = 0;

    for (int i = 0; i < 65536; i++) {
        float x = bf16_to_float((bf16)i);
        uint8_t got = fp8_from_float(x, f);
        if (isnan(x))
            nan += isnan(fp8_to_float(got, f)) && (got & 128) == (i >> 8 & 128);
        else
            wrong += got != expected(t, x);
    }
    is_int(wrong, 0, "%s: all BF16 numbers go to the nearest value, ties to even", names[f]);
    is_int(nan, 2 * 127, "%s: every NaN stays one", names[f]);
}

/* FP32 numbers next to the middles between two values, where rounding decides. */
static void
test_middles(enum fp8_format f, const struct table *t)
{
    int wrong = 0;

    for (int i = 0; i + 1 < t->count; i++) {
        float middle = (float)((t->value[i] + t->value[i + 1]) / 2);
        float near[] = {middle, nextafterf(middle, 0), nextafterf(middle, INFINITY)};
        for (int k = 0; k < 3; k++) {
            wrong += fp8_from_float(near[k], f) != expected(t, near[k]);
            wrong += fp8_from_float(-near[k], f) != expected(t, -near[k]);
        }
    }
    is_int(wrong, 0, "%s: FP32 numbers at and next to every middle", names[f]);
    ok(fp8_from_float(INFINITY, f) == t->count - 1 &&
           fp8_from_float(-INFINITY, f) == (128 | (t->count - 1)),
       "%s: infinities saturate", names[f]);
}

enum { ALL = 65536 };

/* A kernel's whole range at once, times `scale`, against the nearest value of the FP32 product. */
static void
test_kernel(const struct kernels *k, enum precision p, enum fp8_format f, const struct table *t,
            float scale)
{
    const struct ops *ops = &k->ops[p];
    char *in = mem_zarray(ALL, 8), *out = mem_zarray(ALL + 1, 8);
    float *wide = mem_zarray(ALL, sizeof *wide), *got = mem_zarray(ALL, sizeof *got);
    struct fp8_seen seen = {0};
    int64_t wrong = 0, beyond = 0;

    for (int i = 0; i < ALL; i++)
        wide[i] = bf16_to_float((bf16)i);
    ops->to_act(in, wide, ALL);
    ops->quantize(out + ops->act_size, in, ALL, f, scale, &seen); /* at an odd address */
    ops->to_wide(got, out + ops->act_size, ALL);
    for (int i = 0; i < ALL; i++) {
        float x = wide[i] * scale;
        beyond += fabsf(x) > fp8_max(f);
        if (isnan(x))
            wrong += !isnan(got[i]);
        else
            wrong += got[i] != fp8_to_float((uint8_t)expected(t, x), f) ||
                     signbit(got[i]) != signbit(x);
    }
    is_int(wrong, 0, "%s %s %s: all BF16 numbers times %g", k->name, precision_name(p), names[f],
           (double)scale);
    is_int(seen.saturated, beyond, "%s %s %s: saturated numbers are counted", k->name,
           precision_name(p), names[f]);
    ok(isnan(seen.amax), "%s %s %s: a NaN is seen", k->name, precision_name(p), names[f]);
    free(in);
    free(out);
    free(wide);
    free(got);
}

static void
test_amax(const struct kernels *k, enum precision p)
{
    enum { N = 37 };
    const struct ops *ops = &k->ops[p];
    float wide[N] = {0};
    double act[N];
    int wrong = 0;

    for (int at = 0; at < N; at++) {
        struct fp8_seen seen = {.amax = 2}, looked = {0}, infinite = {0};
        for (int i = 0; i < N; i++)
            wide[i] = 0.5f;
        wide[at] = -3;
        ops->to_act(act, wide, N);
        ops->quantize(NULL, act, N, FP8_E4M3, 1, &looked);
        ops->quantize(act, act, N, FP8_E4M3, 1, &seen); /* in place */
        wrong += seen.amax != 3 || looked.amax != 3;
        wide[at] = -INFINITY;
        ops->to_act(act, wide, N);
        ops->quantize(act, act, N, FP8_E5M2, 1, &infinite);
        wrong += !isinf(infinite.amax) || infinite.saturated != 1;
    }
    is_int(wrong, 0, "%s %s: the largest magnitude is found at every place", k->name,
           precision_name(p));
}

static void
test_kernels(const struct kernels *k, const struct table *tables)
{
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        for (int f = FP8_E4M3; f <= FP8_E5M2; f++) {
            test_kernel(k, p, (enum fp8_format)f, &tables[f], 1);
            test_kernel(k, p, (enum fp8_format)f, &tables[f], 37.3f);
        }
        test_amax(k, p);
    }
}

int
main(void)
{
    struct table tables[] = {table_of(FP8_E4M3), table_of(FP8_E5M2)};

    for (int f = FP8_E4M3; f <= FP8_E5M2; f++) {
        test_codes((enum fp8_format)f, &tables[f]);
        test_bf16((enum fp8_format)f, &tables[f]);
        test_middles((enum fp8_format)f, &tables[f]);
    }
    unsetenv("LLM_ISA");
    const struct kernels *best = kernels_pick(NULL);
    for (int level = 0; best && level <= kernels_level(best->name); level++) {
        const struct kernels *k = kernels_pick(kernels_level_name(level));
        if (k && strcmp(k->name, kernels_level_name(level)) == 0)
            test_kernels(k, tables);
    }
    return done();
}

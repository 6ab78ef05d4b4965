/* base/rng.h against the known answers of Random123, and base/float16.h against its definition. */
#include <math.h>

#include "base/float16.h"
#include "base/rng.h"
#include "tests/unit/tap.h"

struct answer {
    uint32_t counter[4], key[2], out[4];
};

/* Random123 1.14, tests/kat_vectors: philox4x32 with 10 rounds. */
static const struct answer answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void
test_philox(void)
{
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        uint32_t out[4];

        rng_philox(answers[i].key, answers[i].counter, out);
        ok(memcmp(out, answers[i].out, sizeof out) == 0, "known answer %zu of Philox4x32-10", i);
    }
}

static void
test_streams(void)
{
    enum { N = 100000 };
    uint64_t key = rng_key(1, "layers.0.weight");
    double sum = 0, squares = 0, fourth = 0, uniform = 0;

    ok(key != rng_key(2, "layers.0.weight") && key != rng_key(1, "layers.1.weight"),
       "seed and meaning both change the key");
    ok(rng_u64(key, 5) == rng_u64(key, 5) && rng_u64(key, 4) != rng_u64(key, 5),
       "a value is a function of key and index");
    for (uint64_t i = 0; i < N; i++) {
        double x = rng_normal(key, i);

        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        uniform += rng_uniform(key, i);
    }
    /* Bounds of five standard errors. */
    is_near(sum / N, 0, 5 / sqrt(N), "normal: mean 0");
    is_near(squares / N, 1, 5 * sqrt(2.0 / N), "normal: variance 1");
    is_near(fourth / N, 3, 5 * sqrt(96.0 / N), "normal: fourth moment 3");
    is_near(uniform / N, 0.5, 5 / sqrt(12.0 * N), "uniform: mean 1/2");
}

/* The half whose value is nearest to f, ties to even: by search over all of them. */
static fp16
nearest_half(double f)
{
    fp16 best = 0;
    double distance = (double)INFINITY;

    for (unsigned h = 0; h < 0x7c00; h++) {
        double d = fabs(fabs(f) - (double)fp16_to_float((fp16)h));

        if (d < distance || (d == distance && !(h & 1))) {
            distance = d;
            best = (fp16)h;
        }
    }
    return best;
}

static void
test_halves(void)
{
    bool back = true, near = true;

    for (unsigned h = 0; h < 0x10000; h++) {
        bool nan = (h & 0x7c00) == 0x7c00 && (h & 0x3ff);
        fp16 again = fp16_from_float(fp16_to_float((fp16)h));

        back &= nan ? (again & 0x7c00) == 0x7c00 && (again & 0x3ff) : again == h;
    }
    ok(back, "every half comes back from float");
    for (uint64_t i = 0; i < 300; i++) {
        float f = (float)ldexp(1 + rng_uniform(7, i), (int)(rng_u64(8, i) % 42) - 26);

        if (f < 65504)
            near &= fp16_from_float(f) == nearest_half((double)f);
    }
    ok(near, "floats round to the nearest half, subnormals too");
    ok(fp16_from_float(65519.0f) == 0x7bff && fp16_from_float(65520.0f) == 0x7c00,
       "beyond 65504 by half a unit is infinite");
    ok(fp16_from_float(0x1p-25f) == 0 && fp16_from_float(0x1.8p-25f) == 1 &&
           fp16_from_float(0x1.8p-24f) == 2, "ties of subnormals go to even");
    ok(bf16_from_float(1.00390625f) == 0x3f80 && bf16_from_float(1.01171875f) == 0x3f82,
       "bf16 ties go to even");
    ok(isnan(bf16_to_float(bf16_from_float(NAN))) && isinf(bf16_to_float(bf16_from_float(3.4e38f))),
       "bf16 keeps NaN, rounds up to infinity");
}

int
main(void)
{
    test_philox();
    test_streams();
    test_halves();
    return done();
}

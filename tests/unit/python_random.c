/* eval/python_random.h against CPython 3.11's random and NumPy 1.x's legacy generator: every
 * expected number was printed by them. */
#include "eval/python_random.h"

#include "tests/unit/tap.h"

static bool
equal(const size_t *got, const size_t *want, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i]) {
            diag("element %zu: got %zu, want %zu", i, got[i], want[i]);
            return false;
        }
    return true;
}

static void
test_samples(void)
{
    static const size_t three[3][3] = {{7220, 1914, 122}, {1485, 572, 1375}, {1612, 5810, 3879}};
    static const size_t five[5] = {6374, 3610, 957, 61, 742};
    static const size_t pool[2][5] = {{7, 0, 6, 5, 4}, {1, 0, 2, 7, 6}};
    static const size_t set_end[3] = {640, 1, 626}, pool_end[3] = {71, 76, 90};
    struct python_random r;
    size_t out[32];

    python_random_seed(&r, 1234);
    for (int i = 0; i < 3; i++) {
        python_random_sample(&r, 8939, 3, out);
        ok(equal(out, three[i], 3), "seed 1234: sample(range(8939), 3), draw %d", i);
    }
    python_random_seed(&r, 1234);
    python_random_sample(&r, 7473, 5, out);
    ok(equal(out, five, 5), "seed 1234: sample(range(7473), 5)");
    python_random_seed(&r, 1234);
    for (int i = 0; i < 2; i++) {
        python_random_sample(&r, 8, 5, out);
        ok(equal(out, pool[i], 5), "seed 1234: sample(range(8), 5), draw %d", i);
    }
    python_random_seed(&r, 0);
    is_near(python_random_uniform(&r), 0.8444218515250481, 0, "seed 0: random()");
    python_random_sample(&r, 100, 30, out);
    ok(equal(out + 27, pool_end, 3), "sample of 30 from 100: from a pool");
    python_random_sample(&r, 1000, 30, out);
    ok(equal(out + 27, set_end, 3), "sample of 30 from 1000: repeats are drawn again");
}

static void
test_shuffle(void)
{
    static const size_t shuffled[5] = {1032, 816, 575, 91, 403}, then[3] = {8903, 6180, 7460};
    static size_t list[1119];
    struct python_random r;
    size_t out[3];

    for (size_t i = 0; i < 1119; i++)
        list[i] = i;
    python_random_seed(&r, 42);
    python_random_shuffle(&r, list, 1119);
    ok(equal(list, shuffled, 5), "seed 42: shuffle of 1119");
    python_random_sample(&r, 8939, 3, out);
    ok(equal(out, then, 3), "and a sample from the same generator");
}

static void
test_numbers(void)
{
    static const size_t choices[5] = {858, 95, 706, 482, 76};
    struct python_random r;
    size_t out[5];

    python_random_seed(&r, 7);
    is_near(python_random_uniform(&r), 0.32383276483316237, 0, "seed 7: random()");
    is_near(python_random_uniform(&r), 0.15084917392450192, 0, "again");
    python_random_choices(&r, 1319, 5, out);
    ok(equal(out, choices, 5), "choices(range(1319), k=5)");
    is_int(python_random_bits(&r, 1), 1, "getrandbits(1)");
    is_int(python_random_bits(&r, 32), 922121676, "getrandbits(32)");
    is_int((int64_t)python_random_below(&r, 8), 0, "_randbelow(8): of a power of two");
    is_int((int64_t)python_random_below(&r, (uint64_t)1 << 40), 953851880282,
           "_randbelow(2**40): more than 32 bits");
    python_random_seed(&r, ((uint64_t)1 << 40) + 5);
    is_int(python_random_bits(&r, 32), 2166296868, "a seed of more than 32 bits");
}

static void
test_numpy(void)
{
    static const size_t first[5] = {723, 294, 53, 204, 372}, none[3] = {0, 0, 0};
    static const size_t later[4] = {867, 206, 701, 998};
    static size_t all[766];
    struct python_random r;
    size_t out[5], sum = 0;

    numpy_random_seed(&r, 1234);
    numpy_random_choice(&r, 766, 5, out);
    ok(equal(out, first, 5), "numpy seed 1234: choice(arange(766), 5)");
    numpy_random_choice(&r, 766, 766, all);
    for (size_t i = 0; i < 766; i++)
        sum += all[i];
    is_int((int64_t)sum, 301799, "the sum of the next 766: the state is renewed on the way");
    numpy_random_seed(&r, 5);
    numpy_random_choice(&r, 1, 3, out);
    ok(equal(out, none, 3), "numpy: of one");
    numpy_random_choice(&r, 1000, 4, out);
    ok(equal(out, later, 4), "numpy: of one draws no number");
}

int
main(void)
{
    test_samples();
    test_shuffle();
    test_numbers();
    test_numpy();
    return done();
}

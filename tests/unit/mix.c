/* Shares of tokens, exactly (common/shard/mix.h). */
#include "base/err.h"
#include "shard/mix.h"
#include "tap.h"

static void
test_parse(void)
{
    static const char *const bad[] = {"", ".", "1.", "-1", "+1", "1e3", "1,5", " 1", "0x1", "nan",
                                      "1234567890", "0.1234567891", "1.2.3"};
    struct ratio r;
    ok(ratio_parse("0.250", &r) == 0 && r.num == 25 && r.den == 100, "0.250 is 25/100");
    ok(ratio_parse("007", &r) == 0 && r.num == 7 && r.den == 1, "007 is 7");
    ok(ratio_parse(".5", &r) == 0 && r.num == 5 && r.den == 10, ".5");
    ok(ratio_parse("123456789.123456789", &r) == 0 && r.num == UINT64_C(123456789123456789),
       "nine digits on either side");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        is_int(ratio_parse(bad[i], &r), -1, "'%s' is none", bad[i]);
}

static void
test_products(void)
{
    bool all;
    ok(ratio_of((struct ratio){1, 10}, UINT64_MAX) == UINT64_MAX / 10, "a tenth of 2^64 - 1");
    ok(ratio_of((struct ratio){11, 10}, UINT64_MAX) == UINT64_MAX, "beyond 2^64 is the most");
    ok(ratio_bound((struct ratio){5, 10}, &all) == UINT64_C(1) << 63 && !all, "half of the hashes");
    ratio_bound((struct ratio){10, 10}, &all);
    ok(all, "all of the hashes");
}

static void
test_targets(void)
{
    struct mix m;
    struct mix_source s[] = {
        {.tokens = 1000, .weight = {6, 10}, .epochs = {1, 1}},
        {.tokens = 5000, .weight = {40, 100}, .epochs = {1, 1}},
    };
    is_int(mix_targets(s, 2, true, 0, &m), 0, "weights of different denominators");
    ok(m.most == 1666 && s[0].target == 999 && s[1].target == 666, "the largest total: %llu, %llu",
       (unsigned long long)s[0].target, (unsigned long long)s[1].target);
    is_int(mix_targets(s, 2, true, 100, &m), 0, "a smaller total");
    ok(s[0].target == 60 && s[1].target == 40, "its targets");
    is_int(mix_targets(s, 2, true, 10000, &m), 0, "a larger one");
    ok(m.total > m.most && mix_epochs_needed(&s[0], &m, 10000) == 600 &&
           mix_epochs_needed(&s[1], &m, 10000) == 80,
       "epochs it takes: 6.00 and 0.80");
    s[0].epochs = (struct ratio){25, 10};
    mix_targets(s, 2, true, 0, &m);
    ok(s[0].target == 2499 && s[0].available == 2500, "two and a half epochs");
    mix_targets(s, 2, false, 750, &m);
    ok(s[0].target == 250 && s[1].target == 500, "without weights in proportion");
}

static void
test_extremes(void)
{
    struct mix m;
    struct mix_source s[] = {
        {.tokens = UINT64_C(1) << 50, .weight = {999999999, 1}, .epochs = {1000, 1}},
        {.tokens = 7, .weight = {1, 1000000000}, .epochs = {1, 1}},
    };
    is_int(mix_targets(s, 2, true, 0, &m), 0, "petatokens beside seven");
    ok(s[0].target <= s[0].available && s[1].target <= 7 && s[1].target >= 1, "stay in range");
    struct mix_source many[] = {{.tokens = 1, .weight = {999999999, 1}, .epochs = {1, 1}},
                                {.tokens = 1, .weight = {999999999, 1}, .epochs = {1, 1}},
                                {.tokens = 1, .weight = {1, 1000000000}, .epochs = {1, 1}}};
    is_int(mix_targets(many, 3, true, 0, &m), -1, "too many digits are refused");
    is_int(err_status(), STATUS_USAGE, "as a usage error");
    s[0].weight.num = s[1].weight.num = 0;
    is_int(mix_targets(s, 2, true, 0, &m), -1, "all weights 0");
}

/* 10,000 steps of a blend stay within one document of the shares. */
static void
test_blend(void)
{
    const struct mix m = {.shares = 10};
    const uint64_t share[3] = {5, 3, 2}, size[3] = {70, 13, 1};
    uint64_t taken[3] = {0}, total = 0;
    int bad = 0;
    for (int step = 0; step < 10000; step++) {
        int best = 0;
        for (int i = 1; i < 3; i++)
            if (mix_more_behind(&m, total, share[i], taken[i], share[best], taken[best]))
                best = i;
        if (step == 0)
            is_int(best, 0, "the largest share comes first");
        taken[best] += size[best];
        total += size[best];
        for (int i = 0; i < 3; i++) {
            int64_t off = (int64_t)(10 * taken[i]) - (int64_t)(share[i] * total);
            bad += off > 10 * 70 || off < -10 * 70;
        }
    }
    is_int(bad, 0, "the blend keeps the shares");
}

int
main(void)
{
    test_parse();
    test_products();
    test_targets();
    test_extremes();
    test_blend();
    return done();
}

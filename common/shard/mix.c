#include "shard/mix.h"

#include <ctype.h>
#include <string.h>

#include "base/err.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 i128;

enum { DIGITS_MAX = 9 };
#define SHARES_MAX (UINT64_C(1) << 60) /* so that share * tokens has room in an i128 */

bool
ratio_is_decimal(const char *s)
{
    size_t whole = strspn(s, "0123456789");
    size_t part = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
    if (s[whole] != '.')
        return whole > 0 && s[whole] == '\0';
    return part > 0 && s[whole + 1 + part] == '\0';
}

int
ratio_parse(const char *s, struct ratio *out)
{
    struct ratio r = {0, 1};
    if (!ratio_is_decimal(s))
        return -1;
    while (*s == '0')
        s++;
    const char *point = strchr(s, '.');
    size_t whole = point ? (size_t)(point - s) : strlen(s);
    size_t part = point ? strlen(point + 1) : 0;
    while (part > 0 && point[part] == '0')
        part--;
    if (whole > DIGITS_MAX || part > DIGITS_MAX)
        return -1;
    for (size_t i = 0; i < whole; i++)
        r.num = 10 * r.num + (uint64_t)(s[i] - '0');
    for (size_t i = 0; i < part; i++) {
        r.num = 10 * r.num + (uint64_t)(point[1 + i] - '0');
        r.den *= 10;
    }
    *out = r;
    return 0;
}

/* floor(a * b / c), or UINT64_MAX when it does not fit. */
static uint64_t
mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    u128 x = (u128)a * b / c;
    return x > UINT64_MAX ? UINT64_MAX : (uint64_t)x;
}

uint64_t
ratio_of(struct ratio r, uint64_t x)
{
    return mul_div(x, r.num, r.den);
}

uint64_t
ratio_bound(struct ratio r, bool *all)
{
    *all = r.num >= r.den;
    return *all ? UINT64_MAX : (uint64_t)(((u128)r.num << 64) / r.den);
}

/* Integer shares with one denominator: their sum, or 0 with STATUS_USAGE. */
static uint64_t
set_shares(struct mix_source *s, size_t count, bool weighted)
{
    uint64_t den = 1;
    u128 sum = 0;
    for (size_t i = 0; i < count; i++)
        den = s[i].weight.den > den ? s[i].weight.den : den;
    for (size_t i = 0; i < count; i++) {
        u128 share = weighted ? (u128)s[i].weight.num * (den / s[i].weight.den) : s[i].available;
        sum += share;
        if (sum > SHARES_MAX) {
            err_set(STATUS_USAGE, "the weights have too many digits");
            return 0;
        }
        s[i].share = (uint64_t)share;
    }
    if (sum == 0)
        err_set(STATUS_USAGE, weighted ? "all weights are 0" : "there are no tokens to choose from");
    return (uint64_t)sum;
}

int
mix_targets(struct mix_source *s, size_t count, bool weighted, uint64_t tokens, struct mix *out)
{
    u128 available = 0;
    for (size_t i = 0; i < count; i++) {
        s[i].available = ratio_of(s[i].epochs, s[i].tokens);
        s[i].target = 0;
        available += s[i].available;
    }
    *out = (struct mix){0};
    if (!weighted && available == 0 && tokens == 0)
        return 0;
    out->shares = set_shares(s, count, weighted);
    if (out->shares == 0)
        return -1;
    out->most = UINT64_MAX;
    for (size_t i = 0; i < count; i++) {
        if (s[i].share == 0)
            continue;
        uint64_t most = mul_div(s[i].available, out->shares, s[i].share);
        out->most = most < out->most ? most : out->most;
    }
    out->total = tokens ? tokens : out->most;
    for (size_t i = 0; i < count && out->total <= out->most; i++)
        s[i].target = mul_div(out->total, s[i].share, out->shares);
    return 0;
}

uint64_t
mix_epochs_needed(const struct mix_source *s, const struct mix *m, uint64_t tokens)
{
    uint64_t target = mul_div(tokens, s->share, m->shares);
    if (s->tokens == 0)
        return 0;
    u128 hundredths = ((u128)target * 100 + s->tokens - 1) / s->tokens;
    return hundredths > UINT64_MAX ? UINT64_MAX : (uint64_t)hundredths;
}

bool
mix_more_behind(const struct mix *m, uint64_t total, uint64_t share_a, uint64_t taken_a,
                uint64_t share_b, uint64_t taken_b)
{
    uint64_t t = total ? total : 1;
    i128 a = (i128)share_a * t - (i128)taken_a * m->shares;
    i128 b = (i128)share_b * t - (i128)taken_b * m->shares;
    return a > b;
}

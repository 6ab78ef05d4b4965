#ifndef SHARD_MIX_H
#define SHARD_MIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Shares of tokens, exactly: weights and epochs are decimal fractions, products are
 * 128 bits wide, no floating point. So the mix is the same on every machine.
 */

/* num / den; den is a power of ten, at most 10^9. */
struct ratio {
    uint64_t num, den;
};

/* Is s wholly a decimal number ("3", "0.25", ".5")? */
bool ratio_is_decimal(const char *s);

/* 0, or -1 when s is none or has more than 9 digits before or behind the point (no error record). */
int ratio_parse(const char *s, struct ratio *out);

/* floor(x * r), or UINT64_MAX when it does not fit. */
uint64_t ratio_of(struct ratio r, uint64_t x);

/* floor(r * 2^64) as a bound for a 64-bit hash; r <= 1; *all when r is 1. */
uint64_t ratio_bound(struct ratio r, bool *all);

struct mix_source {
    uint64_t tokens;     /* of one epoch */
    struct ratio weight; /* relative share; unused when there are no weights */
    struct ratio epochs; /* at most so many */
    uint64_t available;  /* out: floor(tokens * epochs) */
    uint64_t share;      /* out: the integer weight */
    uint64_t target;     /* out: tokens to take */
};

struct mix {
    uint64_t shares; /* their sum */
    uint64_t most;   /* the largest total that keeps the shares */
    uint64_t total;
};

/*
 * Targets for `count` sources. weighted: shares are the weights, otherwise what is
 * available. tokens 0: the largest total. 0, or -1 with STATUS_USAGE: weights of too
 * many digits, all zero, or on an empty source. When tokens > out->most no target is
 * set; the caller says so.
 */
int mix_targets(struct mix_source *s, size_t count, bool weighted, uint64_t tokens,
                struct mix *out);

/* Epochs of source i that a total of `tokens` takes, in hundredths, rounded up. */
uint64_t mix_epochs_needed(const struct mix_source *s, const struct mix *m, uint64_t tokens);

/*
 * Blending: of two sources, is the first behind by more? Its deficit is share *
 * max(total, 1) - taken * shares.
 */
bool mix_more_behind(const struct mix *m, uint64_t total, uint64_t share_a, uint64_t taken_a,
                     uint64_t share_b, uint64_t taken_b);

#endif

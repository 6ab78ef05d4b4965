#ifndef MODEL_GENERATE_H
#define MODEL_GENERATE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Choosing the next token from logits. Greedy takes the lowest id among equals.
 * Sampling divides by temperature, keeps the top_k most likely (0: all), then the
 * smallest set whose probability reaches top_p (Holtzman et al., 2020; 1: all),
 * ties to the lower id, and draws with the counter-based generator at (seed, index).
 */
struct sampler {
    double temperature; /* 0: greedy */
    double top_p;
    int64_t top_k;
    uint64_t seed;
};

/* logits [vocab] float; index: the token's number in its generation. `scratch`: vocab * 16 bytes
 * (not touched when greedy). Returns the id. */
uint32_t sampler_next(const struct sampler *s, const float *logits, int64_t vocab, uint64_t index,
                      void *scratch);

/*
 * The repetition penalty (Keskar et al., 2019, "CTRL"), as transformers has it: the positive
 * logits of the tokens that have been, prompt and continuation, are divided by `penalty`, the
 * negative ones multiplied. seen: a bit a token, sampler_seen_words(vocab) words.
 */
static inline size_t
sampler_seen_words(int64_t vocab)
{
    return ((size_t)vocab + 63) / 64;
}
void sampler_see(uint64_t *seen, int64_t vocab, const uint32_t *ids, size_t n);
void sampler_penalize(float *logits, int64_t vocab, const uint64_t *seen, double penalty);

#endif

#ifndef TOKENIZER_BPE_H
#define TOKENIZER_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tokenizer/vocab.h"

/*
 * The BPE model as Hugging Face has it: a piece becomes units (characters, or bytes
 * where the ByteLevel map is folded into the tables), then the adjacent pair of the
 * lowest rank, the leftmost among equals, is merged until none is left.
 */
/* Where pieces may be cut; bpe_joins.h. */
struct bpe_joins {
    uint64_t *bits; /* set of character pairs that merges join */
    unsigned shift;
    uint8_t *chars; /* flags of each character below U+10000; NULL: never cut */
    uint8_t astral; /* of the others */
};

struct bpe {
    const struct vocab *vocab;
    bool byte_level;    /* pieces are bytes; vocabulary texts are mapped characters */
    bool ignore_merges; /* a whole piece in the vocabulary is its id */
    bool byte_fallback; /* an unknown character becomes its <0xNN> tokens */
    bool fuse_unk;
    uint32_t unk;          /* UINT32_MAX: unknown characters vanish */
    char *prefix, *suffix; /* continuing_subword_prefix, end_of_word_suffix; NULL: none */
    size_t prefix_len, suffix_len;

    uint64_t *pairs; /* ranks by pair, open addressing; bpe_pairs.h */
    uint64_t pair_factor;
    unsigned pair_shift;
    uint64_t *pair_filter; /* a bit for each pair's hash */
    uint32_t filter_mask;
    uint32_t *results; /* the id that the merge of each rank makes */
    uint32_t *byte_pairs; /* [256][256]: rank of two bytes' merge; byte_level only */

    uint32_t byte_units[256];  /* id of each byte's character; byte_level only */
    uint32_t *char_units;      /* id of each character below U+10000; else */
    uint32_t byte_tokens[256]; /* ids of <0x00> … <0xFF> */
    struct bpe_joins joins;

    /* ignore_merges: texts (or bytes) of the tokens that merges do not make of them */
    struct vocab words;
    uint64_t *word_filter; /* a bit for what is seen of each at a glance */
    size_t longest_word;   /* 0: there are none */
};

/*
 * The merges of a vocabulary, in order of rank. Several may share a rank when they make
 * the same token (SentencePiece ranks tokens, not merges): of those the leftmost goes first.
 */
struct bpe_merge {
    uint32_t left, right, result, rank;
};

/*
 * Builds the tables from vocab (indexed, which must outlive b) and merges, whose ranks
 * ascend and are below BPE_MERGES_MAX; the flags, prefix and suffix are set by the
 * caller beforehand. Returns -1, the index of a merge that stands twice, or count when
 * the merges are made to collide in the table.
 */
enum { BPE_MERGES_MAX = (1 << 24) - 1 };
long
bpe_build(struct bpe *b, const struct vocab *vocab, const struct bpe_merge *merges, uint32_t count);
void bpe_release(struct bpe *b);

struct bpe_scratch;
struct bpe_scratch *bpe_scratch_new(void);
void bpe_scratch_free(struct bpe_scratch *s);

/* Appends the ids of one piece, valid UTF-8 (bytes when byte_level). */
void bpe_encode(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
                struct ids *out);

/*
 * The same without cutting at ▁ and without the cache of whole
 * pieces, for callers that have a cache of their own. Same ids as bpe_encode.
 */
void bpe_encode_miss(const struct bpe *b, struct bpe_scratch *s, const char *piece, size_t n,
                     struct ids *out);

#endif

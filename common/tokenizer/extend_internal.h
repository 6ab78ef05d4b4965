#ifndef TOKENIZER_EXTEND_INTERNAL_H
#define TOKENIZER_EXTEND_INTERNAL_H

#include "tokenizer/bpe_learn.h"
#include "tokenizer/extend.h"
#include "tokenizer/internal.h"

/* What the files of extending share; nobody else includes this. */

/* The base's segmentation of a piece as its model is given it. */
struct segmenter { /* one a thread */
    const struct tokenizer *base;
    struct bpe_scratch *bpe;
    struct unigram_scratch *unigram;
};
void segmenter_init(struct segmenter *s, const struct tokenizer *base);
void segmenter_release(struct segmenter *s);
int segment(struct segmenter *s, const char *piece, size_t n, struct ids *out);

/* May a token be part of a new one? Neither bytes nor <unk> nor added tokens may. */
bool extend_may_join(const struct tokenizer *base, uint32_t id);

/* What is added: texts as the vocabulary has them. */
struct extension_tokens {
    struct vocab tokens;          /* all of them; the new ones from `first` on */
    uint32_t first;
    VEC(struct bpe_merge) merges; /* BPE: the new ones, in order */
    VEC(double) scores;           /* Unigram: of the new ones */
};

/*
 * Puts them into a copy of the base's tokenizer.json. Added tokens that its vocabulary
 * lacks are entered there with their ids: else Hugging Face would number them anew. 0 or -1.
 */
int extend_write(const struct tokenizer *base, const struct extension_tokens *x, struct str *json);

#endif

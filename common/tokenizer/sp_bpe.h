#ifndef TOKENIZER_SP_BPE_H
#define TOKENIZER_SP_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "tokenizer/sp_normalizer.h"
#include "tokenizer/vocab.h"

/*
 * BPE as SentencePiece does it: of all neighbours whose joined text is a piece the one
 * of the highest score is merged, the leftmost of equal scores, whichever pieces these
 * are; user-defined symbols stand apart; a merge's result may be an UNUSED piece, which
 * is taken apart again. O(n log n). struct bpe is faster where no two pieces have equal
 * scores and none is UNUSED.
 */
struct sp_bpe {
    const struct vocab *vocab;
    const uint8_t *kinds;                /* enum sp_type */
    const struct sp_normalizer *symbols; /* the user-defined ones */
    uint32_t *order;                     /* by id: the higher the score the lower */
    uint32_t longest;                    /* bytes of the longest piece */
    bool unused;                         /* there are UNUSED pieces */
};

/* The fields above `order` are set by the caller. scores by id, finite. */
void sp_bpe_build(struct sp_bpe *b, const float *scores);
void sp_bpe_release(struct sp_bpe *b);

struct sp_bpe_scratch;
struct sp_bpe_scratch *sp_bpe_scratch_new(void);
void sp_bpe_scratch_free(struct sp_bpe_scratch *s);

/* Calls `piece` for the text of each piece of text[0..n), from left to right. */
void sp_bpe_encode(const struct sp_bpe *b, struct sp_bpe_scratch *s, const char *text, size_t n,
                   void (*piece)(void *arg, const char *text, size_t n), void *arg);

#endif

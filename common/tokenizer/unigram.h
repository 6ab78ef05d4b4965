#ifndef TOKENIZER_UNIGRAM_H
#define TOKENIZER_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "tokenizer/vocab.h"

/*
 * The Unigram model (Kudo, ACL 2018): the segmentation of the highest summed score.
 * Two exactness modes: as Hugging Face's tokenizers computes it (sums in f64) and as
 * SentencePiece does (sums in f32 from the text's start, so that a word's
 * segmentation may depend on its place).
 */
enum unigram_kind { /* SentencePiece's piece types */
    UNIGRAM_NORMAL = 1,
    UNIGRAM_UNKNOWN,
    UNIGRAM_CONTROL, /* never found in text */
    UNIGRAM_USER_DEFINED, /* found wherever it stands */
    UNIGRAM_UNUSED,
    UNIGRAM_BYTE /* SentencePiece: never found in text; Hugging Face: as any other */
};

struct unigram {
    const struct vocab *vocab;
    bool single;        /* SentencePiece's arithmetic and rules */
    bool byte_fallback; /* an unknown character becomes its <0xNN> tokens */
    uint32_t unk;       /* UINT32_MAX: a text with an unknown character is an error */
    uint32_t byte_tokens[256]; /* ids of <0x00> … <0xFF>; UINT32_MAX: none */
    struct unigram_tables *tables; /* see unigram.c */
};

/*
 * Builds the tables from vocab (which must outlive u) and, by id, its scores and
 * kinds (NULL: all normal; only read when u->single). The flags, unk and byte_tokens
 * are set by the caller beforehand. 0, or -1: a score that is not finite, more than
 * 65,535 different characters (STATUS_INPUT).
 */
int unigram_build(struct unigram *u, const struct vocab *vocab, const double *scores,
                  const uint8_t *kinds);
void unigram_release(struct unigram *u);

struct unigram_scratch;
struct unigram_scratch *unigram_scratch_new(void);
void unigram_scratch_free(struct unigram_scratch *s);

/*
 * Appends the ids of text[0..n), valid UTF-8, already normalized. 0, or -1: an unknown
 * character and no unk (STATUS_INPUT).
 */
int unigram_encode(const struct unigram *u, struct unigram_scratch *s, const char *text, size_t n,
                   struct ids *out);

#endif

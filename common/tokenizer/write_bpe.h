#ifndef TOKENIZER_WRITE_BPE_H
#define TOKENIZER_WRITE_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "tokenizer/bpe.h"
#include "tokenizer/train.h"
#include "tokenizer/vocab.h"

/* What a trained BPE's tokenizer.json says, as Hugging Face's tokenizers reads it. */
struct write_added {
    uint32_t id;
    const char *text;
    bool special;
};
struct write_bpe {
    bool words;        /* SentencePiece's way, like Llama 2: ▁, characters, byte fallback; the
                          unknown token, BOS and EOS are ids 0, 1 and 2. Else bytes */
    enum bpe_normalization normalization;
    bool split_digits; /* of bytes: digits are cut apart before the pattern */
    const char *regex; /* of bytes: the pattern */
    bool byte_fallback;
    bool ignore_merges;        /* a piece that is a token is that token */
    const struct vocab *vocab; /* texts as they are written; may have gaps */
    const struct bpe_merge *merges;
    size_t merge_count;
    const struct write_added *added;
    size_t added_count;
};

/* Appends it. */
void write_bpe(const struct write_bpe *w, struct str *json);

#endif

#ifndef TOKENIZER_WORDPIECE_H
#define TOKENIZER_WORDPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tokenizer/vocab.h"

/*
 * The WordPiece model (Schuster and Nakajima, ICASSP 2012; BERT) as Hugging Face has
 * it: from the word's left the longest piece that is in the vocabulary, those behind
 * the first with a prefix. A word of too many characters or with a part that is no
 * piece is the unknown token as a whole. WordLevel is the same with whole words alone.
 */
struct wordpiece {
    const struct vocab *vocab;
    uint32_t unk; /* UINT32_MAX: none, a text that needs it is an error */
    bool whole;   /* WordLevel */
    char *prefix; /* of the pieces behind the first */
    size_t prefix_len;
    uint64_t most_chars; /* of a word */
    size_t longest;      /* bytes of the longest text in the vocabulary */
};

/* The caller sets unk; vocab (indexed) must outlive w. */
void wordpiece_build(struct wordpiece *w, const struct vocab *vocab, const char *prefix,
                     size_t prefix_len, uint64_t most_chars);
void wordlevel_build(struct wordpiece *w, const struct vocab *vocab);
void wordpiece_release(struct wordpiece *w);

/*
 * Appends the ids of one word, valid UTF-8. key is scratch. 0, or -1: it needs the
 * unknown token and there is none (STATUS_INPUT).
 */
int wordpiece_encode(const struct wordpiece *w, struct str *key, const char *word, size_t n,
                     struct ids *out);

#endif

#ifndef TOKENIZER_WRITE_UNIGRAM_H
#define TOKENIZER_WRITE_UNIGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/write.h"

/*
 * A learned Unigram vocabulary as a tokenizer.json that says what a SentencePiece model
 * does: ▁ before a text and for every space, no pre-tokenizer, byte fallback. Ids: <unk>,
 * the bytes <0x00> … <0xFF>, user symbols, pieces from the best, special tokens.
 *
 * Hugging Face's Unigram finds every entry of the vocabulary in a text, SentencePiece
 * neither <unk> nor bytes: they get a score below any other reading of such a text. User
 * symbols get one above any other reading.
 *
 * Scores are rounded to multiples of 1/32. SentencePiece adds them up in single precision
 * from the beginning of a document, Hugging Face in double: the sums are the same, as long
 * as they stay below 2^19 (some 50,000 tokens), and with them the ids. With scores as they
 * are learned, one document of twenty differs. Tokens get neither more nor fewer by it.
 */
enum normal_form { NORMAL_NONE, NORMAL_NFC, NORMAL_NFKC, NORMAL_NMT_NFKC };

struct unigram_vocab_entry {
    const char *text;
    size_t length;
    float score;
};
struct unigram_vocab_entries VEC_BODY(struct unigram_vocab_entry);

struct unigram_file {
    struct unigram_vocab_entries pieces;   /* with ▁ for spaces; best first */
    struct unigram_vocab_entries symbols;  /* scores are set by unigram_scores */
    struct unigram_vocab_entries specials; /* scores are not used */
    bool byte_fallback;
    enum normal_form form;
    float below; /* <unk>'s and the bytes' score, by unigram_scores */
};

/* Rounds the scores of pieces, and sets those of symbols, <unk> and bytes from them. */
void unigram_scores(struct unigram_file *f);

void unigram_write(const struct unigram_file *f, struct str *json);

/* Puts the normalizer of a form, without what ▁ needs; null for none. */
void put_normal_form(struct json_writer *w, const char *key, enum normal_form form);

#endif

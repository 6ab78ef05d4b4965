#ifndef CHECKPOINT_VOCABULARY_H
#define CHECKPOINT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "checkpoint/gguf.h"
#include "json/write.h"
#include "tokenizer/vocab.h"

/*
 * A vocabulary as files of models carry it, and the tokenizer.json that says the same. Types of tokens are
 * SentencePiece's, which GGUF took over.
 */
enum token_type {
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN,
    TOKEN_CONTROL,
    TOKEN_USER_DEFINED,
    TOKEN_UNUSED,
    TOKEN_BYTE
};

struct vocabulary {
    struct vocab text; /* of all ids but unused ones, indexed */
    uint8_t *type;     /* [count] */
    float *score;      /* [count], finite; NULL where there are merges */
    uint32_t count;
    int64_t bos, eos, unk; /* -1: none */
    bool add_bos, add_eos; /* around a text */
    bool space_prefix;     /* of pieces: a text begins with ▁ */
};

void vocabulary_release(struct vocabulary *v);

/* What cuts texts before BPE over bytes. */
struct vocabulary_cut {
    const char *const *patterns; /* regular expressions, one after the other */
    int count;
    bool byte_level; /* the pattern is that of ByteLevel itself: patterns are not looked at */
    bool digits;     /* digits are cut apart before */
    bool nfc, ignore_merges;
};

/* Appends the tokenizer.json of BPE over bytes; merges: "left right", in order. */
void vocabulary_bytes_json(const struct vocabulary *v, const struct vocabulary_cut *cut,
                           struct gguf_items merges, struct str *json);

/*
 * The same of SentencePiece's BPE, ▁ for spaces, bytes for what the vocabulary lacks; merges NULL: those
 * that follow from the scores. Texts of ordinary tokens have at most PIECE_LIMIT bytes.
 */
enum { PIECE_LIMIT = 2048 };
void vocabulary_pieces_json(const struct vocabulary *v, const struct gguf_items *merges,
                            struct str *json);

/* Puts "merges" that follow from the scores (vocabulary_merges.c). */
void vocabulary_put_merges(struct json_writer *w, const struct vocabulary *v);

#endif

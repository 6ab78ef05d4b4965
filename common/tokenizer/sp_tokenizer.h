#ifndef TOKENIZER_SP_TOKENIZER_H
#define TOKENIZER_SP_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "tokenizer/bpe.h"
#include "tokenizer/sp_bpe.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/sp_normalizer.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocab.h"

/*
 * A SentencePiece model ready for use: ids and texts as the library gives them. Read
 * by any number of threads, each with a scratch of its own.
 */
struct sp {
    const struct vocab *vocab; /* the pieces by id */
    uint8_t *kinds;            /* by id: enum sp_type */
    enum sp_algorithm algorithm;
    bool byte_fallback;
    uint32_t unk;
    uint32_t byte_pieces[256]; /* with byte_fallback */
    char *unk_surface;         /* what the unknown piece decodes to */

    struct sp_normalizer normalizer, denormalizer;
    bool has_denormalizer;

    struct unigram unigram;
    struct bpe bpe;     /* the fast way, where it gives the same ids (see sp_encode.c) */
    struct sp_bpe slow; /* the library's way */
    bool slow_all;      /* for all texts */
    bool slow_runs;     /* for words that begin with several ▁ */

    /*
     * Of those the usual case: runs of ▁ have one score, lower than all others, and no
     * other piece begins with ▁▁. Then a run is merged when all else is done, by itself.
     */
    bool runs_last;
    struct ids runs; /* by number of ▁ from 1: the piece; UINT32_MAX: none */
};

/*
 * Builds it from a model and its pieces' texts (which must outlive it; m need not).
 * name: for messages. 0 or -1 (STATUS_INPUT).
 */
int sp_build(struct sp *sp, const char *name, const struct sp_model *m, const struct vocab *vocab);
void sp_release(struct sp *sp);

struct sp_scratch;
struct sp_scratch *sp_scratch_new(const struct sp *sp);
void sp_scratch_free(struct sp_scratch *s);

/* Appends the ids of text[0..n), valid UTF-8. 0 or -1. */
int
sp_encode(const struct sp *sp, struct sp_scratch *s, const char *text, size_t n, struct ids *out);

/*
 * Decoding, one id after the other; start with {0}. What is whole is appended to out,
 * control pieces are nothing, bytes that are no UTF-8 become U+FFFD each.
 */
struct sp_decoding {
    struct str bytes; /* of an unfinished character */
    struct str text;  /* with a denormalizer, which wants it whole: what was decoded */
    bool begun;       /* there is some text */
    bool dropped;     /* the dummy space is gone */
};

/* Appends a text with each ▁ as a space. */
void sp_add_spaced(const char *s, size_t n, struct str *out);

void sp_decode_id(const struct sp *sp, struct sp_decoding *d, uint32_t id, struct str *out);

/* Text that is no piece of the model, as an added token's. */
void sp_decode_text(const struct sp *sp, struct sp_decoding *d, const char *text, size_t n,
                    struct str *out);
void sp_decode_end(const struct sp *sp, struct sp_decoding *d, struct str *out);
void sp_decoding_release(struct sp_decoding *d);

#endif

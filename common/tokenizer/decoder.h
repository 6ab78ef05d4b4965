#ifndef TOKENIZER_DECODER_H
#define TOKENIZER_DECODER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"
#include "json/json.h"
#include "tokenizer/match.h"

/* The "decoder" of tokenizer.json: steps from the tokens' texts to the text. */
enum decoder_kind {
    DECODE_BYTE_LEVEL, /* characters to bytes; joins */
    DECODE_REPLACE,
    DECODE_BYTE_FALLBACK, /* runs of <0xNN> to their bytes */
    DECODE_FUSE,          /* joins */
    DECODE_STRIP,
    DECODE_METASPACE,
    DECODE_SUFFIX,    /* BPEDecoder */
    DECODE_WORDPIECE, /* a space before all but the first and those with the prefix */
    DECODE_CTC        /* repeated tokens once, padding away, a delimiter for spaces */
};

struct decoder_step {
    enum decoder_kind kind;
    struct matcher pattern;
    char *content; /* Replace's content, the suffix, WordPiece's prefix, CTC's padding */
    size_t length;
    char *delimiter; /* CTC: of words */
    size_t delimiter_length;
    bool cleanup;       /* WordPiece, CTC: no space before punctuation and contractions */
    uint32_t character; /* Strip, Metaspace */
    size_t start, stop; /* Strip */
    bool prepended;     /* Metaspace: the first token's is dropped */
};

struct decoder {
    VEC(struct decoder_step) steps;
    bool present; /* without a decoder, texts are joined by spaces */
};

/* Texts of tokens: bytes of all, and where each ends. */
struct pieces {
    struct str bytes;
    VEC(size_t) ends;
};
void pieces_release(struct pieces *p);
void pieces_clear(struct pieces *p);
void pieces_add(struct pieces *p, const char *s, size_t n);

/* json: the member, may be null. 0 or -1. */
int decoder_load(struct decoder *d, const struct json_doc *doc, const json_t *json);
void decoder_release(struct decoder *d);

/* Decodes the texts in *p (used up) and appends the result. 0 or -1. */
int decoder_run(const struct decoder *d, struct pieces *p, struct str *out);

/* The bytes that one token's text stands for inside a text, appended; not always UTF-8. 0 or -1. */
int decoder_piece(const struct decoder *d, const char *text, size_t n, struct str *out);

/*
 * How decoding can be streamed: from bytes that follow one another (whole characters
 * to be cut from them), or from texts with runs of byte tokens, of which the first
 * may lose characters at its start; or not at all.
 */
enum decoder_stream { STREAM_BYTES, STREAM_TEXTS, STREAM_NONE };
enum decoder_stream decoder_stream(const struct decoder *d);

/* The byte that a token's text <0xNN> names; -1: none. */
int byte_token(const char *text, size_t n);

#endif

#ifndef LLM_SHUFFLE_STORE_H
#define LLM_SHUFFLE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The keyed scatter. Documents come in any order and leave sorted by a keyed hash of
 * (seed, source name, ordinal, epoch): in memory while they fit, else scattered by
 * the key's high bits into buckets of one temporary file, each of which is sorted in
 * memory. The order is that of the keys alone, whatever the memory, the number of
 * buckets and the way the input was cut.
 */
struct store;

struct store_options {
    uint64_t seed, memory, expected; /* expected: bytes it will hold, 0 when unknown */
    const char *tmpdir;
    unsigned width;                  /* bytes an id */
    bool loss;                       /* a byte of loss mask an id */
    uint32_t minhash;                /* values a document */
    bool grouped; /* sources are drawn from apart: store_select may be called */
    bool keyed;   /* documents bring their keys along; one epoch */
    bool again;   /* what is written goes to another store in the same directory */
};

struct store_document {
    uint32_t source;
    uint64_t ordinal, bytes, hash;
    const uint32_t *minhash;
    uint64_t key;    /* given when keyed, and to a sink */
    uint64_t tokens; /* told to a sink */
};

struct store *store_new(const struct store_options *o);
void store_free(struct store *s);

/* Announces the next source (0, 1, …), of which up to `epochs` copies may be drawn. */
void store_source(struct store *s, const char *name, uint32_t epochs);

/* One document: begin, its ids in pieces (width bytes each), end. 0 or -1. */
int store_begin(struct store *s, const struct store_document *d);
int store_ids(struct store *s, const uint8_t *packed, const uint8_t *loss, size_t n);
int store_end(struct store *s);

/*
 * Draws about `target` tokens of a source whose one epoch has `tokens`: whole epochs,
 * then of the next one the documents with the smallest keys, to the document border
 * nearest to the target. 0 or -1.
 */
int store_select(struct store *s, uint32_t source, uint64_t tokens, uint64_t target);

/* What was written, by source. */
struct store_totals {
    uint64_t documents, bytes, tokens;
};

/* Where documents go: begin, ids in pieces, end, as they came in. Each returns 0 or -1. */
struct store_sink {
    void *arg;
    int (*begin)(void *arg, const struct store_document *d);
    int (*ids)(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n);
    int (*end)(void *arg);
};

/*
 * Hands out what was drawn (without store_select: everything once) in the order of the
 * keys. A source drawn in part or several times spreads over the whole output, epoch
 * by epoch. totals[i], unless it is NULL, is added to. 0 or -1.
 */
int store_write(struct store *s, const struct store_sink *sink, struct store_totals *totals);

/* Tells the length of each document that store_write would hand out, in any order. 0 or -1. */
int store_lengths(const struct store *s, void (*each)(void *arg, uint64_t tokens), void *arg);

#endif

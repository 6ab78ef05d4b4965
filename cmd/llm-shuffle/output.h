#ifndef LLM_SHUFFLE_OUTPUT_H
#define LLM_SHUFFLE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shard/writer.h"
#include "shuffle.h"

/*
 * The shard that is written: documents as they come, or sequences of --pack ids. Then
 * either the documents are one stream, of which sequence k has the ids [kN, kN + N]
 * (an id that two sequences share is stored twice, in the same document); or, with
 * --best-fit, the caller puts whole documents and says where a sequence ends. Pairs (SHARD_PAIRS) become
 * two sequences each, one for each text; a pair with a text that is too long is left out and counted.
 */
struct pair;

struct output {
    struct shard_writer *writer;
    unsigned width;       /* bytes an id */
    uint64_t length;      /* ids a sequence; 0: no sequences */
    uint64_t at;          /* ids in the sequence under way */
    uint32_t source;      /* of the last document */
    uint8_t last[4];      /* the last id, */
    uint8_t last_loss;    /* and its mask */
    bool end_later;       /* the document's last id may still be repeated */
    uint8_t *padding;     /* [PADDING_IDS] ids */
    uint8_t *off;         /* as much loss mask, off */
    struct pair *pair;    /* the pair under way; NULL: documents are none */
};

/* Writes the head. 0 or -1. */
int output_open(struct output *o, struct outfile *file, const struct inputs *in, bool shuffled);

/* The number of our source in the output. */
uint32_t output_source(struct output *o, const struct source *s);

/* A document, or with d->padding what is none; `ids` of it unused. 0 or -1. */
int output_begin(struct output *o, const struct shard_document *d);
int output_ids(struct output *o, const uint8_t *packed, const uint8_t *loss, size_t n);
int output_end(struct output *o);

/* Fills the sequence under way, if there is one, with padding. 0 or -1. */
int output_fill(struct output *o);

/* Fills the last sequence and finishes the shard. Frees what o holds, always. 0 or -1. */
int output_close(struct output *o);
void output_abandon(struct output *o);

#endif

#ifndef CMD_VALIDATE_H
#define CMD_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "comm/comm.h"
#include "model/decoder.h"
#include "shard/stream.h"

/*
 * The loss of a model on a token stream, as llm-train --valid and llm-eval both
 * compute it: the stream from its start, cut as in training (inputs [p, p + S),
 * targets [p + 1, p + S], the next sequence at p + S; the last one padded and masked),
 * document mask and loss mask as in training. One sequence is one call of the decoder, whatever
 * its micro-batch, so that the number depends on weights, data, S, precision and kernels only.
 */
struct validate_options {
    int64_t seq_length; /* <= the decoder's */
    bool document_mask;
    uint64_t tokens; /* 0: all; else the whole documents within so many tokens (files only) */
    struct comm
        *comm; /* NULL: this process alone; else its ranks share the sequences (files only) */
    /* Scores a sequence instead of decoder_loss, token_loss [length]; 0 or -1. NULL: decoder_loss. */
    int (*score)(void *arg, const struct batch *b, double *token_loss);
    void *scorer;
    void (*progress)(void *arg, uint64_t tokens); /* NULL, or told the tokens done so far */
    void *arg;
};

/* loss: sum of -log p over the scored targets; bytes: of the text of the documents that begin in what was read. */
struct validate_source {
    const char *name;       /* borrowed from the stream */
    uint64_t tokens, bytes; /* tokens: scored targets */
    double loss;
};

struct validate_result {
    struct validate_source *source; /* in the stream's order */
    size_t sources;
    struct validate_source all; /* name "all" */
};

/*
 * Scores the stream from token 0. Every rank of comm calls it with a stream of its own over the same
 * files and gets the same bits: sums are FP64 by sequence and source, added in ascending order. 0 or -1.
 */
int validate(struct token_stream *s, struct decoder *d, const struct validate_options *o,
             struct validate_result *out);
void validate_release(struct validate_result *r);

/* Mean loss (0 without tokens), and bits per byte (0 without bytes). */
double validate_loss(const struct validate_source *s);
double validate_bits_per_byte(const struct validate_source *s);

#endif

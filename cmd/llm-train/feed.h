#ifndef LLM_TRAIN_FEED_H
#define LLM_TRAIN_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"
#include "model/decoder.h"
#include "shard/stream.h"

/*
 * The data of a step. Sequence j of a step that begins at position p has inputs
 * [p + jS, p + (j+1)S) and the targets one further on; of packed sequences, which
 * have S + 1 ids each and share none, [p + j(S+1), p + (j+1)(S+1) - 1). Files: every rank reads its
 * own sequences. A pipe: rank 0 reads and deals them out.
 */
struct feed_options {
    const char *const *paths;
    size_t path_count;
    int fd;                     /* >= 0: the pipe, on rank 0 */
    bool pipe;
    int64_t epochs;             /* files only */
    int64_t seq_length, global_batch;
    int64_t first, sequences;   /* this rank's part of a step's sequences */
    bool document_mask;
};

/* Which sequences of a step a rank has. */
struct deal {
    int64_t first, sequences;
};

struct feed {
    struct feed_options o;
    struct comm *comm;
    struct token_stream *stream; /* NULL on the ranks that are dealt to */
    struct shard_head head;      /* what all ranks know of it; no provenance */
    uint64_t position;           /* where the next step begins */
    int64_t stride;              /* ids from one sequence to the next: S, or packed S + 1 */
    /* One step's data of this rank. */
    uint32_t *ids;               /* [sequences * stride + 1]; once cut, inputs [sequences][S] */
    uint8_t *marks;
    uint16_t *sources;
    int32_t *targets, *first;    /* [sequences][S] */
    int64_t scored;              /* targets scored in this rank's part */
    uint64_t *source_tokens;     /* consumed since feed_open, by source; this rank's part */
    size_t source_count;
    /* A pipe: the ranks' parts; on rank 0 a whole step, [global_batch * stride + 1]. */
    struct deal *parts;
    uint32_t *step_ids;
    uint8_t *step_marks;
    uint16_t *step_sources;
    char *message;               /* what is dealt to one rank */
    size_t message_size;
};

/* Opens the input. Collective; all ranks fail together. 0 or -1. */
int feed_open(struct feed *f, struct comm *comm, const struct feed_options *o);

/* Bytes of the buffers of a rank with `sequences` of a step's; all: it deals out a pipe's. */
uint64_t feed_bytes(int64_t sequences, int64_t seq_length, int64_t all);

/* Later steps have another part of the sequences, at most as many as at first. Collective. 0 or -1. */
int feed_deal(struct feed *f, int64_t global_batch, int64_t first, int64_t sequences);

/*
 * Goes to `position` of the stream and compares its chain with `chain`: another
 * one is STATUS_INPUT (the data is not what it was). Collective. 0 or -1.
 */
int feed_seek(struct feed *f, uint64_t position, uint64_t chain);

/* Reads the step at f->position and moves on: 1, 0 when the data ends before a whole step, -1. Collective. */
int feed_next(struct feed *f);

/* The micro-batch of `sequences` sequences beginning at this rank's `index`-th. */
struct batch feed_batch(const struct feed *f, int64_t index, int64_t sequences);

/* The chain at f->position; on rank 0 (elsewhere 0). 0 or -1. */
int feed_chain(struct feed *f, uint64_t *chain);

/*
 * Tokens that steps can have of the whole input over all epochs, in which a ramp and the run's length
 * count (of packed sequences S each); UINT64_MAX when unknown. And of the part before a position.
 */
uint64_t feed_trainable(const struct feed *f);
uint64_t feed_trained(const struct feed *f, uint64_t position);

void feed_close(struct feed *f);

#endif

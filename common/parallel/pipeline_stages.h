#ifndef PARALLEL_PIPELINE_STAGES_H
#define PARALLEL_PIPELINE_STAGES_H

#include "model/config.h"
#include "model/decoder.h"
#include "model/params.h"
#include "parallel/pipeline_table.h"

/*
 * A model's layers cut into stages * chunks pieces of about equal cost: FLOPs of a sequence as
 * decoder_flops counts them (experts that are active), embeddings counted with the first layer,
 * final norm and head with the last. Every piece has a layer.
 */
struct pipeline_stages {
    int stages, chunks;
    struct model_piece
        *piece; /* [stages * chunks], ascending; piece c * stages + s is chunk c of stage s */
    double *forward, *input, *weight; /* [stages * chunks] FLOPs of each kind of work */
};

/* recompute [stages], or NULL: none. -1 (STATUS_USAGE): more pieces than layers. */
int pipeline_stages_make(const struct config *c, int stages, int chunks, int64_t seq_length,
                         const enum recompute *recompute, struct pipeline_stages *out);
void pipeline_stages_release(struct pipeline_stages *s);

/* The chunks of one stage, [chunks]: the pieces of its model_part. */
void pipeline_stage_pieces(const struct pipeline_stages *s, int stage, struct model_piece *out);

/*
 * The bubble that is to be expected: the share of all stages' time that is idle when a table of
 * as many stages and chunks runs, messages taking no time. Uneven stages count.
 */
double pipeline_stages_bubble(const struct pipeline_stages *s, const struct pipeline_table *t);

#endif

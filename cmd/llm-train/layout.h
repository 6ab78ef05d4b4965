#ifndef LLM_TRAIN_LAYOUT_H
#define LLM_TRAIN_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/decoder.h"
#include "model/params.h"
#include "parallel/grid.h"
#include "parallel/pipeline_stages.h"
#include "parallel/pipeline_table.h"
#include "parallel/tree.h"

/*
 * Which part of the model and of the data one rank has. Sequences are dealt over the data and
 * expert axes together; ranks that differ on the others only have the same sequences.
 */
struct layout {
    int ranks, rank;
    int size[AXES];
    enum axis order[AXES];
    int coordinate[AXES];
    int zero;
    bool sequence_parallel;

    enum pipeline_schedule schedule;
    int chunks;                     /* pieces a stage */
    int micros;                     /* micro-batches of this rank in a step */
    struct pipeline_stages stages;
    struct pipeline_table table;
    double bubble;                  /* predicted */
    enum recompute *recompute;      /* [stages] */
    int *slots, weight_slots;       /* of decoder_options */
    struct model_part part;
    struct model_piece *piece;      /* [chunks] */

    int deal_size, deal_rank;       /* among the ranks that sequences are dealt over */
    int groups;                     /* G */
    struct tree_run run;            /* this rank's reduce groups */
    int64_t first, sequences;       /* its sequences of a step */

    /* Groups of ranks; NULL: of this one alone. Only once connected. */
    struct grid grid;
    struct comm *tensor, *context, *expert, *pipeline;
    struct comm *dense;             /* ranks that reduce tensors all of them hold, in leaf order */
    struct comm *experts;           /* … of experts, where experts are dealt out; else NULL */
    struct comm *tied;              /* first and last stage of a tied embedding; NULL */
    struct comm *deal;              /* ranks that share validation's sequences */
};

/*
 * From the options and the configuration, by arithmetic alone, for `rank` of `ranks`. groups 0: as
 * many as the data is dealt over. Dies on what cannot be, naming what can.
 */
void layout_make(struct layout *l, const struct config *c, int ranks, int rank, int64_t seq_length,
                 int64_t groups);

/* Deals the step's sequences. Dies when they do not divide. */
void layout_deal(struct layout *l, int64_t global_batch, int64_t micro_batch);

/*
 * Both for rank 0, where it may turn out that such a layout cannot be: -1 with a record that names
 * what can, and nothing in *l. To look at many layouts (--plan).
 */
int layout_try(struct layout *l, const struct config *c, int ranks, int64_t seq_length, int64_t groups,
               int64_t global_batch, int64_t micro_batch);

/*
 * The same without the table and what hangs on it: bubble and slots stay 0, and a schedule that wants
 * other numbers of micro-batches is not refused. Cheap however many there are.
 */
int layout_outline(struct layout *l, const struct config *c, int ranks, int64_t seq_length, int64_t groups,
                   int64_t global_batch, int64_t micro_batch);

/* A layout that was made and dealt, not connected, as another rank has it. Cheap. 0 or -1. */
int layout_move(struct layout *l, int rank, int64_t global_batch, int64_t micro_batch);

/* The sequences of another rank. */
void layout_sequences(const struct layout *l, int rank, int64_t global_batch, int64_t *first,
                      int64_t *count);

/* Makes the groups. tied: the model's embedding and head are one. Collective. 0 or -1. */
int layout_connect(struct layout *l, struct comm *world, bool tied);
void layout_release(struct layout *l);

/* Does this rank stand for the sequences it was dealt (others have them, too)? */
bool layout_counts(const struct layout *l, int rank);

/* Does this rank have the losses of its sequences (a context rank: its part of them)? */
bool layout_has_loss(const struct layout *l, int rank);

/* Exact FLOPs of a sequence, each stage with its recomputation. */
void layout_flops(const struct layout *l, const struct config *c, int64_t seq_length, struct flops *out);

/* "TP 2 × PP 2 × DP 2", and what holds of the bits. */
const char *layout_text(const struct layout *l);
const char *layout_promise(const struct layout *l);

#endif

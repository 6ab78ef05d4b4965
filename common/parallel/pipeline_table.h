#ifndef PARALLEL_PIPELINE_TABLE_H
#define PARALLEL_PIPELINE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Pipeline schedules as tables: for every stage the tasks it does, in order. One engine
 * runs any of them, one simulation predicts their time. The model's layers are cut into
 * stages * chunks pieces; piece c * stages + s is chunk c of stage s (only the
 * interleaved schedule has more than one chunk).
 */
enum pipeline_schedule {
    PIPELINE_GPIPE,       /* all forwards, then all backwards (Huang et al., 2019) */
    PIPELINE_1F1B,        /* one forward, one backward (Narayanan et al., 2019) */
    PIPELINE_INTERLEAVED, /* 1F1B over several chunks a stage (Narayanan et al., 2021) */
    PIPELINE_ZERO_BUBBLE, /* ZB-H1 (Qi et al., 2023): weight gradients fill the gaps */
    PIPELINE_SCHEDULES
};
const char *pipeline_schedule_name(enum pipeline_schedule s); /* "gpipe", "1f1b", … */

enum pipeline_work {
    PIPELINE_FORWARD,
    PIPELINE_BACKWARD, /* gradients of inputs and weights */
    PIPELINE_INPUT,    /* of inputs alone: what the stage before waits for */
    PIPELINE_WEIGHT    /* of weights alone */
};

struct pipeline_task {
    uint8_t work; /* enum pipeline_work */
    int16_t chunk;
    int32_t micro; /* micro-batch */
};

struct pipeline_table {
    int stages, chunks, micros;
    int *count;                  /* [stages] */
    struct pipeline_task **task; /* [stages][count] */
};

/*
 * Makes the table of a schedule. Weight gradients of a chunk are in ascending order of
 * micro-batches on every stage, in every schedule. -1 (STATUS_USAGE): interleaving wants
 * chunks >= 2 and micros a multiple of stages; the others want one chunk.
 */
int pipeline_table_make(enum pipeline_schedule s, int stages, int chunks, int micros,
                        struct pipeline_table *out);
void pipeline_table_release(struct pipeline_table *t);

/*
 * Is it whole (every micro-batch forward and backward once on every piece, its weight pass
 * behind its input pass, weights in ascending order) and free of deadlock when sends are
 * not waited for? 0, or -1 (STATUS_FAILED) naming the first fault.
 */
int pipeline_table_check(const struct pipeline_table *t);

/* Seconds of each kind of work of every piece, [stages * chunks], and of handing on a micro-batch. */
struct pipeline_costs {
    const double *forward, *input, *weight; /* backward takes input + weight */
    double transfer;
};

struct pipeline_time {
    double seconds; /* from the first forward to the last task's end */
    double bubble;  /* the share of all stages' time that is idle */
    int *alive;     /* [stages], filled unless NULL: most micro-batches (times chunks) whose
                       activations a stage holds, from forward until its last backward task */
};

/* Runs the table on paper. The table has passed pipeline_table_check. */
void pipeline_simulate(const struct pipeline_table *t, const struct pipeline_costs *c,
                       struct pipeline_time *out);

/*
 * Cuts n items (embedding, layers, head, each with its cost) into `pieces` contiguous runs,
 * none empty, whose costliest is as cheap as can be; of equals the one whose first runs are
 * longest. begin [pieces + 1]. n >= pieces.
 */
void pipeline_split(const double *cost, int n, int pieces, int *begin);

#endif

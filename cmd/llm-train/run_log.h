#ifndef LLM_TRAIN_RUN_LOG_H
#define LLM_TRAIN_RUN_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/vec.h"
#include "json/json.h"

/*
 * A run's log (--log) read back: every number of its step, valid and tensor_health events as a series
 * over steps. Where a run was resumed from an earlier step, what it then did counts.
 */
struct point {
    int64_t step;
    double value;
};
struct points VEC_BODY(struct point);

/*
 * Names: "loss" of a step; "valid/loss", of a source "valid/bits_per_byte/NAME"; of a tensor group
 * "health/update_ratio/qkv 3".
 */
struct series {
    char *name;
    struct points points; /* steps ascend */
};

/* Something that happened: a save, a skipped step, a rewind, a change of precision, an end. */
struct mark {
    int64_t step;
    char *kind, *text; /* owned */
};

struct run_log {
    char *name; /* of the file, without folder and suffix */
    struct json_doc start; /* its last start event; root NULL: none */
    int64_t steps;         /* the last one */
    VEC(struct series) series;
    VEC(struct mark) marks;
    double seconds; /* of all steps, those done twice included */
    size_t next;    /* private */
};

/*
 * A last line without its end is passed over: the run may be writing it. 0, or -1: STATUS_INPUT names
 * the line that is no event, or says that the file has no steps.
 */
int run_log_read(struct run_log *r, const char *path);
void run_log_release(struct run_log *r);

/* NULL: the run has none of that name. */
const struct series *run_log_series(const struct run_log *r, const char *name);

#endif

#ifndef LLM_TRAIN_REPORT_H
#define LLM_TRAIN_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "cmd/llm-train/tensorboard.h"

/*
 * What a run says while it goes on: JSON lines for programs (CLI.md), lines on
 * stderr and a meter for people. Rank 0 alone calls these.
 */
struct report {
    uint64_t steps;             /* of the whole run; UINT64_MAX unknown */
    double flops_per_token;     /* forward and backward */
    double hardware_flops_per_token; /* recomputation added */
    double peak;                /* measured FLOP/s of all threads of all ranks */
    int64_t log_every;
    const char *precision;      /* that has begun since the last step event, or NULL */
    struct tensorboard *board;  /* NULL: none */
    double last_line;           /* when the last line for people was written */
    /* Sums since the last step event, when not every step is logged. */
    double seconds, cpu_seconds, wait_seconds;
    uint64_t tokens_done;
};

struct validate_result;
struct dpo_figures;

struct step_figures {
    uint64_t step, position;
    int64_t batch;              /* sequences of this step */
    uint64_t tokens;            /* in this step */
    int64_t scored;             /* targets */
    double loss, z_loss;        /* means over the scored targets; z_loss without its coefficient */
    double router_aux_loss, router_z_loss; /* means over micro-batches; aux -1: no experts */
    const struct dpo_figures *preference; /* NULL: not --dpo */
    double lr, grad_norm;
    int64_t saturated;          /* rounded operands beyond their scale; -1: not in FP8 */
    double seconds;
    double cpu_seconds;         /* of rank 0's threads together */
    double wait_seconds;        /* that rank 0 waited for other ranks */
};

void report_start(struct report *r, int progress, uint64_t first_step);
int report_step(struct report *r, const struct step_figures *f);
int report_skip(struct report *r, uint64_t step, uint64_t position, const char *why);
int report_valid(struct report *r, uint64_t step, const struct validate_result *v);
int report_save(struct report *r, uint64_t step, const char *path, const char *state_hash, double seconds,
                double stopped);
int report_not_saved(uint64_t step, const char *error);
/* Memory of the ranks, in bytes: the largest of each. */
struct memory_figures {
    uint64_t arenas, planned, measured; /* measured: the peak, less what was there at the start */
    uint64_t step_allocations;          /* how many, within all steps but the first */
    int64_t heap_growth;                /* since the first step */
};
int report_memory(const struct memory_figures *f);
int report_end(struct report *r, int status, uint64_t step, const char *why);

#endif

#ifndef LLM_TRAIN_PLAN_PRINT_H
#define LLM_TRAIN_PLAN_PRINT_H

#include "cmd/llm-train/plan_time.h"

/* What --plan says of a run; what needs a machine is 0 without one. */
struct plan {
    int ranks;
    double parameters, active;         /* active: that one token uses */
    double flops_per_token, forward_per_token, again_per_token;
    double tokens_per_step, tokens;    /* tokens: of the run; 0: no length given */
    double bubble;                     /* share of the stages' time that is idle */
    struct memory_plan memory;         /* of the rank that needs most */

    struct plan_time time;
    double nodes, node_bytes;
    bool fits;
    double peak, rate;                 /* operations/s of a rank: at most, and of the plan, with what is redone */
    double mfu, hfu, tokens_per_second;
};

/* Operations a second of a rank at most, in t's precision. t has a machine. */
double plan_peak(const struct trainer *t);

/* The components of a step, in the order of plan_time.h; how many. */
struct plan_component {
    const char *name, *text;
    double seconds;
};
enum { PLAN_COMPONENTS = 11 };
int plan_components(const struct plan_time *s, struct plan_component out[PLAN_COMPONENTS]);

/* --plan --compute F --machine, without a model. On standard output. */
void plan_compute(const struct machine_file *m, double operations, double nodes);

#endif

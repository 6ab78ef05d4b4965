#ifndef LLM_TRAIN_HEALTH_H
#define LLM_TRAIN_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "comm/comm.h"

/*
 * Which rank holds the others up. Every rank counts the seconds of its steps in which it waited for
 * others; what is left, it computed. Each exchange sends 8 bytes a rank, and is waited for only at
 * the next one, when it has long arrived: no step takes longer for it.
 */
struct rank_seconds {
    float compute, wait;
};

struct health {
    struct comm *world;
    struct comm_request *request;
    struct rank_seconds mine, sent, *all; /* since the last exchange; what is under way; [ranks] */
    int64_t steps, steps_sent;            /* in those */
    /* Rank 0 alone. */
    char (*host)[64];                     /* [ranks] */
    double (*total)[2];                   /* [ranks]: compute, wait */
    float *sorted;
    int *kind, kinds;                     /* [ranks]: ranks of one kind do equal work */
    uint64_t step;                        /* of the last exchange */
    int64_t total_steps;
    int slow;                             /* the rank that was slow last time; -1: none */
    int64_t slow_for, told_at;            /* exchanges in a row */
};

/*
 * kind: from 0 on; ranks of one kind do equal work (a stage of the pipeline) and are compared with each
 * other alone. Collective. 0 or -1.
 */
int health_begin(struct health *h, struct comm *world, int kind);

/*
 * Behind a step that took `seconds`, of which this rank waited `wait`. exchange (the same on all
 * ranks): tells the others, and looks at what they told before. Rank 0 says and logs ("slow") which
 * rank computes more than 1.5 times the median of its kind for five exchanges in a row. 0 or -1.
 */
int health_step(struct health *h, uint64_t step, double seconds, double wait, bool exchange);

/* Rank 0 sums the run up: a line, and the event "health". Collective. 0 or -1. */
int health_end(struct health *h);
void health_release(struct health *h);

#endif

#ifndef LLM_TRAIN_PLAN_BEST_H
#define LLM_TRAIN_PLAN_BEST_H

#include "base/str.h"
#include "cmd/llm-train/plan_time.h"
#include "cmd/llm-train/train.h"

/*
 * --plan best: of all layouts of a run on so many ranks, those that take the least time of what fits
 * into the machine's memory. What the command line says of a layout stays as it is; what a preset or
 * checkpoint says of it does not (but for the checkpoint's reduce groups). Looked at are:
 *
 *   tensor, pipeline, context (where all layers attend alike), expert (of models with experts)
 *              divisors of the ranks; data gets what is left
 *   schedule   1f1b, zero-bubble, interleaved with 2 to 8 chunks
 *   micro-batch  divisors of a reduce group's sequences
 *   ZeRO 0 to 3, sequence parallelism; which ranks are neighbours: data's or the pipeline's
 *   recompute  none, selective, full; or full on as few of the first stages as memory demands
 *
 * Nothing that could be faster is left out: a layout is passed over only where the least that it can
 * take (plan_time_least) is more than what the best ones take. Of those that differ in ZeRO and rank
 * order alone only the best is kept.
 */
struct plan_choice {
    int size[AXES];
    enum pipeline_schedule schedule;
    int chunks;
    int64_t micro_batch;
    int zero;
    bool sequence_parallel;
    bool pipeline_first;   /* rank order: pipeline before data; else as asked, or the default */
    int full;              /* stages that recompute in full; -1: as --recompute asks */
    enum recompute rest;   /* … and what those behind them do */
};

struct plan_found {
    struct plan_choice choice;
    struct plan_time time;
    struct memory_plan memory;
    bool fits;
};

struct plan_family {       /* alike but for ZeRO */
    struct plan_choice choice;
    double least;          /* seconds */
};

enum { PLAN_FOUND = 10 };
#define PLAN_PIPELINE_FIRST "tensor,context,expert,pipeline,data"

struct plan_search {
    struct trainer *t;
    int ranks;
    int64_t groups;        /* asked for; 0: as many as the data is dealt over */
    struct train_options asked;
    bool measured;         /* the machine, between begin and search */
    struct str recompute;  /* what options.recompute points to */
    struct {
        struct plan_family *data;
        size_t len, cap;
    } families;
    struct plan_found best[PLAN_FOUND]; /* ascending */
    int count;
    /* Layouts looked at; that cannot be, are not run by this version, do not fit, are slower at least. */
    int64_t looked_at, undivided, not_run, too_large, slower;
    double least_bytes;    /* of a node, of what does not fit */
};

/*
 * Before t has a layout: sets the options to one that can be, so that a machine may be measured by it.
 * Dies (STATUS_USAGE) where there is none. s: zeroed.
 */
void plan_best_begin(struct plan_search *s, struct trainer *t, int ranks);

/* Searches and prints. Dies (STATUS_FAILED) where nothing fits. */
void plan_best(struct plan_search *s);

/*
 * One layout, whether it fits or not. 0; -1 when it cannot be. The options are the choice's then.
 */
int plan_look(struct plan_search *s, const struct plan_choice *c, struct plan_found *out);

/* What --recompute is told of it: adds "full,full,none". */
void plan_add_recompute(const struct plan_search *s, const struct plan_choice *c, struct str *out);

/* Bytes of a node, of ranks that need so much. */
double plan_node_bytes(const struct plan_search *s, const struct memory_plan *m);

/* plan_best_print.c: what was found, on standard output. */
void plan_best_print(struct plan_search *s);

#endif

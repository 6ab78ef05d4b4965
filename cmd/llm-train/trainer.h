#ifndef LLM_TRAIN_TRAINER_H
#define LLM_TRAIN_TRAINER_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/threads.h"
#include "checkpoint/new_tokens.h"
#include "cmd/llm-train/axes.h"
#include "cmd/llm-train/feed.h"
#include "cmd/llm-train/health.h"
#include "cmd/llm-train/layout.h"
#include "cmd/llm-train/measured.h"
#include "cmd/llm-train/precision.h"
#include "cmd/llm-train/report.h"
#include "cmd/llm-train/schedule.h"
#include "cmd/llm-train/spike.h"
#include "comm/comm.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/params.h"
#include "optim/optimizer.h"
#include "parallel/reduce.h"
#include "tokenizer/tokenizer.h"

struct weights;
struct pipeline;
struct block_sums;
struct tensor_health;
struct gradient_group;
struct losses;
struct checkpoint_writer;
struct checkpoint;
struct training_state;
struct model_source;
struct dpo;
struct machine_file;
struct plan_time;

/*
 * arrays.c: master weights and, but for frozen tensors, both moments. ZeRO 0: all of the part, flat; else only the runs
 * that this rank owns, one behind the other, and the weights that the decoder reads are in
 * `weights` (in FP32 the master weights themselves).
 */
struct state {
    struct arena arena;
    bool flat;
    float *master, *m, *v;     /* [elements]: flat, or of the runs; master NULL: in weights; m, v: one
                                  trained run behind the other */
    void *act;                 /* flat: act [elements], or NULL (FP32) */
    struct weights *weights;   /* NULL: flat */
    struct optimizer_run *run; /* what this rank updates */
    struct reduced_run *at;    /* [runs]: its elements */
    int runs;
    bool fp32;                 /* all along */
};

/* Everything of one run on one rank. */
struct trainer {
    struct comm *world;
    const struct machine_file *machine; /* of --plan --machine, or NULL */
    bool pinned;
    cpu_set_t cpus;                /* that the process had before it was pinned */
    struct threads *pool;
    int threads;
    const struct kernels *kernels;
    enum precision precision;            /* in force, with `phase` */
    struct precision_schedule precisions;
    const struct precision_phase *phase; /* one of those */
    struct fp8_options fp8;

    struct config config;
    struct params whole;           /* the whole model's table */
    struct layout layout;
    struct params params;          /* this rank's part of it */
    struct tokenizer *tokenizer;   /* NULL: none given */
    uint8_t fingerprint[16];       /* of the tokenizer; zero: none */
    struct new_tokens new_tokens;  /* that --init's weights do not know; vocabulary.c */
    bool branches;                 /* --branch, and nothing of it is saved so far */
    struct training_state *state;  /* what the checkpoint records */
    struct checkpoint *from;       /* the checkpoint resumed from; closed once loaded */
    const char *save;              /* directory of checkpoints, or NULL */
    int64_t saved, saving;         /* steps of the newest one there, and of the one begun last; -1: none yet */
    struct checkpoint_writer *writer; /* NULL: no --save */

    int64_t seq_length, micro_batch, global_batch, groups; /* global_batch: behind a ramp */
    int64_t batch;                 /* of the step that was dealt out last */
    struct state state_arrays;     /* weights, moments and the runs that this rank updates */
    struct decoder *decoder;
    struct reducer *reducer, *expert_reducer; /* of the tensors that all hold; of experts, or NULL */
    struct pipeline *pipeline;
    struct gradient_group *gradient_group;    /* [reduce groups of this rank] */
    struct feed feed;
    struct run_length length;
    struct dpo *dpo;               /* --dpo, or NULL */
    struct spike_watch spikes;     /* on_spike.c */
    int64_t spikes_in_row, rewinds;
    struct report report;
    struct health health;
    struct tensor_health *tensor_health; /* NULL: --health-every 0 */
    struct axes axes;
    uint64_t step;                 /* done */
    uint64_t scored;               /* targets trained on so far */
    struct block_sums *block_sums;
    struct block_sum *sum_of;      /* [block_sums_count] */
    double *sums;
    struct sequence_loss *mine;    /* [sequences] */
    struct losses *losses;
    double deadline;               /* sys_seconds() of --time-limit, or 0 */
    struct measured_memory predicted; /* of this rank, by the plan */
    struct plan_time *planned;     /* a step by the plan; NULL: only planned, or not yet */
    struct measured measured;      /* and as they were */
    uint64_t memory_before;        /* resident before anything was taken */
    uint64_t memory_program;       /* of that, what libraries, checks and tokenizer left resident */
    struct {
        bool started;              /* the first step is done */
        uint64_t allocations;      /* within later steps, from their data to the new weights */
        uint64_t heap;             /* in use behind the first */
    } later;
    uint64_t memory_checked;       /* and the most that was resident until then */
    struct {
        uint64_t steps;            /* timed: all but the first */
        double seconds;
        bool started;
    } profile;                     /* --profile */
};

/*
 * setup.c: from options to a trainer that can step. Collective; dies with an agreed
 * status.
 */
void trainer_setup(struct trainer *t, struct comm *world, char **shards, int shard_count);
void trainer_release(struct trainer *t); /* also of one that was only planned */

/* Prints the plan of this run on `ranks` ranks, without shards; machine may be NULL. */
void trainer_plan(struct trainer *t, struct comm *world, int ranks, const struct machine_file *machine);

/* Why this version does not run the precisions by such a layout; NULL: it does. */
const char *trainer_misfit(const struct trainer *t, const struct layout *l);

/* step.c */
enum step_result { STEP_DONE, STEP_SKIPPED, STEP_DATA_ENDED, STEP_NOT_READ, STEP_FAILED };

/* One optimizer step; *stop: some rank wants to end the run behind it. Collective. */
enum step_result trainer_step(struct trainer *t, bool *stop);

/* dropout.c: dies (STATUS_INPUT) where the model's configuration has dropout and --dropout 0 is not said. */
void trainer_check_dropout(const struct trainer *t);

/* deal.c: another batch size where the ramp wants it; collective, 0 or -1. Checks all sizes; dies. */
int trainer_set_batch(struct trainer *t);
void trainer_check_ramp(struct trainer *t);

/* gradients.c: the reducers, and where a micro-batch's gradients go. 0 or -1. */
int trainer_make_reducers(struct trainer *t);
void trainer_free_reducers(struct trainer *t);
int trainer_make_pipeline(struct trainer *t);
void trainer_plan_reducers(const struct trainer *t, const struct layout *l, const struct params *p,
                           bool shared, struct reducer_memory *m);

/* state.c: checkpoints. Collective. 0 or -1. */
int trainer_restore(struct trainer *t);       /* arrays, step and data position from t->from */
int trainer_read_state(struct trainer *t);    /* of these, what lies in files: arrays, FP8 history, spikes */
void trainer_find_checkpoint(struct trainer *t); /* --resume: sets t->from and takes its options */
/* --branch: the run's length and schedule, from where its trunk stands. Dies on what cannot be. */
void trainer_place_branch(struct trainer *t);
void trainer_check_save_dir(struct trainer *t);
void trainer_init_weights(struct trainer *t);

/*
 * save.c. Saving goes on beside the next steps; `last`: returns once it is whole. Nothing when this
 * step is saved already. poll: behind every step. All collective. 0 or -1.
 */
int trainer_make_writer(struct trainer *t);
int trainer_save(struct trainer *t, bool last);
int trainer_poll_save(struct trainer *t);
int trainer_finish_save(struct trainer *t);

/* phase.c: the precision in force. */
void trainer_set_precisions(struct trainer *t);  /* from the options; dies on what cannot be */
void trainer_begin_phase(struct trainer *t);     /* weights are not published yet */
void trainer_publish_weights(struct trainer *t); /* the decoder's copy, from the master weights */
void trainer_change_phase(struct trainer *t);    /* before a step: when another one begins. Collective */
int trainer_end_fp8_step(struct trainer *t, uint64_t *saturated); /* before the update. Collective */
uint64_t trainer_fp8_saturated(const struct trainer *t, int64_t tensor); /* that no other rank counts, before that */
void trainer_drop_fp8_step(struct trainer *t);   /* instead, where none is made */
int trainer_restore_fp8(struct trainer *t);      /* the history in t->from, if there is one. 0 or -1 */
bool trainer_has_fp8_history(const struct trainer *t);
/* FP8 is for training: validation runs in BF16, so that llm-eval gives the same number. */
void trainer_validate_precision(struct trainer *t, bool begin);

/* vocabulary.c: a tokenizer that was extended since the weights of --init. 0 or -1. */
char *trainer_init_path(void); /* of --init: the directory, or its newest checkpoint; allocated, or NULL */
int trainer_grow_vocabulary(struct trainer *t); /* config and params get rows for new tokens */
int trainer_load_weights(struct trainer *t, const struct model_source *source);

/* validate.c */
int trainer_validate(struct trainer *t);

/* profile.c: prints and logs --profile's table. Rank 0 alone. 0 or -1. */
struct profile_figures {
    uint64_t steps;
    double thread_seconds; /* of all steps and threads */
    double peak;           /* FLOP/s of a thread */
};
int profile_report(const struct trainer *t);

/* figures.c: memory of all ranks, planned and measured, and the pipeline's bubble. Collective. 0 or -1. */
int trainer_report_ranks(const struct trainer *t);

/* loop.c: steps until the end; the status the run leaves with. */
int trainer_run(struct trainer *t);

/* plan.c */
struct decoder_options trainer_decoder_options(const struct trainer *t, const struct layout *l);
/*
 * Bytes of one rank. total is what lies in arenas, to the byte; resident is the most that the
 * process holds beyond what MPI took at its start: with its program (libraries, tokenizer, data
 * buffers; measured in this process) and what it maps of other ranks' gradients.
 */
struct memory_plan {
    uint64_t weights, act_weights, moments, gradients, activations, logits, scratch, tables, total;
    uint64_t program, mapped, resident;
};
/* Of the rank whose layout and part of the model these are. */
void memory_plan(const struct trainer *t, const struct layout *l, const struct params *p,
                 struct memory_plan *m);
void memory_measure_program(struct trainer *t); /* once all is loaded and no arena is there */
/* Of a run's own plan, in the kinds that can be measured. */
struct measured_memory memory_kinds(const struct memory_plan *m);
struct measured_memory memory_taken(const struct trainer *t); /* and what this run has really taken */
void plan_print(const struct trainer *t, int ranks); /* plan_print.c: --plan, on standard output */
void plan_log(const struct memory_plan *m, const struct trainer *t);

/* All ranks leave with this rank's error record, or with another's. */
void trainer_agree_or_die(struct trainer *t, int result);

#endif

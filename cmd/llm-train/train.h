#ifndef LLM_TRAIN_TRAIN_H
#define LLM_TRAIN_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/opt.h"

enum plan_kind { PLAN_NO, PLAN_YES, PLAN_BEST };

/* What the command line says (options.c). Lengths that may be in tokens stay text until resolved. */
struct train_options {
    int64_t ranks;
    const char *hosts;
    const char *model, *init, *resume, *branch, *tokenizer, *save;
    int64_t save_every, keep_last, keep_every;
    const char *valid;
    int64_t valid_every;
    uint64_t valid_tokens;
    int64_t seq_length, micro_batch, global_batch;
    uint64_t steps, tokens, stop_at;
    int64_t epochs;
    double lr, min_lr;
    const char *warmup, *decay;
    int schedule, wsd_decay_style;
    const char *ramp_batch;
    const char *extend_vocabulary, *weight_decay_skip, *freeze, *lora_targets, *report;
    int init_method; /* enum init_method */
    double dropout;  /* -1: not given */
    int64_t lora, health_every;
    double lora_alpha, dpo_beta;
    bool dpo, json, curve;
    double weight_decay, beta1, beta2, eps, clip, z_loss, init_std;
    double moe_aux_loss_coeff, moe_z_loss_coeff;
    const char *precision;
    int64_t fp8_margin, fp8_amax_history_len;
    int fp8_amax_compute_algo, fp8_recipe;
    int64_t tensor_parallel, pipeline_parallel, context_parallel, expert_parallel, zero,
        virtual_stages;
    bool sequence_parallel;
    const char *pipeline_schedule, *rank_order;
    int64_t reduce_groups;
    const char *recompute;
    bool grad_reduce_in_bf16;
    bool document_mask;
    const char *skip;
    int on_spike;
    int64_t spike_window, spike_limit;
    double spike_threshold;
    int64_t log_every;
    const char *tensorboard, *time_limit;
    double timeout;
    int plan; /* enum plan_kind */
    bool profile, self_check;
    const char *machine, *rank_map, *topology;
    double compute; /* --plan: operations of the run; 0: not given */
};
extern struct train_options options;
extern const struct opt_tool llm_train;

/* Options a checkpoint records and --resume takes from it: a NULL-terminated list of names. */
extern const char *const recorded_options[];

/* Dies (STATUS_USAGE) on what this release does not do, and on values that contradict each other. */
void options_check(int operands);

/*
 * A length "N" (steps) or "Ntok" (tokens). In steps it is a multiple of one global
 * batch's tokens, which *in_tokens says. 0 or -1.
 */
int parse_length(const char *text, double *value, bool *in_tokens);

/* "90", "90s", "15m", "2h", "1d", "HH:MM:SS" in seconds. 0 or -1. */
int parse_duration(const char *text, double *seconds);

/* "none", "selective", "full": of an enum recompute, as --recompute has it. */
const char *recompute_name(unsigned recompute);

/* What stage `stage` recomputes (enum recompute) by --recompute's list; -1: not a name. */
int recompute_of_stage(const char *list, int stage);

/* Is `step` inside one of the ranges of "A-B[,…]"? A bad list dies at options_check. */
bool step_is_skipped(const char *ranges, uint64_t step);

#endif

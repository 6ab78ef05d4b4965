#ifndef CMD_LLM_EVAL_EVAL_H
#define CMD_LLM_EVAL_EVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/opt.h"
#include "base/threads.h"
#include "checkpoint/model_source.h"
#include "cmd/validate.h"
#include "comm/comm.h"
#include "eval/request.h"
#include "kernels/kernels.h"
#include "model/decoder.h"
#include "parallel/grid.h"
#include "tokenizer/tokenizer.h"

/* llm-eval's parts: what the command line says, the model, and one file per mode. */

extern const struct opt_tool llm_eval;

struct eval_options {
    int64_t seq_length; /* 0: the checkpoint's, else the model's positions */
    bool document_mask, document_mask_given;
    bool rolling;
    int64_t stride; /* 0: the sequence length */
    const char *json;
    const char *generate, *prompts;
    int64_t max_new;
    double temperature, top_p, repetition_penalty;
    int64_t top_k, batch; /* texts decoded together */
    bool chat, interactive;
    const char *system; /* the system message of --chat */
    const char *mt_bench; /* questions to answer */
    struct opt_list stop;
    int precision; /* enum precision, when given */
    bool precision_given;
    int64_t ranks, tensor_parallel;
    const char *hosts;
    bool info;
    struct opt_list task, min_score;
    const char *data, *log_samples, *make_requests, *requests, *results, *words_command, *markdown;
    struct opt_list compare; /* further models */
    int64_t shots, limit;
    bool shots_given, limit_given;
};
extern struct eval_options options;

/* What the options ask for. */
enum eval_mode {
    MODE_SHARDS,
    MODE_TEXT,
    MODE_TASKS,
    MODE_INFO,
    MODE_MAKE_REQUESTS,
    MODE_REQUESTS,
    MODE_RESULTS
};
enum eval_mode options_mode(void);

/* Dies with a usage error on what does not go together or is not there yet. */
void options_check(char **operands, int count);

struct model {
    struct model_source source;
    const struct config *config;
    const struct params *params;
    const struct kernels *kernels;
    enum precision precision;
    struct threads *pool;
    struct arena weight_arena, act_arena;
    float *weights; /* [params.elements]; other than fp32: norms and biases only */
    void *act;      /* the precision's copy; == weights for fp32; arranged by the first decoder */
    bool *arranged; /* was there one? */
    struct tokenizer
        *tokenizer; /* NULL: the model has none that can be read; why: why_no_tokenizer */
    char *why_no_tokenizer;
    bool speaks; /* rank 0: messages to people come from it */
    /* part.c: what this rank holds of it, with whom, and the ranks that share the work. */
    struct grid grid;
    struct model_part part;
    struct params part_params;
    struct comm *tensor; /* NULL: all of it */
    struct comm *share;
};

/* Opens and loads it; every rank holds all of it, or its part of --tensor-parallel. 0 or -1. */
int model_open(struct model *m, const char *path, struct comm *comm);

/* Which part this rank holds: params are its own. Its weights, to flat [params.elements]. 0 or -1. */
int part_open(struct model *m, struct comm *comm);
int part_load(const struct model *m, float *flat);
void part_close(struct model *m);

/* Its configuration and tokenizer alone, no weights. 0 or -1. */
int model_open_tokenizer(struct model *m, const char *path);
void model_close(struct model *m);

/* A forward decoder for sequences of up to seq_length tokens, checked kernels, weights set. NULL on error. */
struct decoder *model_decoder(const struct model *m, int64_t seq_length);

/* --seq-length or its default, and --document-mask or its default. */
int64_t model_seq_length(const struct model *m);
bool model_document_mask(const struct model *m);

/* Does the shard's vocabulary fit the model, and its tokenizer the model's? 0 or -1 (STATUS_INPUT). */
int model_fits(const struct model *m, const struct shard_head *head, const char *name);

/* The modes; all ranks take part in scoring, rank 0 prints. 0 or -1. */
int score_shards(struct model *m, char **paths, int count, struct comm *comm);
int score_rolling(struct token_stream *s, const struct model *m, struct validate_result *out);
int generate(struct model *m);

/*
 * Answers requests: results in their order. Collective over comm, whose ranks (copies of the model) share the requests
 * by length and all get all results; the same bits whatever their number, the threads and the batch. Requests
 * with shared beginnings are computed as a tree (engine_score.c); generation is batched (engine_generate.c).
 */
int engine_run(struct model *m, const struct request *r, size_t n, struct comm *comm,
               struct result *out);
int64_t engine_max_length(const struct model *m); /* positions: --seq-length, or the model's */
int engine_score(struct model *m, const struct request *r, const size_t *which, size_t n,
                 struct result *out);
int engine_generate(struct model *m, const struct request *r, const size_t *which, size_t n,
                    struct result *out);

/* All requests answered, a result each; collective. And --requests: results on standard output. 0 or -1. */
int requests_answer(struct model *m, const request_list *requests, struct comm *comm,
                    result_list *out);
int run_requests(struct model *m, struct comm *comm);

/* --task, with --info, --make-requests or --results alone: m is NULL where no model is named. 0 or -1. */
int run_tasks(struct model *m, struct comm *comm);

#endif

#ifndef CMD_LLM_CONVERT_CONVERT_H
#define CMD_LLM_CONVERT_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"
#include "base/str.h"
#include "base/threads.h"
#include "base/vec.h"
#include "checkpoint/model_source.h"
#include "checkpoint/names.h"
#include "checkpoint/safetensors.h"

/* llm-convert's parts: command line, writers, models made of others, comparison, --info. */

extern const struct opt_tool llm_convert;

/* The names of --to and --from, in this order. */
enum kind {
    KIND_HF,
    KIND_CHECKPOINT,
    KIND_GGUF,
    KIND_SHARD,
    KIND_MEGATRON,
    KIND_LLM_C,
    KIND_NANOGPT,
    KIND_DS,
    KIND_LLAMA2_C,
    KIND_PEFT
};
#define KINDS "hf|checkpoint|gguf|shard|megatron|llm.c|nanogpt|ds|llama2.c|peft"

/* The names of --dtype, in this order. */
enum output_type { TYPE_FP32, TYPE_BF16, TYPE_FP16, TYPE_Q8_0 };
#define OUTPUT_TYPES "fp32|bf16|fp16|q8_0"

struct convert_options {
    int to, from; /* enum kind, when given */
    bool to_given, from_given;
    int dtype; /* enum output_type, when given */
    bool dtype_given;
    uint64_t max_shard_size;
    bool max_shard_size_given;
    bool verify, force, info, json, history;
    const char *tokenizer, *eos;
    bool average;
    const char *extend_vocabulary;
};
extern struct convert_options options;

/* What the command line asks for. */
struct route {
    enum kind from, to;
    char **input;
    size_t inputs;  /* 1; of --average more */
    double *weight; /* of --average: theirs, > 0 */
    const char *output;
};

/* Fills r, or dies with a usage error on what does not go together or is not there yet. */
void options_check(char **operands, int count, struct route *r);
const char *output_type_name(int type); /* "bf16" */

/* route.c: as options.from and .to say, or guessed; dies when neither says it. */
void route_find(char **operands, int count, struct route *r);
enum kind route_kind(const char *input); /* the same of one input */
const char *kind_name(enum kind kind);
bool kind_is_model(enum kind kind); /* else token data */

/* models.c: any model of r->input into r->output, or with --verify the two compared. 0 or -1. */
int models_convert(const struct route *r);

/*
 * Models made of others, as a model_source of their own. average_open: of all of r's inputs, which
 * must have one shape and tokenizer. extended_open: m (moved into it, and closed with it, also on an
 * error) with the tokenizer that extends its own. 0 or -1.
 */
int average_open(struct model_source *m, const struct route *r);
int extended_open(struct model_source *m, const char *tokenizer);

/* The model whose files and types such a one has: itself, if it is none of them. */
const struct model_source *source_base(const struct model_source *m);

/* Where a checkpoint's weights will be read in any order: verifies their checksums. 0 or -1. */
int source_check_sums(const struct model_source *m);

/* side.c: the files that model_source_files hands over, held. Pointers are owned. */
struct side_files VEC_BODY(struct tokenizer_file);
int
side_files_load(struct side_files *s, const struct model_source *m); /* 0 or -1; release anyway */
void side_files_release(struct side_files *s);

/*
 * The config.json of m's weights in that type: a Hugging Face directory's own (byte for byte unless
 * `changed`: type or vocabulary), else written anew, with the members of its own that we do not know.
 */
int side_config(const struct model_source *m, enum dtype type, bool changed, struct str *out);

/* A tensor of the output: which rows of which of ours, in which file. */
struct hf_tensor {
    int param;
    struct name_part part;
    int file;
    size_t plan;                      /* index among its file's tensors */
    const struct source_tensor *same; /* its bytes stand there already; NULL: they are made */
};

struct hf_file {
    char *name;
    struct tensor_plan *tensor;
    size_t tensors;
    struct str header;
    uint64_t bytes;
};

/*
 * How a model is laid out in a Hugging Face directory, or the adapters of one that has such in one of
 * PEFT: a function of table, types and shard size.
 */
struct hf_plan {
    struct hf_tensor *tensor; /* in the order of our table */
    size_t count;
    struct hf_file *file;
    int files;
    uint64_t data_bytes, parameters;
    enum dtype dtype; /* of the first */
};

/* Types: options.dtype, else those that a Hugging Face directory has, else fp32. */
void hf_plan_init(struct hf_plan *p, const struct model_source *m, uint64_t max_file);
void hf_plan_release(struct hf_plan *p);
void hf_plan_index(const struct hf_plan *p, struct str *out); /* model.safetensors.index.json */

/* Makes the files of the plan in dir and writes the weights into them. 0 or -1. */
int hf_write_weights(const struct hf_plan *p, const struct model_source *m, const char *dir);

/*
 * peft.c: is m to be written as a directory of PEFT, because its adapters stand apart? Appends its
 * adapter_config.json.
 */
bool peft_is(const struct model_source *m);
void peft_config(const struct model_source *m, struct str *out);

/* Writes the whole directory, visible when complete. 0 or -1. */
int hf_write(const struct model_source *m, const char *output);

/* As many threads as --threads says, else as there are CPUs; NULL: one. Freed with threads_free. */
struct threads *options_threads(void);

/*
 * Compares m with r->output: shape, every tensor (as r->output's types round it), the tokenizer, a
 * probe's logits. 0; or -1: STATUS_DIFFERS names the first difference.
 */
int verify(const struct model_source *m, const struct route *r);

/* Any model as a GGUF file, with its tokenizer and metadata (gguf_write.c). 0 or -1. */
int gguf_write(const struct model_source *m, const char *output);

/* Are m's weights, rounded as gguf_write does, those of the file? 0; or -1, as verify. */
int gguf_verify(const struct model_source *m, const char *output);

/* data.c: token data of another program into a shard, or back. 0 or -1. */
int data_convert(const struct route *r);

/* Any model as a checkpoint of step 0 in the directory of a run, fit to train from. 0 or -1. */
int checkpoint_write(const struct model_source *m, const char *output);
struct slice_limits checkpoint_limits(void); /* as --max-shard-size says */

/*
 * A checkpoint into the directory of a run, cut into files of --max-shard-size; compares the two, as
 * verify does. 0 or -1.
 */
int rewrite(const struct model_source *m, const char *output);
int rewrite_verify(const struct model_source *m, const char *output);

/* Prints what a path is. 0 or -1. */
int info(const char *path);

/* Prints a JSON object as lines: a member each, objects of a list on a line. 0 or -1. */
int info_print(const char *json, size_t n);

#endif

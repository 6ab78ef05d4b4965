#ifndef CHECKPOINT_MODEL_SOURCE_H
#define CHECKPOINT_MODEL_SOURCE_H

#include <stdint.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "model/config.h"
#include "model/params.h"
#include "tokenizer/tokenizer.h"

struct model_source;

/* A format other than those two: what reads it. */
struct model_reader {
    const char *kind; /* "gguf", "llama2.c" */
    /* As model_source_read, from any thread. */
    int (*read)(void *state, int param, int64_t offset, int64_t n, float *out);
    /* A model made of another: that one. NULL: it is made of none, and has the next two. */
    const struct model_source *(*base)(void *state);
    /* NULL: the base's. */
    struct tokenizer *(*tokenizer)(void *state); /* NULL with a record: none */
    int (*files)(void *state, int (*take)(void *arg, const char *name, const char *data, size_t n),
                 void *arg); /* as model_source_files */
    void (*close)(void *state);
};

/* A tensor as a Hugging Face directory stores it. */
struct source_tensor {
    const struct safetensors *file;
    const struct tensor_info *info;
};

/*
 * A MODEL of the command line: a Hugging Face directory (model.safetensors, or
 * model.safetensors.index.json with its shards; F32, BF16, F16, F64), a checkpoint, or a directory of
 * several checkpoints (the newest complete one), a GGUF file; or a llama2.c file. A checkpoint with
 * adapters, or a directory of PEFT (peft_source.h), is read as the model with them merged into its
 * weights (merged_source.h).
 */
struct model_source {
    char *path;                        /* of the directory or file that is read */
    const struct model_reader *reader; /* NULL: a Hugging Face directory or a checkpoint */
    void *state;                       /* the reader's */
    struct config config;
    struct params params;
    struct checkpoint *checkpoint; /* whose arrays are read; NULL: it is none */
    const struct checkpoint *trained; /* that the weights come from; with adapters merged as well; or NULL */
    struct safetensors *file;      /* Hugging Face: its shards */
    size_t files;
    struct source_tensor *tensor; /* of all of them, by name */
    size_t tensors;
    enum dtype dtype; /* of the first matrix */
};

/*
 * Opens it and checks that all tensors of the table are there, in shape, and nothing else.
 * 0, or -1: STATUS_FAILED (no such file), STATUS_INPUT (names the file and the tensor).
 */
int model_source_open(struct model_source *m, const char *path);
void model_source_close(struct model_source *m); /* also of {0} */

/* The same for a path said to be of a kind: "hf", "checkpoint", "gguf", "llama2.c", "peft"; NULL: as it looks. */
int model_source_open_as(struct model_source *m, const char *path, const char *kind);

/* Fill a model_source whose path is set: config, params, reader, state, dtype. 0 or -1. */
int gguf_source_open(struct model_source *m);
int llama2c_source_open(struct model_source *m);

/* Is it a llama2.c file, whose only mark is that its header's sizes make its own? */
bool llama2c_is(const char *path);

/* Hugging Face: the tensor of that name, or NULL (no error record). */
const struct source_tensor *model_source_stored(const struct model_source *m, const char *name);

/* What it is made of; NULL: of no other model. */
const struct model_source *model_source_base(const struct model_source *m);

/* Its tokenizer; NULL with a record: it has none that can be read. */
struct tokenizer *model_source_tokenizer(const struct model_source *m);

/*
 * Hands over the files that stand beside config.json and the weights in a Hugging Face directory of
 * this model: the tokenizer's, generation_config.json, chat templates; made where the source has them
 * in another form. take returns 0, or -1 to stop. 0 or -1.
 */
int
model_source_files(const struct model_source *m,
                   int (*take)(void *arg, const char *name, const char *data, size_t n), void *arg);

/* Reads all weights into flat [params.elements], gaps zero; a checkpoint's checksums are verified. 0 or -1. */
int model_source_load(const struct model_source *m, float *flat);

/* Elements [offset, offset + n) of a tensor of the table (a checkpoint's checksums are not looked at). 0 or -1. */
int
model_source_read(const struct model_source *m, int param, int64_t offset, int64_t n, float *out);

#endif

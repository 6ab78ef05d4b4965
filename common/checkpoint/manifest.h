#ifndef CHECKPOINT_MANIFEST_H
#define CHECKPOINT_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/str.h"
#include "checkpoint/slices.h"

/*
 * manifest.json of llm-checkpoint(5): what is in a checkpoint, where each slice lies, and the
 * training state. The same state gives the same bytes: no clock, host, path, rank or
 * thread in it. Its last member, "manifest_hash", is the XXH3-128 of all bytes before
 * that line, so every damaged or missing byte of it is found.
 */
struct named_value {
    char *name, *value;
};

struct source_tokens {
    char *name;
    uint64_t tokens;
};

/* How the ranks were laid out; what does not apply is 1 (zero: 0). */
struct training_layout {
    int64_t tensor, context, expert, data, pipeline;
    int64_t zero;
    char *schedule; /* of the pipeline; NULL is written as "" */
};

/* Options and layout as they were from this step on. */
struct option_change {
    int64_t step;
    struct named_value *options; /* those that changed (the first entry: all) */
    size_t count;
    struct training_layout *layout; /* NULL: as before */
};

/* Steps [first, last] whose data was consumed without an update. */
struct skipped_steps {
    int64_t first, last;
    char *why;
};

/* Everything but the arrays that decides how training goes on. All owned. */
struct training_state {
    int64_t step;                  /* optimizer steps done */
    uint64_t position;             /* tokens consumed of the stream, over all epochs */
    uint64_t chain;                /* token_stream_chain at the position */
    uint64_t epoch;                /* passes over the files that are complete */
    uint64_t scored;               /* targets trained on so far */
    struct source_tokens *sources; /* tokens consumed by source */
    size_t source_count;
    uint8_t fingerprint[16]; /* of the tokenizer; all zero: none known */
    uint64_t seed;
    int64_t reduce_groups;
    char *precision, *kernels, *blas; /* NULL is written as "" */
    struct named_value *options;      /* in force: names and values of the option table */
    size_t option_count;
    struct option_change *history;
    size_t history_count;
    struct skipped_steps *skipped;
    size_t skipped_count;
};

void training_state_release(struct training_state *t);

/* Members of an object: what a manifest says of them, for whoever shows it. */
struct json_writer;
void training_layout_put(struct json_writer *w, const struct training_layout *l); /* "tensor" … "schedule" */
void training_options_put(struct json_writer *w, const struct named_value *v, size_t n); /* "options" */
void training_skipped_put(struct json_writer *w, const struct training_state *t);        /* "skipped" */

void training_state_copy(struct training_state *to, const struct training_state *from);

/* Sets (adds) an option in force; adds tokens to a source; notes a change of options at `step`. */
void training_state_option(struct training_state *t, const char *name, const char *value);
void training_state_source(struct training_state *t, const char *name, uint64_t tokens);
void training_state_change(struct training_state *t, int64_t step,
                           const struct named_value *options, size_t n);
/* The layout from `step` on: an entry of the history when it differs from the one in force. */
void training_state_lay_out(struct training_state *t, int64_t step,
                            const struct training_layout *layout);
/* The layout in force, or NULL. */
const struct training_layout *training_state_layout(const struct training_state *t);
/* Notes that a step was skipped; one behind the last, for the same reason, makes its range longer. */
void training_state_skip(struct training_state *t, int64_t step, const char *why);
/* The option's value, or NULL. */
const char *training_state_get(const struct training_state *t, const char *name);

/* A file of the checkpoint: safetensors, config.json, tokenizer files. */
struct manifest_file {
    char *name; /* [A-Za-z0-9._-]+, not beginning with a dot */
    uint64_t bytes;
    uint64_t header;     /* safetensors: bytes before the data; else 0 */
    struct hash128 hash; /* safetensors: of those; else of the whole file */
};

struct manifest_slice {
    char *tensor;
    enum checkpoint_array array;
    int64_t rows, columns;   /* global shape */
    int64_t offset, size;    /* elements within the tensor */
    int file;                /* index of the file */
    uint64_t begin, end;     /* bytes in the file */
    struct hash128 checksum; /* slice_checksum */
};

struct manifest {
    struct hash128 state_hash;
    uint64_t parameters;
    struct training_state state;
    struct manifest_file *file;
    size_t files;
    struct manifest_slice *slice; /* array by array, each in table order */
    size_t slices;
};

enum { MANIFEST_VERSION = 1, MANIFEST_LIMIT = 256 << 20 };

void manifest_release(struct manifest *m);

/* The file of that name; NULL: there is none. */
const struct manifest_file *manifest_find(const struct manifest *m, const char *name);

/* Appends the file's bytes. */
void manifest_write(const struct manifest *m, struct str *out);

/*
 * Reads them back; name is for messages. 0, or -1 (STATUS_INPUT): hash, syntax, a
 * member that is missing or of the wrong kind, a file name that could leave the directory, a slice outside its file.
 */
int manifest_parse(struct manifest *m, const char *name, const char *text, size_t n);

/* May it name a file inside a checkpoint? */
bool manifest_name_ok(const char *name);

#endif

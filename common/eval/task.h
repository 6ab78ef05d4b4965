#ifndef EVAL_TASK_H
#define EVAL_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "eval/request.h"
#include "json/json.h"
#include "tokenizer/tokenizer.h"

/*
 * A benchmark as a declarative file, llm-task(5): which documents, how each becomes requests, how
 * answers are scored. Nothing in a task file is ever run, and no path in it leaves the data directory.
 */
enum output_type {
    OUTPUT_MULTIPLE_CHOICE, /* log p of each choice behind one context */
    OUTPUT_MULTIPLE_INPUT,  /* log p of one continuation behind each of several contexts */
    OUTPUT_LOGLIKELIHOOD,   /* log p of the target */
    OUTPUT_ROLLING,         /* log p of a text */
    OUTPUT_GENERATE         /* text; with `no_answer`, log p of that continuation besides */
};

struct task {
    char *name;    /* what results are printed under */
    char *path;    /* where it was read, for messages */
    int64_t version;
    char *harness; /* whose scores it reproduces: "lm_eval 0.4.13", "llm-jp-eval 1.3.0", … */
    enum output_type output_type;
    struct json_doc doc; /* the file */
    const json_t *root;
    struct task_definition *definition; /* task.c's */
};

/* Parses a task. 0, or -1: STATUS_INPUT names the place. `name` is for messages. */
int task_parse(struct task *t, const char *name, const void *text, size_t n);
void task_release(struct task *t);

/* For people: what it measures, the files it wants below --data and where they are published. */
void task_info(const struct task *t, struct str *out);

/* A document that is evaluated, in the form that metrics need. Strings are owned by the list. */
struct sample {
    int64_t document;       /* its number, in the order of evaluation */
    const json_t *fields;   /* of the document, for --log-samples */
    size_t request, requests; /* its run in the list of requests */
    request_texts choices;  /* without delimiter; multiple choice and input */
    int64_t label;          /* the right choice; -1: none */
    request_texts targets;  /* generation: every text that counts as right */
    struct str target;      /* the target as the harness logs it */
    struct str original;    /* rolling: the text whose words and bytes are counted */
};

struct task_run {
    VEC(struct sample) samples;
    request_list requests;
    int64_t shots;
    struct task_data *data; /* documents; task_data.c's */
};

struct task_options {
    const char *data;  /* --data */
    int64_t shots;     /* < 0: the task's */
    int64_t limit;     /* < 0: all documents */
    const struct tokenizer *tokenizer; /* some tasks' limits are counted in tokens; NULL: then refused */
    int64_t max_length; /* positions, for tasks whose shots shrink to fit; 0: unknown */
};

/* Reads the documents and makes all requests, in order. 0 or -1. */
int task_run_make(const struct task *t, const struct task_options *o, struct task_run *out);
void task_run_release(struct task_run *r);

#endif

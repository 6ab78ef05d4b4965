#ifndef EVAL_TASK_MAKING_H
#define EVAL_TASK_MAKING_H

#include "eval/task_definition.h"
#include "eval/task_shots.h"

/* What the parts of making a task's samples and requests share: texts, prompts, requests. */

/* Bytes of a context, and of all: a task file cannot ask for more. */
#define CONTEXT_MAX ((size_t)16 << 20)
#define REQUESTS_MAX ((size_t)2 << 30)

struct task_data {
    document_list evaluated, pool;
    size_t *order;     /* [evaluated.len]: which document comes when */
    struct str *shown; /* [pool.len]: a document as an example; empty: not made yet */
    struct shots shots;
    bool shots_open;
    struct tokenizer_scratch *scratch;
    size_t bytes; /* of contexts and continuations so far */
};

struct making {
    const struct task *task;
    const struct task_definition *d;
    const struct task_options *o;
    struct task_run *run;
    struct task_data *data;
};

/* ---- texts of a document (task_texts.c) ---- */

void task_texts_release(request_texts *list);

/* Appends a value's text, or a list's texts; of a template. None may hold NUL. 0 or -1. */
int task_push_texts(request_texts *list, const json_t *value);
int task_push_template(request_texts *list, const struct template *t, const json_t *document);

/* Appends a document's choices: none where the task has none. 0 or -1. */
int task_choices(const struct task_definition *d, const json_t *document, request_texts *out);

/* The number of a choice: an integer, or (as the harness reads it) a text of digits. false: neither. */
bool task_choice_number(const json_t *value, int64_t *out);

/* The right choice's number, by number or text; -1: there is none. */
int64_t task_label(const json_t *value, const request_texts *choices);

/* str() of a value in Python. 0 or -1. */
int task_add_python_text(struct str *out, const json_t *value);

/* ---- prompts (task_prompt.c) ---- */

/* Appends description and `shots` examples, drawn for the document. 0 or -1. */
int
task_add_beginning(const struct making *m, const json_t *document, size_t shots, struct str *out);

/* The whole context of a document, with as many shots as fit where the task says so. 0 or -1. */
int
task_make_context(const struct making *m, const json_t *document, int64_t max_new, struct str *out);

/* Most tokens of the answer to a sample whose targets are known; 0: the default. 0 or -1. */
int task_answer_length(const struct making *m, const struct sample *s, int64_t *out);

/* ---- requests (task_requests.c) ---- */

/* Appends a sample's requests; choices and target are known, label and targets are set. 0 or -1. */
int task_make_requests(const struct making *m, struct sample *s, const json_t *document,
                       const json_t *target);

#endif

#ifndef EVAL_TASK_DEFINITION_H
#define EVAL_TASK_DEFINITION_H

#include "eval/documents.h"
#include "eval/pipes.h"
#include "eval/task.h"
#include "eval/template.h"

/* What task.c reads from a task file and task_run.c makes requests of. */

/* A field that documents get: a text, a list of texts, or a value through further pipes. */
struct field {
    char *name;
    VEC(struct template *) texts;
    bool list;
    struct pipes *then; /* NULL: none */
};

/* Documents are kept (dropped) where the field's text is this. */
struct condition {
    char *name, *text;
    bool keep;
};

struct split {
    char *name;
    struct document_source source;
    int64_t shuffle_seed; /* < 0: in the order of the files */
    double fraction;      /* of the documents, from the first */
};

/*
 *   default     random.Random(seed).sample for each document
 *   first_n     the first ones
 *   stratified  Stability's jp-stable: shares by target
 */
enum sampler { SAMPLER_DEFAULT, SAMPLER_FIRST_N, SAMPLER_STRATIFIED };

/* Most tokens of an answer: a number, or as many as the longest target has and `more`. */
struct answer_length {
    int64_t tokens; /* 0: not given */
    bool gold;
};

struct task_definition {
    const char *about;
    VEC(const char *) groups;
    VEC(const char *) published;
    const char *license, *note;

    struct pipe_names pipes;
    VEC(struct split) splits;
    VEC(struct field) fields;
    VEC(struct condition) conditions;
    int training, validation, test, fewshot; /* numbers of splits; -1: none */

    int64_t num_fewshot;
    enum sampler sampler;
    int64_t fewshot_seed;
    int64_t shuffle_seed;  /* of the documents that are evaluated; < 0: in order */
    bool shared_generator; /* shots are drawn from the generator that shuffled them */
    bool shrink_to_fit;

    struct template *description, *doc_to_text, *doc_to_target;
    struct template *references;          /* what answers are compared with; NULL: the target */
    struct template *original;            /* whose words and bytes are counted; NULL: the target */
    VEC(struct template *) doc_to_choice; /* one whose value is a list, or one a choice */
    bool choices, choice_list;            /* there are some; they are a list of templates */
    const char *target_delimiter, *fewshot_delimiter;
    size_t target_delimiter_n, fewshot_delimiter_n;

    VEC(const char *) until;
    struct answer_length max_gen_toks;
    double temperature, top_p, repetition_penalty;
    int64_t top_k;
    const char *no_answer;
    bool mutual_info; /* a metric wants log p of the choices alone */
    enum encode_rule encode;
    enum bos_rule add_bos_token;
};

/* Reads a split's documents from below `dir`, with their fields, in their order. 0 or -1. */
int task_documents(const struct task_definition *d, const struct split *s, const char *dir,
                   document_list *out);

#endif

#ifndef EVAL_TASK_READING_H
#define EVAL_TASK_READING_H

#include "eval/task_definition.h"

/* What the parts of reading a task file share. Errors name the place. */
struct reading {
    const struct json_doc *doc;
    struct task_definition *d;
};

enum { READING_WHY_SIZE = 256 }; /* for reasons of templates and pipes */

const struct pipe_names *task_pipe_names(const struct reading *r);

/* The template that member `key` holds. 1, 0 when absent, -1. */
int task_get_template(const struct reading *r, const json_t *object, const char *key,
                      enum json_need need, struct template **out);

/* The templates of a list. 0 or -1. */
int task_get_templates(const struct reading *r, const json_t *list, struct template ***data,
                       size_t *count);

/* A list of strings, or one string; none where the member is absent. 0 or -1. */
int task_get_strings(const struct reading *r, const json_t *object, const char *key,
                     const char ***data, size_t *count);

/* The parts of the file. 0 or -1. */
int task_read_pipes(const struct reading *r, const json_t *root); /* task_read_documents.c */
int task_read_documents(const struct reading *r, const json_t *root);
int task_read_shots(const struct reading *r, const json_t *root); /* task_read_prompts.c */
int task_read_prompts(const struct reading *r, const json_t *root, enum output_type type);
int task_read_generation(const struct reading *r, const json_t *root, enum output_type type);
int task_read_encoding(const struct reading *r, const json_t *root);

#endif

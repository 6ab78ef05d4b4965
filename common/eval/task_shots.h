#ifndef EVAL_TASK_SHOTS_H
#define EVAL_TASK_SHOTS_H

#include "eval/python_random.h"
#include "eval/task_definition.h"

/* Drawing examples ("shots") for documents, with the harnesses' generators. */
struct shots {
    const struct task_definition *definition;
    const document_list *pool;
    bool exclude; /* the document may be in the pool and is taken out */
    struct python_random generator;
    VEC(size_t) drawn; /* numbers in the pool, after shots_draw */
    /* stratified: the pool's documents by their target, which is texts[i] */
    VEC(struct bucket) buckets;
};

struct bucket {
    char *target;
    VEC(size_t) members;
};

/* `generator`: where shots are drawn from. For stratified sampling targets[i] is the pool's i-th. 0 or -1. */
int shots_open(struct shots *s, const struct task_definition *d, const document_list *pool,
               bool exclude, const struct python_random *generator, char *const *targets);
void shots_close(struct shots *s);

/* Draws n examples for a document into s->drawn. 0, or -1: STATUS_INPUT (too few documents). */
int shots_draw(struct shots *s, const json_t *document, size_t n);

#endif

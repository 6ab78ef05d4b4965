#ifndef LLM_TRAIN_TENSOR_GROUPS_H
#define LLM_TRAIN_TENSOR_GROUPS_H

#include <stdint.h>

#include "model/params.h"

/*
 * Tensors in groups that a person can look at: one for each layer and kind, with biases beside
 * their matrices and all experts of a layer together; embeddings, final norm and head have no layer.
 */
enum tensor_kind {
    TENSOR_EMBEDDING, TENSOR_NORM, TENSOR_QKV, TENSOR_OUTPUT, TENSOR_UP, TENSOR_DOWN,
    TENSOR_ROUTER, TENSOR_EXPERTS, TENSOR_HEAD, TENSOR_OTHER,
};

struct tensor_group {
    enum tensor_kind kind;
    int layer;        /* -1: none */
    int64_t elements; /* that are trained */
};

struct tensor_groups {
    struct tensor_group *group; /* [count], in the order of the table */
    int count;
    int *of;                    /* [whole->count]: a tensor's group */
};

/* Of a whole model's table. */
void tensor_groups_init(struct tensor_groups *g, const struct params *whole);
void tensor_groups_release(struct tensor_groups *g);

int tensor_groups_find(const struct tensor_groups *g, int layer, enum tensor_kind kind); /* index or -1 */
const char *tensor_kind_name(enum tensor_kind k);

#endif

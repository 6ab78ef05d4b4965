#ifndef TESTS_MPI_TABLE_H
#define TESTS_MPI_TABLE_H

#include <string.h>

#include "model/params.h"

/* Small parameter tables, several pieces large, with gaps, for tests of what is cut and shared. */
enum { TEST_TENSORS = 8 };

struct test_table {
    struct params params;
    struct param tensor[TEST_TENSORS];
    struct layer_params layer[2];
};

static inline struct param *
test_table_add(struct test_table *t, enum param_kind kind, int layer, int64_t rows, int64_t columns)
{
    struct params *p = &t->params;
    struct param *a = &t->tensor[p->count];
    bool vector = kind == PARAM_NORM || kind == PARAM_BIAS;

    *a = (struct param){.kind = kind, .layer = layer, .rows = rows, .columns = columns};
    a->offset = p->elements;
    a->size = rows * columns;
    a->vector = vector ? p->vectors : -1;
    a->whole = (struct place_in_whole){.index = p->count, .rows = rows, .columns = columns};
    a->whole.run[0] = (struct row_run){0, 0, vector ? columns : rows, true};
    a->whole.runs = 1;
    p->param = t->tensor;
    p->layer = t->layer;
    p->elements = (a->offset + a->size + 15) / 16 * 16;
    if (vector)
        p->vectors = (p->vectors + a->size + 15) / 16 * 16;
    p->count++;
    return a;
}

/* As of queries, keys and values: rows in three runs. */
static inline void
test_table_cut_rows(struct param *a)
{
    int64_t half = a->rows / 2, quarter = a->rows / 4;

    a->whole.run[0] = (struct row_run){0, 0, half, true};
    a->whole.run[1] = (struct row_run){half, half, quarter, true};
    a->whole.run[2] =
        (struct row_run){half + quarter, half + quarter, a->rows - half - quarter, true};
    a->whole.runs = 3;
}

static inline void
test_table_begin(struct test_table *t, bool tied)
{
    memset(t, 0, sizeof *t);
    t->params.tied_offset = -1;
    t->params.tied = tied;
    t->params.embedding = t->params.position = t->params.final_norm = -1;
    t->params.final_norm_bias = t->params.head = -1;
}

/* A whole model of two layers. */
static inline void
test_table_make(struct test_table *t, bool tied)
{
    struct params *p = &t->params;

    test_table_begin(t, tied);
    p->embedding = p->head = 0;
    test_table_add(t, PARAM_EMBEDDING, -1, 90001, 3);
    test_table_add(t, PARAM_NORM, 0, 1, 777);
    test_table_add(t, PARAM_MATRIX, 0, 200, 100);
    test_table_cut_rows(test_table_add(t, PARAM_MATRIX, 1, 333, 100));
    test_table_add(t, PARAM_MATRIX, 1, 330, 100);
    test_table_add(t, PARAM_BIAS, 1, 1, 5);
    p->final_norm = 6;
    test_table_add(t, PARAM_NORM, -1, 1, 100);
    if (!tied) {
        p->head = 7;
        test_table_add(t, PARAM_MATRIX, -1, 20000, 3);
    }
    params_number_blocks(p);
    p->grad_elements = p->elements;
    if (tied) {
        p->tied_offset = p->elements;
        p->grad_elements += (t->tensor[0].size + 15) / 16 * 16;
    }
}

/* The first (0) or the last stage of a pipeline, each with its use of a tied embedding. */
static inline void
test_table_make_stage(struct test_table *t, int stage)
{
    struct params *p = &t->params;

    test_table_begin(t, true);
    p->embedding = 0;
    p->head = stage == 0 ? -1 : 0;
    test_table_add(t, PARAM_EMBEDDING, -1, 90001, 3);
    if (stage == 0) {
        p->position = 1;
        test_table_add(t, PARAM_EMBEDDING, -1, 2000, 3);
    }
    test_table_add(t, PARAM_NORM, stage, 1, 777);
    test_table_add(t, PARAM_MATRIX, stage, 200 + 100 * stage, 100);
    if (stage == 1) {
        p->final_norm = p->count;
        test_table_add(t, PARAM_NORM, -1, 1, 100);
    }
    params_number_blocks(p);
    p->grad_elements = p->elements;
}

#endif

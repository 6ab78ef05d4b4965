#ifndef MODEL_PARAMS_IMPL_H
#define MODEL_PARAMS_IMPL_H

#include <stddef.h>

#include "model/params.h"

/* Private to common/model: making the parameter table, tensor after tensor. */

/* The table being made, and whose part of the model it is. */
struct making {
    struct params *p;
    const struct config *c;
    struct model_part part; /* sizes >= 1 */
    int whole;              /* number of the next tensor of the whole table */
};

/*
 * Append a tensor, or only count it where the part does not hold it; return its index or -1. same:
 * every tensor rank has it, the first one counts it; rows: `blocks` blocks of rows (or of elements
 * of a vector), each cut by tensor rank; columns: a matrix whose columns are cut.
 */
int making_same(struct making *m, bool held, enum param_kind kind, int layer, const char *name,
                int64_t rows, int64_t columns);
int making_rows(struct making *m, bool held, enum param_kind kind, int layer, const char *name,
                int64_t blocks, int64_t rows, int64_t columns);
int making_columns(struct making *m, bool held, int layer, const char *name, int64_t rows,
                   int64_t columns);

/*
 * Rows of a weight of the part, of its whole tensor: [first, first + rows). making_rows_of: a tensor
 * of such rows one below the other, cut as the weight's are. rows_within: those that the part has, as
 * rows of the weight here; returns how many.
 */
struct row_range {
    int64_t first, rows;
};
int making_rows_of(struct making *m, bool held, int layer, const char *name, int weight,
                   const struct row_range *range, int ranges, int64_t columns);
int64_t rows_within(const struct param *weight, const struct row_range *range, int64_t *local);

/* params_lora.c: layer i's adapters, behind its other tensors; how many there may be a layer. */
enum { MOST_ADAPTERS = 8 };
void making_adapters(struct making *m, bool held, int i);

/*
 * params_moe.c: which experts the part holds; most tensors that layers with experts may add; can the
 * part be cut so (0 or -1)?; what layer i has in the place of the MLP.
 */
void making_split_experts(struct making *m);
size_t making_most_experts(const struct making *m);
int making_check_experts(const struct config *c, const struct model_part *part);
void making_experts(struct making *m, bool held, int i);

#endif

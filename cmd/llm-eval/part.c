/*
 * The part of the model that one of --tensor-parallel ranks holds: its heads, its rows of
 * the MLP and of the vocabulary. Neighbouring ranks hold one copy of the model together; the
 * copies share the work.
 */
#include "cmd/llm-eval/eval.h"

#include <string.h>

#include "base/err.h"

int
part_open(struct model *m, struct comm *comm)
{
    int size[AXES] = {1, 1, 1, 1, 1};
    enum axis order[AXES];
    int64_t tensor = options.tensor_parallel;
    m->share = comm;
    if (tensor == 1)
        return 0;
    if (tensor > comm->size || comm->size % tensor != 0)
        return err_set(STATUS_USAGE,
                       "--tensor-parallel %lld: %d ranks (--ranks) are not a multiple",
                       (long long)tensor, comm->size);
    size[AXIS_TENSOR] = (int)tensor;
    grid_default_order(order);
    m->part = (struct model_part){.tensor_rank = comm->rank % (int)tensor,
                                  .tensor_size = (int)tensor};
    if (params_init_part(&m->part_params, m->config, &m->part) < 0)
        return -1;
    m->params = &m->part_params;
    if (grid_fit(size, comm->size) < 0 || grid_init(&m->grid, comm, size, order) < 0)
        return -1;
    m->tensor = m->grid.along[AXIS_TENSOR];
    m->share = m->grid.along[AXIS_DATA];
    return 0;
}

void
part_close(struct model *m)
{
    if (m->tensor)
        grid_release(&m->grid);
    if (m->params == &m->part_params)
        params_release(&m->part_params);
}

/* Rows that are cut come one after the other. */
static int
load_extent(const struct model *m, const struct extent *e, float *flat)
{
    for (int64_t i = 0; i < e->repeat; i++)
        if (model_source_read(&m->source, e->param, e->offset + i * e->stride, e->count,
                              flat + e->local + i * e->count) < 0)
            return -1;
    return 0;
}

int
part_load(const struct model *m, float *flat)
{
    if (!m->tensor)
        return model_source_load(&m->source, flat);
    memset(flat, 0, (size_t)m->params->elements * sizeof *flat);
    for (int64_t b = 0; b < params_blocks(m->params); b++) {
        struct extent e[BLOCK_EXTENTS];
        int n = params_block_extents(m->params, b, e);
        for (int i = 0; i < n; i++)
            if (load_extent(m, &e[i], flat) < 0)
                return -1;
    }
    return 0;
}

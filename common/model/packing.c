#include "model/decoder_impl.h"

/*
 * Packed forms of weights, for tables that have one. No weight keeps a copy: a linear layer
 * packs its matrix into the decoder's one buffer at each call, and all chunks of the head share
 * what loss_run packs. 4 bytes a weight are moved for 2 T flops.
 */

enum {
    PACK_TOKENS = 32,              /* with fewer, packing costs as much as the product */
    PACK_CELL = 4 * PACK_COLUMNS, /* columns of one cell of work */
};

struct pack_job {
    const struct decoder *d;
    bool tb;
    int64_t n, k, ldb;
    const void *b;
    void *packed;
};

static int
pack_columns(void *arg, size_t cell, int worker)
{
    const struct pack_job *j = arg;

    (void)worker;
    j->d->ops->gemm_pack(j->tb, j->n, j->k, j->b, j->ldb, (int64_t)cell * PACK_CELL,
                         rows_of_cell(cell, PACK_CELL, j->n), j->packed);
    return 0;
}

/* op(B) of weight W [out][in]: W^T (tb) or W. */
static void
pack(const struct decoder *d, int weight, bool tb, void *packed)
{
    const struct param *w = &d->params->param[weight];
    struct pack_job job = {
        .d = d,
        .tb = tb,
        .n = tb ? w->rows : w->columns,
        .k = tb ? w->columns : w->rows,
        .ldb = w->columns,
        .b = weight_act(d, weight),
        .packed = packed,
    };

    run_cells(d, job.n, PACK_CELL, pack_columns, &job);
}

static size_t
pack_size(const struct decoder *d, int weight, bool tb)
{
    const struct param *w = &d->params->param[weight];

    return tb ? d->ops->gemm_pack_size(true, w->rows, w->columns)
              : d->ops->gemm_pack_size(false, w->columns, w->rows);
}

static void *
take_pack(struct decoder *d, size_t size)
{
    return size ? arena_take(&d->arena, size) : NULL;
}

void
packing_carve(struct decoder *d)
{
    bool training = d->options.training, pays = d->capacity >= PACK_TOKENS;
    int head = d->params->head;
    size_t largest = 0;

    d->packed = d->head_forward = d->head_backward = NULL;
    for (int i = 0; pays && i < d->params->count; i++) {
        if (d->params->param[i].kind != PARAM_MATRIX || i == head)
            continue;
        for (int tb = !training; tb <= 1; tb++)
            largest = pack_size(d, i, tb) > largest ? pack_size(d, i, tb) : largest;
    }
    d->packed = take_pack(d, largest);
    if (pays && head >= 0)
        d->head_forward = take_pack(d, pack_size(d, head, true));
    if (pays && training && head >= 0)
        d->head_backward = take_pack(d, pack_size(d, head, false));
}

bool
packing_head(const struct decoder *d, int64_t tokens, bool backward)
{
    if (tokens < PACK_TOKENS || !d->head_forward)
        return false;
    pack(d, d->params->head, true, d->head_forward);
    if (backward)
        pack(d, d->params->head, false, d->head_backward);
    return true;
}

const void *
packed_weight(const struct decoder *d, int weight, bool tb, int64_t tokens)
{
    if (weight == d->params->head)
        return !d->head_packed ? NULL : tb ? d->head_forward : d->head_backward;
    if (tokens < PACK_TOKENS || !d->packed)
        return NULL;
    pack(d, weight, tb, d->packed);
    return d->packed;
}

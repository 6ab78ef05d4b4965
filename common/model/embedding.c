#include <string.h>

#include "model/decoder_impl.h"

/*
 * Token and learned position embeddings. Backward is a sparse sum: the places of a batch
 * are sorted by row, then by place, and each row adds its gradients in that order.
 */

struct lookup_job {
    const struct decoder *d;
    void *x;
    const uint32_t *ids;
    int64_t tokens;
};

/* A token's row in this rank's part of the table; -1: another rank has it. */
static int64_t
local_row(const struct decoder *d, uint32_t id)
{
    const struct param *table = &d->params->param[d->params->embedding];
    int64_t row = (int64_t)id - table->whole.run[0].whole;

    return row >= 0 && row < table->rows ? row : -1;
}

/* The row of a token, zeros if another rank has it; `space` is for what does not stand as a row. */
static const void *
token_row(const struct decoder *d, uint32_t id, void *space)
{
    int table = d->params->embedding;
    int64_t row = local_row(d, id);

    if (row < 0)
        return memset(space, 0, (size_t)d->hidden * d->ops->act_size);
    if (!is_arranged(d, table))
        return act_at_const(d, weight_act(d, table), row * d->hidden);
    d->ops->gemm_arranged_row(space, weight_act(d, table), d->params->param[table].rows, d->hidden,
                              row);
    return space;
}

static int
look_up_rows(void *arg, size_t cell, int worker)
{
    const struct lookup_job *j = arg;
    const struct decoder *d = j->d;
    int64_t begin = (int64_t)cell * ROW_CELL, end = begin + rows_of_cell(cell, ROW_CELL, j->tokens);
    bool add_positions = d->params->position >= 0 && tensor_rank(d) == 0; /* once in the sum */
    const void *positions = add_positions ? weight_act(d, d->params->position) : NULL;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        void *x = act_at(d, j->x, i * d->hidden);
        const void *row = token_row(d, j->ids[i], x);

        if (positions)
            d->ops->add(x, row, act_at_const(d, positions, d->positions[i] * d->hidden), d->hidden);
        else if (row != x)
            memcpy(x, row, (size_t)d->hidden * d->ops->act_size);
    }
    return 0;
}

/* x [T][hidden] = embedding[id] (+ position[position]). */
void
embedding_forward(const struct decoder *d, void *x, const uint32_t *ids, int64_t tokens)
{
    struct lookup_job job = {d, x, ids, tokens};

    run_cells(d, tokens, ROW_CELL, look_up_rows, &job);
}

/* Stable radix sort by row, a byte at a time; the result is in `a`. */
static void
sort_places(struct place *a, struct place *b, int64_t n)
{
    for (int shift = 0; shift < 32; shift += 8) {
        int64_t at[257] = {0};

        for (int64_t i = 0; i < n; i++)
            at[(a[i].row >> shift & 255) + 1]++;
        for (int i = 0; i < 256; i++)
            at[i + 1] += at[i];
        for (int64_t i = 0; i < n; i++)
            b[at[a[i].row >> shift & 255]++] = a[i];

        struct place *swap = a;
        a = b;
        b = swap;
    }
}

struct scatter_job {
    const struct decoder *d;
    const void *dx;
    void *grads; /* wide [rows][hidden] */
    int64_t runs;
};

enum { RUN_CELL = 16 };

/* Runs of equal rows; no row is in two cells. */
static int
scatter_runs(void *arg, size_t cell, int worker)
{
    const struct scatter_job *j = arg;
    const struct decoder *d = j->d;
    int64_t run = (int64_t)cell * RUN_CELL, end = run + rows_of_cell(cell, RUN_CELL, j->runs);

    (void)worker;
    for (int64_t i = d->runs[run]; i < d->runs[end]; i++) {
        const struct place *p = &d->places[i];

        d->ops->add_act_to_wide(wide_at(d, j->grads, (int64_t)p->row * d->hidden),
                                act_at_const(d, j->dx, (int64_t)p->token * d->hidden), d->hidden);
    }
    return 0;
}

/* grads[row of place i] += dx[i], for d->places filled with n places in order. */
static void
scatter(const struct decoder *d, const void *dx, int64_t n, void *grads)
{
    struct scatter_job job = {d, dx, grads, 0};

    sort_places(d->places, d->places_other, n);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || d->places[i].row != d->places[i - 1].row)
            d->runs[job.runs++] = i;
    d->runs[job.runs] = n;
    run_cells(d, job.runs, RUN_CELL, scatter_runs, &job);
}

/*
 * The gradient of the input embedding: apart when the head shares the weight (the two are added
 * later, once), else at the embedding's own place.
 */
void
embedding_backward(const struct decoder *d, const void *dx, const uint32_t *ids, int64_t tokens)
{
    const struct params *p = d->params;
    int64_t n = 0;

    for (int64_t i = 0; i < tokens && has_gradient(d, p->embedding); i++) {
        int64_t row = local_row(d, ids[i]);
        if (row >= 0)
            d->places[n++] = (struct place){(uint32_t)row, (uint32_t)i};
    }
    if (has_gradient(d, p->embedding))
        scatter(d, dx, n, gradient_at(d, p->tied_offset >= 0 ? p->count : p->embedding, NULL));

    if (p->position < 0 || !has_gradient(d, p->position))
        return;
    for (int64_t i = 0; i < tokens; i++)
        d->places[i] = (struct place){(uint32_t)d->positions[i], (uint32_t)i};
    scatter(d, dx, tokens, gradient_at(d, p->position, NULL));
}

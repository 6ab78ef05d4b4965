#include <string.h>

#include "model/decoder_impl.h"

/*
 * The head and softmax cross-entropy, HEAD_CHUNK tokens at a time, so that the logits
 * of all tokens never exist. 2 T vocab hidden flops forward, twice that backward.
 */

enum { LOSS_ROWS = 8 };

struct loss_job {
    const struct decoder *d;
    const int32_t *targets; /* of the chunk */
    int64_t begin, rows;    /* the chunk */
    double scale, z;
    const double *weight;   /* of each sequence of `length` tokens; NULL: 1 */
    int64_t length;
    bool gradient;
};

/* Rows [row, row + n) of the chunk, whose gradient is times `scale`. */
typedef void run_rows(const struct loss_job *j, int64_t row, int64_t n, double scale);

static void
loss_run_rows(const struct loss_job *j, int64_t row, int64_t n, double scale)
{
    const struct decoder *d = j->d;
    int64_t vocab = d->vocab, at = j->begin + row;

    d->ops->cross_entropy(wide_at(d, d->logits, row * vocab), vocab,
                          j->gradient ? act_at(d, d->d_logits, row * vocab) : NULL, vocab,
                          j->targets + row, n, vocab, scale, j->z, d->loss + at, d->log_z + at);
}

static void
part_gradient_run(const struct loss_job *j, int64_t row, int64_t n, double scale)
{
    const struct decoder *d = j->d;
    int64_t vocab = d->vocab, at = j->begin + row;

    d->ops->softmax_gradient(wide_at(d, d->logits, row * vocab), vocab, act_at(d, d->d_logits, row * vocab), vocab,
                             d->part_targets + row, n, vocab, scale, j->z, d->log_z + at);
}

/* The rows of a cell, cut where another sequence begins. */
static void
each_run(const struct loss_job *j, size_t cell, run_rows *run)
{
    int64_t row = (int64_t)cell * LOSS_ROWS, end = row + rows_of_cell(cell, LOSS_ROWS, j->rows);

    while (row < end) {
        int64_t at = j->begin + row, n = end - row;
        double scale = j->scale;
        if (j->weight) {
            int64_t left = j->length - at % j->length;
            n = left < n ? left : n;
            scale *= j->weight[at / j->length];
        }
        run(j, row, n, scale);
        row += n;
    }
}

static int
loss_rows(void *arg, size_t cell, int worker)
{
    (void)worker;
    each_run(arg, cell, loss_run_rows);
    return 0;
}

/* The gradient of cross-entropy for this rank's part of the vocabulary. */
static int
part_gradient_rows(void *arg, size_t cell, int worker)
{
    (void)worker;
    each_run(arg, cell, part_gradient_run);
    return 0;
}

/* From logits to loss, log_z and d_logits where the vocabulary is cut. */
static void
run_parts(struct decoder *d, const struct loss_job *job)
{
    struct loss_job part = *job;

    part_targets(d, job->targets, job->rows, -1);
    part.targets = d->part_targets;
    part.gradient = false;
    run_cells(d, job->rows, LOSS_ROWS, loss_rows, &part);
    join_losses(d, job->targets, job->rows, d->loss + job->begin, d->log_z + job->begin);
    if (!job->gradient)
        return;
    part_targets(d, job->targets, job->rows, (int32_t)d->vocab);
    run_cells(d, job->rows, LOSS_ROWS, part_gradient_rows, &part);
}

static bool
any_scored(const int32_t *targets, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (targets[i] >= 0)
            return true;
    return false;
}

/* A chunk without a scored target has no loss and no gradient. */
static void
skip_chunk(const struct decoder *d, void *d_h, int64_t begin, int64_t rows)
{
    for (int64_t i = begin; i < begin + rows; i++)
        d->loss[i] = d->log_z[i] = 0;
    if (d_h)
        memset(act_at(d, d_h, begin * d->hidden), 0, (size_t)(rows * d->hidden) * d->ops->act_size);
}

/* No chunk wrote the head's gradient. */
static void
write_head(const struct decoder *d)
{
    int head = d->params->head;
    bool fresh = false;

    if (!has_gradient(d, head))
        return;
    void *gradient = gradient_at(d, head, &fresh);
    if (fresh)
        memset(gradient, 0, (size_t)d->params->param[head].size * d->ops->wide_size);
}

void
loss_run(struct decoder *d, const void *h, void *d_h, const struct batch *b, int64_t tokens,
         double scale, double z, bool backward)
{
    const int32_t *targets = b->targets;

    d->head_packed = packing_head(d, tokens, backward);
    for (int64_t begin = 0; begin < tokens; begin += HEAD_CHUNK) {
        int64_t rows = tokens - begin < HEAD_CHUNK ? tokens - begin : HEAD_CHUNK;
        const void *h_chunk = act_at_const(d, h, begin * d->hidden);
        struct loss_job job = {d, targets + begin, begin, rows, scale, z, b->weight, b->length, backward};

        if (!any_scored(targets + begin, rows)) {
            skip_chunk(d, backward ? d_h : NULL, begin, rows);
            continue;
        }
        linear_forward_wide(d, d->logits, h_chunk, d->params->head, rows);
        if (d->tensor_size > 1)
            run_parts(d, &job);
        else
            run_cells(d, rows, LOSS_ROWS, loss_rows, &job);
        if (backward)
            linear_backward(d, act_at(d, d_h, begin * d->hidden), d->d_logits, h_chunk,
                            d->params->head, -1, rows);
    }
    d->head_packed = false;
    if (backward)
        write_head(d);
}

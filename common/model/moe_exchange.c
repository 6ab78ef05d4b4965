#include <string.h>

#include "base/err.h"
#include "model/moe_impl.h"

/*
 * Rows on their way between the ranks that have tokens and those that have experts (Lepikhin et al.,
 * 2021, "GShard"; without a capacity, Gale et al., 2023, "MegaBlocks"). An expert's rows stand by
 * source rank, then by token. There is one all-to-all for each of the experts that a rank holds, so
 * that rows arrive where the expert wants them, and nobody keeps them twice. T k hidden elements
 * leave each rank each way; the backward pass asks for the rows once more instead of keeping them.
 */

static bool
alone(const struct decoder *d)
{
    return d->moe->held == d->moe->experts;
}

/* As in tensor.c: after a failure a pass goes on, so that no rank is left waiting. */
static void
note(struct decoder *d, int status)
{
    if (status < 0)
        d->failed = -1;
}

/* Where each held expert's rows begin; a failed exchange brings none. */
static void
place_held(struct decoder *d)
{
    struct moe *m = d->moe;
    int64_t sources = m->ranks;
    int64_t row = 0;

    for (int64_t e = 0; e < m->held; e++) {
        m->held_begin[e] = row;
        for (int64_t s = 0; s < sources; s++)
            row += m->from[s * m->held + e];
    }
    m->held_begin[m->held] = row;
    if (row <= m->rows)
        return;
    note(d, err_set(STATUS_FAILED, "%lld rows for experts that expect %lld", (long long)row,
                    (long long)m->rows));
    memset(m->from, 0, (size_t)m->experts * sizeof *m->from);
    memset(m->held_begin, 0, (size_t)(m->held + 1) * sizeof *m->held_begin);
}

void
exchange_counts(struct decoder *d)
{
    struct moe *m = d->moe;
    size_t bytes = (size_t)m->held * sizeof *m->to;

    if (alone(d))
        return;
    for (int64_t e = 0; e < m->experts; e++)
        m->to[e] = m->begin[e + 1] - m->begin[e];
    for (int64_t r = 0; r < m->ranks; r++) {
        m->send_size[r] = m->size[r] = bytes;
        m->send_offset[r] = m->offset[r] = (size_t)r * bytes;
    }
    if (comm_all_to_all(d->options.expert, m->to, m->send_size, m->send_offset, m->from, m->size,
                        m->offset) < 0) {
        note(d, -1);
        memset(m->from, 0, (size_t)m->experts * sizeof *m->from);
    }
    place_held(d);
}

/* Rows of `bytes` bytes: those of the e-th expert of every rank, as they are sent and received. */
static void
set_sizes(const struct decoder *d, int64_t e, size_t bytes)
{
    const struct moe *m = d->moe;
    int64_t row = m->held_begin[e];

    for (int64_t r = 0; r < m->ranks; r++) {
        int64_t expert = r * m->held + e, from = m->from[expert];

        m->send_size[r] = (size_t)(m->begin[expert + 1] - m->begin[expert]) * bytes;
        m->send_offset[r] = (size_t)m->begin[expert] * bytes;
        m->size[r] = (size_t)from * bytes;
        m->offset[r] = (size_t)row * bytes;
        row += from;
    }
}

static void
go_there(struct decoder *d, void *held, const void *sorted, size_t bytes)
{
    struct moe *m = d->moe;

    for (int64_t e = 0; e < m->held && !alone(d); e++) {
        set_sizes(d, e, bytes);
        note(d, comm_all_to_all(d->options.expert, sorted, m->send_size, m->send_offset, held,
                                m->size, m->offset));
    }
}

static void
come_back(struct decoder *d, void *sorted, const void *held, size_t bytes)
{
    struct moe *m = d->moe;

    for (int64_t e = 0; e < m->held && !alone(d); e++) {
        set_sizes(d, e, bytes);
        note(d, comm_all_to_all(d->options.expert, held, m->size, m->offset, sorted, m->send_size,
                                m->send_offset));
    }
}

void
exchange_there(struct decoder *d)
{
    go_there(d, d->moe->x, d->moe->sorted, (size_t)d->hidden * d->ops->act_size);
}

void
exchange_back(struct decoder *d)
{
    come_back(d, d->moe->sorted, d->moe->x, (size_t)d->hidden * d->ops->act_size);
}

void
exchange_weights(struct decoder *d)
{
    go_there(d, d->moe->held_weight, d->moe->weight, d->ops->wide_size);
}

void
exchange_weights_back(struct decoder *d)
{
    come_back(d, d->moe->d_weight, d->moe->d_held, d->ops->wide_size);
}

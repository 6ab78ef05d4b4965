#include "model/decoder_impl.h"

/*
 * Inference reads each weight once a token, and nobody else reads them: the matrices are put,
 * where they lie, into the order in which the table's products take them.
 */

struct arrange_job {
    const struct decoder *d;
    void *act;
};

static int
arrange_one(void *arg, size_t i, int worker)
{
    const struct arrange_job *j = arg;
    const struct decoder *d = j->d;
    const struct param *p = &d->params->param[i];

    (void)worker;
    if (p->kind == PARAM_MATRIX || (int)i == d->params->head)
        d->arranged[i] = d->ops->gemm_arrange(act_at(d, j->act, p->offset),
                                              d->options.arranged ? 0 : p->rows, p->columns);
    return 0;
}

void
arrange_weights(const struct decoder *d, void *act)
{
    struct arrange_job job = {d, act};

    if (d->arranged)
        threads_run(d->pool, (size_t)d->params->count, arrange_one, &job);
}

bool
is_arranged(const struct decoder *d, int weight)
{
    return d->arranged && d->arranged[weight];
}

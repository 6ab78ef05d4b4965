#include "optim/optimizer.h"

#include <stddef.h>

/* Blocks of the flat array, the sums of squares a gradient norm is made of, and AdamW over blocks.
 */

int64_t
optimizer_blocks(const struct params *p)
{
    return params_blocks(p);
}

void
optimizer_block(const struct params *p, int64_t block, int64_t *offset, int64_t *size, int *param)
{
    struct param_block b;

    params_block(p, block, &b);
    *offset = b.offset;
    *size = b.size;
    if (param)
        *param = b.param;
}

struct sums_job {
    const struct ops *ops;
    const struct params *params;
    const float *grads;
    int64_t first;
    double *sums;
};

static int
sum_block(void *arg, size_t cell, int worker)
{
    const struct sums_job *job = arg;
    int64_t offset, size;

    (void)worker;
    optimizer_block(job->params, job->first + (int64_t)cell, &offset, &size, NULL);
    job->sums[cell] = job->ops->sum_squares(job->grads + offset, size);
    return 0;
}

void
optimizer_block_sums(struct threads *pool, const struct ops *ops, const struct params *p,
                     const float *grads, int64_t first, int64_t last, double *sums)
{
    struct sums_job job = {ops, p, grads, first, sums};

    threads_run(pool, (size_t)(last - first), sum_block, &job);
}

double
optimizer_clip(double norm, double clip)
{
    double factor = clip / (norm + 1e-6);

    return clip > 0 && factor < 1 ? factor : 1;
}

struct step_job {
    const struct ops *ops;
    const struct params *params;
    const struct optimizer_state *state;
    const float *grads;
    int64_t first;
    struct adamw decayed, plain;
};

static int
step_block(void *arg, size_t cell, int worker)
{
    const struct step_job *job = arg;
    const struct optimizer_state *s = job->state;
    int64_t offset, size;
    int index;
    void *act = NULL;

    (void)worker;
    optimizer_block(job->params, job->first + (int64_t)cell, &offset, &size, &index);

    const struct param *t = &job->params->param[index];
    if (s->act && (t->kind == PARAM_MATRIX || t->kind == PARAM_EMBEDDING))
        act = (char *)s->act + (size_t)offset * job->ops->act_size;
    job->ops->adamw(s->master + offset, s->m + offset, s->v + offset, job->grads + offset, act,
                    size, t->decay ? &job->decayed : &job->plain);
    return 0;
}

void
optimizer_step(struct threads *pool, const struct ops *ops, const struct params *p,
               struct optimizer_state *s, const float *grads, int64_t first, int64_t last,
               const struct adamw *h)
{
    struct step_job job = {ops, p, s, grads, first, *h, *h};

    job.plain.weight_decay = 0;
    threads_run(pool, (size_t)(last - first), step_block, &job);
}

#include "optim/optimizer.h"

#include <stddef.h>

/* Blocks of the flat array, the sums of squares a gradient norm is made of, and AdamW over blocks.
 */

struct sums_job {
    const struct ops *ops;
    const struct block_sum *blocks;
    double *sums;
};

static int
sum_block(void *arg, size_t cell, int worker)
{
    const struct sums_job *job = arg;

    (void)worker;
    job->sums[cell] = job->ops->sum_squares(job->blocks[cell].grads, job->blocks[cell].size);
    return 0;
}

void
optimizer_block_sums(struct threads *pool, const struct ops *ops, const struct block_sum *blocks,
                     int64_t n, double *sums)
{
    struct sums_job job = {ops, blocks, sums};

    threads_run(pool, (size_t)n, sum_block, &job);
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
    const struct optimizer_run *run;
    int64_t begin; /* the run's first element */
    struct adamw decayed, plain;
};

static int
step_block(void *arg, size_t cell, int worker)
{
    const struct step_job *job = arg;
    const struct optimizer_run *r = job->run;
    struct param_block b;
    void *act = NULL;

    (void)worker;
    params_block(job->params, r->first + (int64_t)cell, &b);

    const struct param *t = &job->params->param[b.param];
    int64_t at = b.offset - job->begin;
    if (r->act && !params_is_vector(t))
        act = (char *)r->act + (size_t)at * job->ops->act_size;
    job->ops->adamw(r->master + at, r->m + at, r->v + at, r->grads + at, act, b.size,
                    t->decay ? &job->decayed : &job->plain);
    return 0;
}

void
optimizer_step(struct threads *pool, const struct ops *ops, const struct params *p,
               const struct optimizer_run *run, const struct adamw *h)
{
    struct step_job job = {.ops = ops, .params = p, .run = run, .decayed = *h, .plain = *h};
    struct param_block b;

    if (run->first == run->last)
        return;
    params_block(p, run->first, &b);
    job.begin = b.offset;
    job.plain.weight_decay = 0;
    threads_run(pool, (size_t)(run->last - run->first), step_block, &job);
}

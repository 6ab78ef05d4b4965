/* Norms, shares and counts of every tensor group, measured in the step that is due. */
#include "cmd/llm-train/tensor_health.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"
#include "parallel/block_sums.h"

/* A block that this rank owns: squares are summed by ops->sum_squares, in FP64. */
struct health_block {
    int run, group; /* what it lies in: of t->state_arrays, of the groups */
    double weight, update;
    uint32_t count[HEALTH_COUNTS];
};

enum { COPIES = 3, COUNTS = HEALTH_COUNTS + FP8_ROLES };

/* ---- what it holds ---- */

/* Own blocks and runs both ascend. */
static void
place_blocks(struct tensor_health *h, const struct trainer *t)
{
    const struct state *s = &t->state_arrays;
    int64_t n = block_sums_count(t->block_sums);
    int run = 0;

    for (int64_t i = 0; i < n; i++) {
        int64_t block = block_sums_block(t->block_sums, i);
        struct param_block b;

        while (s->at[run].block_end <= block)
            run++;
        params_block(&t->params, block, &b);
        h->block[i].run = run;
        h->block[i].group = h->groups.of[t->params.param[b.param].whole.index];
    }
}

struct tensor_health *
tensor_health_new(const struct trainer *t)
{
    size_t blocks = (size_t)block_sums_count(t->block_sums), groups;
    struct tensor_health *h;

    if (options.health_every == 0)
        return NULL;
    h = mem_zalloc(sizeof *h);
    tensor_groups_init(&h->groups, &t->whole);
    groups = (size_t)h->groups.count;
    h->of = mem_zarray(groups, sizeof *h->of);
    h->block = mem_zarray(blocks + 1, sizeof *h->block);
    h->copies = mem_aligned((size_t)t->threads * COPIES * NORM_BLOCK * sizeof *h->copies);
    h->counts = mem_zarray(groups * COUNTS, sizeof *h->counts);
    h->logits = mem_zarray((size_t)t->config.num_hidden_layers, sizeof *h->logits);
    place_blocks(h, t);
    return h;
}

void
tensor_health_free(struct tensor_health *h)
{
    if (!h)
        return;
    tensor_groups_release(&h->groups);
    free(h->of);
    free(h->block);
    free(h->copies);
    free(h->counts);
    free(h->logits);
    free(h);
}

uint64_t
tensor_health_bytes(const struct trainer *t, uint64_t blocks)
{
    const struct tensor_health *h = NULL;

    if (options.health_every == 0)
        return 0;
    return blocks * sizeof *h->block +
           (uint64_t)t->threads * COPIES * NORM_BLOCK * sizeof *h->copies +
           (uint64_t)t->whole.count * (sizeof *h->of + COUNTS * sizeof *h->counts);
}

/* ---- counting ---- */

/* Loops of a fixed length become vector instructions; the last elements go one by one. */
enum { STRIDE = 64 };

/* AdamW's denominator is sqrt(v) unbias + eps, in FP32 (kernels/ref/adamw.inc). */
static uint32_t
count_below(const float *v, int64_t n, float unbias, float eps)
{
    uint32_t count = 0;
    int64_t i = 0;

    for (; i + STRIDE <= n; i += STRIDE)
        for (int j = 0; j < STRIDE; j++)
            count += sqrtf(v[i + j]) * unbias < eps;
    for (; i < n; i++)
        count += sqrtf(v[i]) * unbias < eps;
    return count;
}

/*
 * Those whose magnitude, taken as an integer, is in [from, from + below): by their bits, as
 * arithmetic takes denormals for zero.
 */
static uint32_t
count_bits(const float *x, int64_t n, uint32_t from, uint32_t below)
{
    uint32_t bits[STRIDE], count = 0;
    int64_t i = 0;

    for (; i + STRIDE <= n; i += STRIDE) {
        memcpy(bits, x + i, sizeof bits);
        for (int j = 0; j < STRIDE; j++)
            count += (bits[j] & INT32_MAX) - from < below;
    }
    memcpy(bits, x + i, (size_t)(n - i) * sizeof *x);
    for (int64_t j = 0; j < n - i; j++)
        count += (bits[j] & INT32_MAX) - from < below;
    return count;
}

static uint32_t
count_denormals(const float *x, int64_t n)
{
    return count_bits(x, n, 1, (1u << 23) - 1);
}

/* ---- a block ---- */

struct measure_job {
    struct trainer *t;
    const struct adamw *adamw;
};

/*
 * AdamW runs on copies of the block, with the kernel and the rules of the real step: what it changes is
 * this step's update to the bit, without a second copy of the weights.
 */
static int
measure_block(void *arg, size_t cell, int worker)
{
    const struct measure_job *job = arg;
    struct trainer *t = job->t;
    struct tensor_health *h = t->tensor_health;
    struct health_block *out = &h->block[cell];
    const struct optimizer_run *run = &t->state_arrays.run[out->run];
    const struct ops *ops = &t->kernels->ops[t->precision];
    int64_t block = block_sums_block(t->block_sums, (int64_t)cell);
    struct param_block b;

    params_block(&t->params, block, &b);

    int64_t at = b.offset - t->state_arrays.at[out->run].begin, n = b.size;
    size_t bytes = (size_t)n * sizeof(float);
    const float *old = run->master + at, *gradient = t->sum_of[cell].grads;
    float *w = h->copies + (int64_t)worker * COPIES * NORM_BLOCK, *m = w + NORM_BLOCK, *v = m + NORM_BLOCK;
    struct optimizer_run one = {block, block + 1, w, m, v, NULL, gradient};

    memcpy(w, old, bytes);
    memcpy(m, run->m + at, bytes);
    memcpy(v, run->v + at, bytes);
    optimizer_step(NULL, ops, &t->params, &one, job->adamw);
    out->count[HEALTH_BELOW_EPS] =
        count_below(v, n, (float)(1 / sqrt(job->adamw->correction2)), (float)job->adamw->eps);
    out->count[HEALTH_ZERO] = count_bits(v, n, 0, 1);
    out->count[HEALTH_DENORMAL_GRADIENTS] = count_denormals(gradient, n);
    out->count[HEALTH_DENORMAL_MOMENTS] = count_denormals(m, n) + count_denormals(v, n);
    out->weight = ops->sum_squares(w, n);
    for (int64_t i = 0; i < n; i++)
        m[i] = w[i] - old[i];
    out->update = ops->sum_squares(m, n);
    return 0;
}

/* ---- a step ---- */

void
tensor_health_begin(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;

    if (!h)
        return;
    h->due = !t->later.started || (t->step + 1) % (uint64_t)options.health_every == 0;
    decoder_watch_logits(t->decoder, h->due);
}

/* The group that a tensor of FP8 belongs to: by layer and linear map. */
static int
group_of_operand(const struct tensor_groups *groups, int64_t tensor)
{
    static const enum tensor_kind linears[FP8_LINEARS] = {TENSOR_QKV, TENSOR_OUTPUT, TENSOR_UP, TENSOR_DOWN};
    int layer = (int)(tensor / (FP8_LINEARS * FP8_ROLES));

    return tensor_groups_find(groups, layer, linears[tensor / FP8_ROLES % FP8_LINEARS]);
}

void
tensor_health_operands(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;

    if (!h || !h->due)
        return;
    memset(h->counts, 0, (size_t)h->groups.count * COUNTS * sizeof *h->counts);
    for (int64_t i = 0; i < t->config.num_hidden_layers; i++)
        h->logits[i] = decoder_largest_logit(t->decoder, (int)i);
    decoder_watch_logits(t->decoder, false);
    h->fp8 = t->phase->fp8;
    for (int64_t i = 0; h->fp8 && i < fp8_tensors(decoder_fp8(t->decoder)); i++) {
        int group = group_of_operand(&h->groups, i);
        if (group >= 0) /* a layer with experts has other maps */
            h->counts[group * COUNTS + HEALTH_COUNTS + i % FP8_ROLES] += trainer_fp8_saturated(t, i);
    }
}

void
tensor_health_measure(struct trainer *t, const struct adamw *adamw)
{
    struct tensor_health *h = t->tensor_health;
    struct measure_job job = {t, adamw};
    int64_t n = block_sums_count(t->block_sums);

    if (!h || !h->due)
        return;
    /* block_sums holds the gradient's sums of this step until others are added. */
    memset(h->of, 0, (size_t)h->groups.count * sizeof *h->of);
    for (int i = 0; i < t->whole.count; i++)
        h->of[h->groups.of[i]].gradient += block_sums_of_tensor(t->block_sums, i);
    threads_run(t->pool, (size_t)n, measure_block, &job);
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < HEALTH_COUNTS; k++)
            h->counts[h->block[i].group * COUNTS + k] += h->block[i].count[k];
}

/* Squares of weights, or of updates, of all blocks, added up by group. t->sums is free by now. */
static int
add_blocks(struct trainer *t, bool updates)
{
    struct tensor_health *h = t->tensor_health;
    int64_t n = block_sums_count(t->block_sums);
    uint64_t flags = 0;
    double total;

    for (int64_t i = 0; i < n; i++)
        t->sums[i] = updates ? h->block[i].update : h->block[i].weight;
    if (block_sums_add(t->block_sums, t->sums, &flags, &total) < 0)
        return -1;
    *(updates ? &h->all.update : &h->all.weight) = sqrt(total);
    for (int i = 0; i < t->whole.count; i++) {
        struct group_health *o = &h->of[h->groups.of[i]];
        *(updates ? &o->update : &o->weight) += block_sums_of_tensor(t->block_sums, i);
    }
    return 0;
}

/* From sums of squares to norms, of groups and of all. */
static void
sum_up(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;

    for (int g = 0; g < h->groups.count; g++) {
        struct group_health *o = &h->of[g];

        o->gradient = sqrt(o->gradient);
        o->weight = sqrt(o->weight);
        o->update = sqrt(o->update);
        o->max_logit = h->groups.group[g].kind == TENSOR_QKV ? h->logits[h->groups.group[g].layer] : -INFINITY;
        h->all.max_logit = fmaxf(h->all.max_logit, o->max_logit);
        for (int k = 0; k < HEALTH_COUNTS; k++)
            h->all.count[k] += o->count[k] = h->counts[g * COUNTS + k];
        for (int k = 0; k < FP8_ROLES; k++)
            h->all.beyond[k] += o->beyond[k] = h->counts[g * COUNTS + HEALTH_COUNTS + k];
    }
}

int
tensor_health_collect(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;

    if (!h || !h->due)
        return 0;
    h->all = (struct group_health){.max_logit = -INFINITY};
    if (add_blocks(t, false) < 0 || add_blocks(t, true) < 0 ||
        comm_all_reduce(t->world, h->counts, (size_t)h->groups.count * COUNTS, COMM_U64, COMM_SUM) < 0 ||
        comm_all_reduce(t->world, h->logits, (size_t)t->config.num_hidden_layers, COMM_F32, COMM_MAX) < 0)
        return -1;
    sum_up(t);
    return 0;
}

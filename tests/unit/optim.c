/*
 * Schedules against their formulas, AdamW against the textbook in double, blocks and clipping.
 */
#include <math.h>
#include <stdlib.h>

#include "base/float16.h"
#include "base/mem.h"
#include "base/rng.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "tests/unit/small_model.h"
#include "tests/unit/tap.h"

static void
test_schedules(void)
{
    struct lr_schedule s = {SCHEDULE_COSINE, 1e-3, 1e-4, 10, 100, 0, WSD_LINEAR};

    is_near(schedule_lr(&s, 1), 1e-4, 1e-18, "warm-up begins at lr / warmup");
    is_near(schedule_lr(&s, 7), 7e-4, 1e-18, "grows in line");
    is_near(schedule_lr(&s, 10), 1e-3, 1e-18, "and ends at lr");
    is_near(schedule_lr(&s, 60), 5.5e-4, 1e-15, "cosine: the mean at half time");
    is_near(schedule_lr(&s, 35), 1e-4 + 9e-4 * (1 + sqrt(0.5)) / 2, 1e-15, "at a quarter");
    is_near(schedule_lr(&s, 110), 1e-4, 1e-15, "the end");
    is_near(schedule_lr(&s, 500), 1e-4, 0, "and behind it");
    s.kind = SCHEDULE_LINEAR;
    is_near(schedule_lr(&s, 35), 1e-3 - 0.25 * 9e-4, 1e-15, "linear: a quarter");
    is_near(schedule_lr(&s, 110), 1e-4, 0, "linear: the end");
    s.kind = SCHEDULE_CONSTANT;
    is_near(schedule_lr(&s, 11), 1e-3, 0, "constant");
    is_near(schedule_lr(&s, 5), 5e-4, 1e-18, "constant, in warm-up");
    s = (struct lr_schedule){SCHEDULE_WSD, 1e-3, 1e-4, 10, 20, 50, WSD_LINEAR};
    is_near(schedule_lr(&s, 5), 5e-4, 1e-18, "wsd: warm-up");
    is_near(schedule_lr(&s, 60), 1e-3, 0, "stable up to its last step");
    is_near(schedule_lr(&s, 65), 1e-3 - 0.25 * 9e-4, 1e-15, "linear decay: a quarter");
    s.style = WSD_COSINE;
    is_near(schedule_lr(&s, 65), 1e-4 + 9e-4 * (1 + sqrt(0.5)) / 2, 1e-15, "cosine: a quarter");
    s.style = WSD_1_SQRT;
    is_near(schedule_lr(&s, 65), 1e-4 + 9e-4 * 0.5, 1e-15, "1 - sqrt: half of it at a quarter");
    is_near(schedule_lr(&s, 80), 1e-4, 1e-15, "and the end");
    s = (struct lr_schedule){SCHEDULE_COSINE, 2, 1, 0, 4, 0, WSD_LINEAR};
    is_near(schedule_lr(&s, 1), 1.5 + 0.5 * sqrt(0.5), 1e-15,
            "no warm-up: the first step has decayed");
    s = (struct lr_schedule){SCHEDULE_COSINE, 2, 1, 1e9, 4e9, 0, WSD_LINEAR};
    is_near(schedule_lr(&s, 3e9), 1.5, 1e-15, "lengths in tokens");
}

static void
test_clip(void)
{
    is_near(optimizer_clip(4, 1), 1 / (4 + 1e-6), 1e-16, "a long gradient is shortened");
    is_near(optimizer_clip(0.5, 1), 1, 0, "a short one is not");
    is_near(optimizer_clip(1e9, 0), 1, 0, "0 clips nothing");
}

/* A table of odd sizes, with a tensor of more than one block. */
static void
table_init(struct params *p, struct config *c)
{
    static const char json[] =
        "{\"model_type\":\"gpt2\",\"vocab_size\":1031,\"n_embd\":37,\"n_layer\":1,"
        "\"n_head\":1,\"n_positions\":11}";

    if (config_parse(c, "config.json", json, sizeof json - 1) < 0 || params_init(p, c) < 0)
        abort();
}

static void
fill(float *x, int64_t n, const char *name, float scale)
{
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * (float)rng_normal(rng_key(1, name), (uint64_t)i);
}

static void
test_blocks(const struct kernels *k)
{
    struct config c;
    struct params p;

    table_init(&p, &c);
    int64_t blocks = params_blocks(&p), covered = 0, want = 0, behind = 0;
    bool ordered = true;
    for (int i = 0; i < p.count; i++)
        want += (p.param[i].size + 16383) / 16384;
    is_int(blocks, want, "blocks end with their tensor");
    for (int64_t b = 0; b < blocks; b++) {
        struct param_block at;

        params_block(&p, b, &at);
        ordered = ordered && at.offset >= behind && at.size > 0 && at.size <= NORM_BLOCK &&
                  at.offset >= p.param[at.param].offset &&
                  at.offset + at.size <= p.param[at.param].offset + p.param[at.param].size;
        behind = at.offset + at.size;
        covered += at.size;
    }
    ok(ordered, "blocks are in order, each within a tensor");
    is_int(covered, p.parameters, "and cover all parameters");

    float *grads = mem_zarray((size_t)p.elements, sizeof *grads);
    double *sums = mem_array((size_t)blocks, sizeof *sums),
           *parts = mem_array((size_t)blocks, sizeof *parts);
    struct threads *pool = threads_new(3);
    double total = 0, direct = 0;

    for (int i = 0; i < p.count; i++)
        fill(grads + p.param[i].offset, p.param[i].size, p.param[i].name, 1);
    struct block_sum *list = mem_array((size_t)blocks, sizeof *list);
    for (int64_t b = 0; b < blocks; b++) {
        struct param_block at;
        params_block(&p, b, &at);
        list[b] = (struct block_sum){grads + at.offset, at.size};
    }
    optimizer_block_sums(NULL, &k->ops[PRECISION_FP32], list, blocks, sums);
    optimizer_block_sums(pool, &k->ops[PRECISION_FP32], list, 2, parts);
    optimizer_block_sums(pool, &k->ops[PRECISION_FP32], list + 2, 3, parts + 2);
    optimizer_block_sums(pool, &k->ops[PRECISION_FP32], list + 5, blocks - 5, parts + 5);
    free(list);
    ok(memcmp(sums, parts, (size_t)blocks * sizeof *sums) == 0,
       "%s: sums do not depend on the split", k->name);
    for (int64_t b = 0; b < blocks; b++)
        total += sums[b];
    for (int64_t i = 0; i < p.elements; i++)
        direct += (double)grads[i] * (double)grads[i];
    is_near(total / direct, 1, 1e-13, "%s: sums of squares", k->name);
    threads_free(pool);
    free(grads);
    free(sums);
    free(parts);
    params_release(&p);
    config_release(&c);
}

/* Algorithm 2 of Loshchilov and Hutter, 2019, in double. */
static void
textbook(double *w, double *m, double *v, double g, int step, const struct adamw *h, double decay)
{
    *m = h->beta1 * *m + (1 - h->beta1) * g;
    *v = h->beta2 * *v + (1 - h->beta2) * g * g;
    double m_hat = *m / (1 - pow(h->beta1, step)), v_hat = *v / (1 - pow(h->beta2, step));
    *w -= h->lr * (m_hat / (sqrt(v_hat) + h->eps) + decay * *w);
}

static void
test_adamw(const struct kernels *k, enum precision precision)
{
    enum { STEPS = 20 };
    struct config c;
    struct params p;
    double worst = 0;
    bool act_right = true;

    table_init(&p, &c);
    size_t n = (size_t)p.elements;
    int64_t blocks = params_blocks(&p);
    const struct ops *ops = &k->ops[precision];
    struct optimizer_run s = {.last = blocks,
                              .master = mem_zarray(n, 4),
                              .m = mem_zarray(n, 4),
                              .v = mem_zarray(n, 4)};
    float *grads = mem_zarray(n, 4);
    double *w = mem_zarray(n, 8), *m = mem_zarray(n, 8), *v = mem_zarray(n, 8);
    struct threads *pool = threads_new(2);

    if (precision == PRECISION_BF16)
        s.act = mem_zarray(n, ops->act_size);
    for (int i = 0; i < p.count; i++)
        fill(s.master + p.param[i].offset, p.param[i].size, p.param[i].name, 0.1f);
    for (size_t i = 0; i < n; i++)
        w[i] = (double)s.master[i];
    for (int step = 1; step <= STEPS; step++) {
        struct adamw h = {.lr = 0.01,
                          .beta1 = 0.9,
                          .beta2 = 0.95,
                          .eps = 1e-8,
                          .weight_decay = 0.1,
                          .grad_scale = 0.5};

        h.correction1 = 1 - pow(h.beta1, step);
        h.correction2 = 1 - pow(h.beta2, step);
        for (int i = 0; i < p.count; i++) {
            char name[96];
            const struct param *t = &p.param[i];

            snprintf(name, sizeof name, "%s %d", t->name, step);
            fill(grads + t->offset, t->size, name, 3);
            for (int64_t j = t->offset; j < t->offset + t->size; j++)
                textbook(&w[j], &m[j], &v[j], 0.5 * (double)grads[j], step, &h, t->decay ? 0.1 : 0);
        }
        /* In two runs, as owners of slices do. */
        struct param_block at;
        params_block(&p, 3, &at);
        int64_t third = at.offset;
        struct optimizer_run first = s, rest = s;
        first.grads = grads;
        first.last = 3;
        rest.first = 3;
        rest.master += third;
        rest.m += third;
        rest.v += third;
        rest.grads = grads + third;
        if (s.act)
            rest.act = (char *)s.act + (size_t)third * ops->act_size;
        optimizer_step(pool, ops, &p, &first, &h);
        optimizer_step(NULL, ops, &p, &rest, &h);
    }
    for (int i = 0; i < p.count; i++) {
        const struct param *t = &p.param[i];
        bool matrix = t->kind == PARAM_MATRIX || t->kind == PARAM_EMBEDDING;

        for (int64_t j = t->offset; j < t->offset + t->size; j++) {
            worst = fmax(worst, fabs((double)s.master[j] - w[j]));
            if (s.act)
                act_right = act_right &&
                            ((uint16_t *)s.act)[j] == (matrix ? bf16_from_float(s.master[j]) : 0);
        }
    }
    /* 20 steps of 0.01: the parameters moved by about 0.05. */
    is_near(worst, 0, 2e-6, "%s %s: AdamW is the textbook's", k->name, precision_name(precision));
    ok(act_right, "%s %s: act copies of matrices, and of nothing else", k->name,
       precision_name(precision));
    threads_free(pool);
    free(s.master), free(s.m), free(s.v), free(s.act);
    free(grads), free(w), free(m), free(v);
    params_release(&p);
    config_release(&c);
}

int
main(void)
{
    test_schedules();
    test_clip();
    for (size_t i = 0; i < TABLE_NAMES; i++) {
        const struct kernels *k = table_named(table_names[i]);

        if (!k) {
            skip(table_names[i], "not on this machine");
            continue;
        }
        test_blocks(k);
        test_adamw(k, PRECISION_FP32);
        test_adamw(k, PRECISION_BF16);
    }
    return done();
}

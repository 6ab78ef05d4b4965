/* Times a decoder of one layer, to plan those of the whole model by. */
#include "cmd/llm-train/probe_piece.h"

#include <string.h>

#include "base/mem.h"
#include "base/sys.h"
#include "kernels/profile.h"

enum { MOST_PASSES = 8 };

struct reading {
    double wall, work[PROFILE_WORKS];
};

struct bench {
    const struct trainer *t;
    const struct probe_piece *what;
    struct model_piece piece;
    struct model_part part;
    struct params params;
    struct decoder *decoder;
    float *weights, *gradients;
    void *act;                  /* the weights that products read; of FP32 the same */
    char *border[4];            /* x, y, dy, dx; without the ends */
    uint32_t *inputs;
    int32_t *targets, *first;
    struct sequence_loss *loss; /* [sequences] */
    bool *written;              /* [params.count] */
    struct reading begin, head, layer;
};

/* ---- making ---- */

/* Small numbers without a pattern, as weights and activations are. */
static void
fill(float *x, int64_t n, float size)
{
    uint32_t state = 1;

    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223; /* Numerical Recipes */
        x[i] = size * ((float)(state >> 8) / (float)(1 << 23) - 1);
    }
}

static void
fill_weights(struct bench *b)
{
    const struct params *p = &b->params;
    const struct ops *ops = &b->t->kernels->ops[b->t->precision];

    fill(b->weights, p->elements, 0.03F);
    for (int i = 0; i < p->count; i++)
        for (int64_t k = 0; p->param[i].kind == PARAM_NORM && k < p->param[i].size; k++)
            b->weights[p->param[i].offset + k] = 1;
    if (b->act != b->weights)
        ops->to_act(b->act, b->weights, p->elements);
}

static void
make_batch(struct bench *b)
{
    const struct probe_piece *w = b->what;
    int64_t n = w->sequences * w->length;
    uint32_t state = 1;

    b->inputs = mem_array((size_t)n, sizeof *b->inputs);
    b->targets = mem_array((size_t)n, sizeof *b->targets);
    b->first = mem_zarray((size_t)n, sizeof *b->first);
    b->loss = mem_zarray((size_t)w->sequences, sizeof *b->loss);
    for (int64_t i = 0; i < n; i++) {
        state = state * 1664525 + 1013904223;
        b->inputs[i] = (uint32_t)((uint64_t)state * (uint64_t)w->config->vocab_size >> 32);
        b->targets[i] = (int32_t)b->inputs[i];
    }
}

static void
make_borders(struct bench *b)
{
    const struct ops *ops = &b->t->kernels->ops[b->t->precision];
    size_t element;
    int64_t n = decoder_border(b->decoder, b->what->sequences, &element);
    float *values = mem_large((size_t)n * sizeof *values);

    for (int i = 0; i < 4 && !b->what->ends; i++) {
        b->border[i] = mem_large((size_t)n * element);
        fill(values, n, i < 2 ? 1.0F : 1e-3F);
        ops->to_act(b->border[i], values, n);
        /* What stands behind the stream are sums that begin at 0. */
        size_t sums = decoder_border_sums(b->what->config);
        memset(b->border[i] + (size_t)n * element - (sums + element - 1) / element * element, 0, sums);
    }
    free(values);
}

static struct decoder_options
options_of(const struct bench *b)
{
    const struct trainer *t = b->t;

    return (struct decoder_options){
        .kernels = t->kernels,
        .precision = t->precision,
        .precisions = 1u << t->precision,
        .fp8 = t->phase->fp8 ? &t->fp8 : NULL,
        .pool = t->pool,
        .micro_batch = b->what->sequences,
        .seq_length = b->what->length,
        .recompute = b->what->recompute,
        .training = true,
        .part = &b->part,
    };
}

static int
bench_init(struct bench *b)
{
    const struct trainer *t = b->t;
    struct decoder_options o;
    int layer = b->what->layer;

    b->piece = (struct model_piece){layer, layer + 1, b->what->ends, b->what->ends};
    b->part = (struct model_part){.piece = &b->piece, .pieces = 1};
    if (params_init_part(&b->params, b->what->config, &b->part) < 0)
        return -1;
    o = options_of(b);
    b->decoder = decoder_new(b->what->config, &b->params, &o);
    if (!b->decoder)
        return -1;
    b->weights = mem_large((size_t)b->params.elements * sizeof *b->weights);
    b->gradients = mem_large((size_t)b->params.grad_elements * sizeof *b->gradients);
    memset(b->gradients, 0, (size_t)b->params.grad_elements * sizeof *b->gradients);
    b->act = b->weights;
    if (t->precision != PRECISION_FP32)
        b->act = mem_large((size_t)b->params.elements * t->kernels->ops[t->precision].act_size);
    b->written = mem_zarray((size_t)b->params.count + 1, sizeof *b->written);
    fill_weights(b);
    if (t->phase->fp8) {
        decoder_set_precision(b->decoder, t->precision, true);
        fp8_reset(decoder_fp8(b->decoder));
    }
    decoder_set_weights(b->decoder, b->act, b->weights);
    make_batch(b);
    make_borders(b);
    return 0;
}

static void
bench_release(struct bench *b)
{
    decoder_free(b->decoder);
    params_release(&b->params);
    if (b->act != b->weights)
        free(b->act);
    free(b->weights);
    free(b->gradients);
    for (int i = 0; i < 4; i++)
        free(b->border[i]);
    free(b->inputs);
    free(b->targets);
    free(b->first);
    free(b->loss);
    free(b->written);
}

/* ---- a pass ---- */

static struct reading
look(void)
{
    struct reading r = {.wall = sys_seconds()};

    profile_caller_work(r.work);
    return r;
}

static void
add_between(struct probe_seconds *s, const struct reading *from, const struct reading *to)
{
    double products = to->work[PROFILE_PRODUCTS] - from->work[PROFILE_PRODUCTS];
    double attention = to->work[PROFILE_ATTENTION] - from->work[PROFILE_ATTENTION];

    s->products += products;
    s->attention += attention;
    s->elementwise += to->wall - from->wall - products - attention;
}

static void *
at(void *arg, int param, bool *fresh)
{
    struct bench *b = arg;

    if (fresh) {
        *fresh = b->what->fresh && !b->written[param];
        b->written[param] = true;
    }
    return b->gradients + (param == b->params.count ? b->params.tied_offset : b->params.param[param].offset);
}

/* The head's tensors are ready before the layer's, these before the embedding's (model/train.c). */
static void
ready(void *arg, int param)
{
    struct bench *b = arg;

    if (param < b->params.count && b->params.param[param].layer >= 0)
        b->layer = look();
    else if (b->layer.wall == 0)
        b->head = look();
}

/* One micro-batch, forward and backward; what of it is the layer's, or the ends'. */
static int
pass(struct bench *b, struct probe_seconds *out)
{
    const struct probe_piece *w = b->what;
    struct batch batch = {
        .sequences = w->sequences,
        .length = w->length,
        .inputs = b->inputs,
        .targets = b->targets,
        .first = b->first,
    };
    struct gradients g = {b, at, ready, true};
    struct reading start = look(), end;

    memset(b->written, 0, ((size_t)b->params.count + 1) * sizeof *b->written);
    b->layer = b->head = (struct reading){0};
    *out = (struct probe_seconds){0};
    if (decoder_forward_piece(b->decoder, 0, 0, &batch, b->border[0], b->border[1]) < 0)
        return -1;
    b->begin = look();
    if (decoder_backward_piece(b->decoder, 0, 0, &batch, &g, 1.0 / (double)(w->sequences * w->length), 0,
                               b->border[2], b->border[3], b->loss) < 0)
        return -1;
    end = look();
    if (w->ends) {
        add_between(out, &b->begin, &b->head);
        add_between(out, &b->layer, &end);
    } else {
        add_between(out, &start, &end);
    }
    return 0;
}

static double
sum(const struct probe_seconds *s)
{
    return s->products + s->attention + s->elementwise;
}

/* Ranks of one run agree how many passes they make: each takes part in every barrier. */
static int
passes(struct bench *b, double seconds, struct probe_seconds *seen)
{
    struct probe_seconds one;
    double start = sys_seconds();
    int32_t more = 1;

    for (int i = 0; more; i++) {
        if (comm_barrier(b->t->world) < 0 || pass(b, &one) < 0)
            return -1;
        if (i <= 1 || sum(&one) < sum(seen))
            *seen = one;
        more = i == 0 || (i < MOST_PASSES && sys_seconds() - start < seconds);
        if (comm_all_reduce(b->t->world, &more, 1, COMM_I32, COMM_MAX) < 0)
            return -1;
    }
    return 0;
}

int
probe_piece(const struct trainer *t, const struct probe_piece *what, double seconds,
            struct probe_seconds *seen)
{
    struct bench b = {.t = t, .what = what};
    int result = bench_init(&b);

    if (result == 0)
        result = passes(&b, seconds, seen);
    bench_release(&b);
    return result;
}

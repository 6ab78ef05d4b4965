/* Which layers each stage of a pipeline computes, by what they cost. */
#include "parallel/pipeline_stages.h"

#include "base/err.h"
#include "base/mem.h"

/* FLOPs of the model's first layers, without the head. */
struct count {
    double forward, attention, again; /* attention: of forward; again: what backward redoes */
};

static struct count
count_first(const struct config *c, int64_t layers, int64_t seq_length, enum recompute r)
{
    struct config some = *c, none = *c;
    struct flops all, head, kept;

    some.num_hidden_layers = layers;
    none.num_hidden_layers = 0;
    decoder_flops(&some, seq_length, r, &all);
    decoder_flops(&none, seq_length, r, &head);
    decoder_flops(&some, seq_length, RECOMPUTE_NONE, &kept);
    /* What a backward pass always redoes is one of attention's two products. */
    return (struct count){all.forward - head.forward, 2 * kept.recompute, all.recompute};
}

struct layer_cost {
    double forward, input, weight;
};

/*
 * Layer i. The gradient of an input costs a forward pass, that of a weight, too; attention has
 * no weights, and both of its products' gradients belong to the input.
 */
static struct layer_cost
layer_cost(const struct config *c, int i, int64_t seq_length, enum recompute r)
{
    struct count to = count_first(c, i + 1, seq_length, r), from = count_first(c, i, seq_length, r);
    double forward = to.forward - from.forward, attention = to.attention - from.attention;
    double linear = forward - attention;

    return (struct layer_cost){forward, linear + 2 * attention + to.again - from.again, linear};
}

/* The head's forward pass is done in the backward task, as are the gradients of its weights. */
static void
add_ends(const struct config *c, int64_t seq_length, struct layer_cost *cost)
{
    struct config none = *c;
    struct flops head;

    none.num_hidden_layers = 0;
    decoder_flops(&none, seq_length, RECOMPUTE_NONE, &head);
    /* An embedding moves about as many numbers as a matrix of one row would. */
    double embedding = 2 * (double)seq_length * (double)c->hidden_size;
    cost[0].forward += embedding;
    cost[0].input += embedding;
    cost[c->num_hidden_layers - 1].input += head.forward + head.backward;
}

static void
add_piece(struct pipeline_stages *s, int piece, const struct layer_cost *cost)
{
    const struct model_piece *p = &s->piece[piece];

    for (int i = p->begin; i < p->end; i++) {
        s->forward[piece] += cost[i].forward;
        s->input[piece] += cost[i].input;
        s->weight[piece] += cost[i].weight;
    }
}

int
pipeline_stages_make(const struct config *c, int stages, int chunks, int64_t seq_length,
                     const enum recompute *recompute, struct pipeline_stages *out)
{
    int64_t pieces = (int64_t)stages * chunks, layers = c->num_hidden_layers;

    if (stages < 1 || chunks < 1 || pieces > layers)
        return err_set(
            STATUS_USAGE,
            "%d pipeline stages with %d chunks each are %lld pieces, but the model has %lld "
            "layers: at most %lld stages",
            stages, chunks, (long long)pieces, (long long)layers,
            (long long)(chunks < 1 ? 0 : layers / chunks));
    int n = (int)pieces;
    struct layer_cost *cost = mem_zarray((size_t)layers, sizeof *cost);
    double *sum = mem_zarray((size_t)layers, sizeof *sum);
    int *begin = mem_zarray((size_t)n + 1, sizeof *begin);

    *out = (struct pipeline_stages){.stages = stages, .chunks = chunks};
    out->piece = mem_zarray((size_t)n, sizeof *out->piece);
    out->forward = mem_zarray(3 * (size_t)n, sizeof *out->forward);
    out->input = out->forward + n;
    out->weight = out->input + n;

    /* Recomputation is chosen for stages: the cut is by what is done without it. */
    for (int i = 0; i < layers; i++)
        cost[i] = layer_cost(c, i, seq_length, RECOMPUTE_NONE);
    add_ends(c, seq_length, cost);
    for (int i = 0; i < layers; i++)
        sum[i] = cost[i].forward + cost[i].input + cost[i].weight;
    pipeline_split(sum, (int)layers, n, begin);
    for (int i = 0; i < n; i++) {
        enum recompute r = recompute ? recompute[i % stages] : RECOMPUTE_NONE;
        out->piece[i] = (struct model_piece){begin[i], begin[i + 1], i == 0, i == n - 1};
        for (int j = begin[i]; j < begin[i + 1]; j++)
            cost[j].input += layer_cost(c, j, seq_length, r).input -
                             layer_cost(c, j, seq_length, RECOMPUTE_NONE).input;
        add_piece(out, i, cost);
    }
    free(cost);
    free(sum);
    free(begin);
    return 0;
}

void
pipeline_stages_release(struct pipeline_stages *s)
{
    free(s->piece);
    free(s->forward);
    *s = (struct pipeline_stages){0};
}

void
pipeline_stage_pieces(const struct pipeline_stages *s, int stage, struct model_piece *out)
{
    for (int c = 0; c < s->chunks; c++)
        out[c] = s->piece[c * s->stages + stage];
}

double
pipeline_stages_bubble(const struct pipeline_stages *s, const struct pipeline_table *t)
{
    struct pipeline_costs costs = {s->forward, s->input, s->weight, 0};
    struct pipeline_time time = {0};

    pipeline_simulate(t, &costs, &time);
    return time.bubble;
}

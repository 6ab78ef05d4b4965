#include "model/params.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"

/* The parameter table in its one order, and the weights a new model starts from. */

enum {
    PARAM_ALIGN = 16, /* elements: 64 bytes of float */
    PARAMS_PER_LAYER = 12,
    PARAMS_OUTSIDE = 5
};

static int64_t
align_up(int64_t n)
{
    return (n + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
}

/* Appends a tensor; returns its index. */
static int
add(struct params *p, enum param_kind kind, int layer, const char *name, int64_t rows,
    int64_t columns)
{
    struct param *t = &p->param[p->count];

    memset(t, 0, sizeof *t);
    if (layer >= 0)
        snprintf(t->name, sizeof t->name, "layers.%d.%s", layer, name);
    else
        snprintf(t->name, sizeof t->name, "%s", name);
    t->kind = kind;
    t->decay = kind == PARAM_MATRIX || kind == PARAM_EMBEDDING;
    t->layer = layer;
    t->rows = rows;
    t->columns = columns;
    t->offset = p->elements;
    t->size = rows * columns;
    p->elements = align_up(t->offset + t->size);
    p->parameters += t->size;
    return p->count++;
}

static int
add_if(struct params *p, bool wanted, int layer, const char *name, int64_t columns)
{
    return wanted ? add(p, PARAM_BIAS, layer, name, 1, columns) : -1;
}

static void
add_layer(struct params *p, const struct config *c, int i)
{
    struct layer_params *l = &p->layer[i];
    int64_t hidden = c->hidden_size, heads = c->num_attention_heads * c->head_dim;
    int64_t qkv = heads + 2 * c->num_key_value_heads * c->head_dim;
    bool gated = c->mlp == MLP_SWIGLU;
    int64_t up = gated ? 2 * c->intermediate_size : c->intermediate_size;

    l->attention_norm = add(p, PARAM_NORM, i, "attention_norm.weight", 1, hidden);
    l->attention_norm_bias = add_if(p, c->norm_bias, i, "attention_norm.bias", hidden);
    l->qkv = add(p, PARAM_MATRIX, i, "attention.qkv.weight", qkv, hidden);
    l->qkv_bias = add_if(p, c->attention_bias, i, "attention.qkv.bias", qkv);
    l->output = add(p, PARAM_MATRIX, i, "attention.output.weight", hidden, heads);
    l->output_bias = add_if(p, c->output_bias, i, "attention.output.bias", hidden);
    l->mlp_norm = add(p, PARAM_NORM, i, "mlp_norm.weight", 1, hidden);
    l->mlp_norm_bias = add_if(p, c->norm_bias, i, "mlp_norm.bias", hidden);
    l->up = add(p, PARAM_MATRIX, i, gated ? "mlp.gate_up.weight" : "mlp.up.weight", up, hidden);
    l->up_bias = add_if(p, c->mlp_bias, i, gated ? "mlp.gate_up.bias" : "mlp.up.bias", up);
    l->down = add(p, PARAM_MATRIX, i, "mlp.down.weight", hidden, c->intermediate_size);
    l->down_bias = add_if(p, c->mlp_bias, i, "mlp.down.bias", hidden);
    p->param[l->output].residual_output = p->param[l->down].residual_output = true;
}

int
params_init(struct params *p, const struct config *c)
{
    size_t layers = (size_t)c->num_hidden_layers;
    int64_t hidden = c->hidden_size, vocab = c->vocab_size;

    memset(p, 0, sizeof *p);
    p->param = mem_zarray(layers * PARAMS_PER_LAYER + PARAMS_OUTSIDE, sizeof *p->param);
    p->layer = mem_zarray(layers, sizeof *p->layer);

    p->embedding = add(p, PARAM_EMBEDDING, -1, "embedding.weight", vocab, hidden);
    p->position = -1;
    if (c->position == POSITION_LEARNED)
        p->position =
            add(p, PARAM_EMBEDDING, -1, "position.weight", c->max_position_embeddings, hidden);
    for (int i = 0; i < (int)layers; i++)
        add_layer(p, c, i);
    p->final_norm = add(p, PARAM_NORM, -1, "final_norm.weight", 1, hidden);
    p->final_norm_bias = add_if(p, c->norm_bias, -1, "final_norm.bias", hidden);
    p->head = p->embedding;
    if (!c->tie_word_embeddings)
        p->head = add(p, PARAM_MATRIX, -1, "head.weight", vocab, hidden);

    p->tied_offset = c->tie_word_embeddings ? p->elements : -1;
    p->grad_elements = p->elements + (c->tie_word_embeddings ? align_up(vocab * hidden) : 0);
    return 0;
}

void
params_release(struct params *p)
{
    free(p->param);
    free(p->layer);
    memset(p, 0, sizeof *p);
}

int
params_find(const struct params *p, const char *name)
{
    for (int i = 0; i < p->count; i++)
        if (strcmp(p->param[i].name, name) == 0)
            return i;
    return -1;
}

/* Elements of one cell; even, since normals come in pairs. */
enum { FILL_CELL = 1 << 16 };

struct fill_job {
    float *out;
    int64_t n;
    uint64_t key;
    double deviation;
};

static int
fill_cell(void *arg, size_t cell, int worker)
{
    const struct fill_job *j = arg;
    int64_t begin = (int64_t)cell * FILL_CELL;
    int64_t end = j->n - begin < FILL_CELL ? j->n : begin + FILL_CELL;
    double pair[2];

    (void)worker;
    for (int64_t i = begin; i < end; i += 2) {
        rng_normal_pair(j->key, (uint64_t)i / 2, pair);
        j->out[i] = (float)(j->deviation * pair[0]);
        if (i + 1 < end)
            j->out[i + 1] = (float)(j->deviation * pair[1]);
    }
    return 0;
}

static void
fill_normal(struct threads *pool, float *out, int64_t n, uint64_t key, double deviation)
{
    struct fill_job job = {out, n, key, deviation};

    threads_run(pool, (size_t)((n + FILL_CELL - 1) / FILL_CELL), fill_cell, &job);
}

void
params_initialize(struct threads *pool, const struct params *p, const struct config *c,
                  uint64_t seed, double std, float *master)
{
    double deviation = std > 0 ? std : c->initializer_range;
    /* Radford et al., 2019, section 2.3: 1/sqrt(N) for N residual layers, two a block. */
    double residual = c->family == FAMILY_GPT2 ? 1 / sqrt(2.0 * (double)c->num_hidden_layers) : 1;

    memset(master, 0, (size_t)p->elements * sizeof *master);
    for (int i = 0; i < p->count; i++) {
        const struct param *t = &p->param[i];
        float *out = master + t->offset;

        if (t->kind == PARAM_NORM)
            for (int64_t j = 0; j < t->size; j++)
                out[j] = 1;
        else if (t->kind != PARAM_BIAS)
            fill_normal(pool, out, t->size, rng_key(seed, t->name),
                        t->residual_output ? deviation * residual : deviation);
    }
}

#include "model/decoder_impl.h"

/* Counting work: matrix products at 2 m n k, causal attention at the keys it really meets. */

double
decoder_attended(const struct config *c, int64_t length, int64_t layer)
{
    bool cut = config_windowed(c, layer) && c->sliding_window < length;
    double window = cut ? (double)c->sliding_window : (double)length;

    return window * (window + 1) / 2 + ((double)length - window) * window;
}

/* Weights that a token meets in a layer's MLP: its first matrices, and its last, never redone. */
struct mlp_weights {
    double up, down;
    double router; /* with the shared expert's gate */
};

static struct mlp_weights
mlp_of(const struct config *c, int64_t layer)
{
    double hidden = (double)c->hidden_size, gated = c->mlp == MLP_SWIGLU ? 2 : 1;
    double inner = (double)c->intermediate_size;

    if (!config_sparse(c, layer))
        return (struct mlp_weights){gated * inner * hidden, inner * hidden, 0};
    inner = (double)(c->num_experts_per_tok * c->moe_intermediate_size +
                     c->shared_intermediate_size);
    return (struct mlp_weights){
        2 * inner * hidden, inner * hidden,
        (double)(c->num_experts + (c->shared_intermediate_size > 0)) * hidden};
}

/*
 * Backward is twice forward. Blocked attention computes the scores once more
 * there, which counts as recomputation.
 */
static void
add_layer(const struct config *c, int64_t length, int64_t layer, enum recompute r,
          struct flops *out)
{
    double tokens = (double)length, hidden = (double)c->hidden_size;
    double query = (double)(c->num_attention_heads * c->head_dim);
    double kv = (double)(c->num_key_value_heads * c->head_dim);
    double product = 2 * query * decoder_attended(c, length, layer); /* q k, or p v */
    struct mlp_weights m = mlp_of(c, layer);
    double first = (query + 2 * kv) * hidden + query * hidden + m.router + m.up;

    out->forward += 2 * tokens * (first + m.down) + 2 * product;
    out->recompute += product;
    if (r == RECOMPUTE_SELECTIVE)
        out->recompute += 2 * tokens * m.up;
    if (r == RECOMPUTE_FULL)
        out->recompute += 2 * tokens * first + 2 * product;
}

/* Weights of the adapters beside one layer's linear maps, and those that are met again: their A. */
struct adapter_weights {
    double all, a;
};

static void
add_adapter(struct adapter_weights *w, const struct config *c, unsigned target, int64_t in,
            int64_t out)
{
    if (!(c->lora.targets & target))
        return;
    w->all += (double)(c->lora.rank * (in + out));
    w->a += (double)(c->lora.rank * in);
}

static struct adapter_weights
adapters_of(const struct config *c, int64_t layer)
{
    int64_t hidden = c->hidden_size, inner = c->intermediate_size;
    int64_t query = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    struct adapter_weights w = {0};

    add_adapter(&w, c, LORA_QUERY, hidden, query);
    add_adapter(&w, c, LORA_KEY, hidden, kv);
    add_adapter(&w, c, LORA_VALUE, hidden, kv);
    add_adapter(&w, c, LORA_QKV, hidden, query + 2 * kv);
    add_adapter(&w, c, LORA_OUTPUT, query, hidden);
    if (config_sparse(c, layer))
        return w;
    add_adapter(&w, c, LORA_GATE, hidden, inner);
    add_adapter(&w, c, LORA_UP, hidden, inner);
    add_adapter(&w, c, LORA_DOWN, inner, hidden);
    return w;
}

/*
 * Frozen matrices have the gradient of their input alone. Adapters have both, and meet A once more
 * in the backward pass.
 */
static void
add_lora(const struct config *c, int64_t length, struct flops *out)
{
    double tokens = (double)length, attention = 0, adapters = 0;

    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        struct adapter_weights w = adapters_of(c, i);
        attention += 4 * (double)(c->num_attention_heads * c->head_dim) *
                     decoder_attended(c, length, i);
        adapters += 2 * tokens * w.all;
        out->recompute += 2 * tokens * w.a;
    }
    out->backward = out->forward + attention + 2 * adapters;
    out->forward += adapters;
}

void
decoder_flops(const struct config *c, int64_t seq_length, enum recompute r, struct flops *out)
{
    *out = (struct flops){0};
    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        add_layer(c, seq_length, i, r, out);
    out->forward += 2 * (double)seq_length * (double)c->hidden_size * (double)c->vocab_size;
    out->backward = 2 * out->forward;
    if (c->lora.rank > 0)
        add_lora(c, seq_length, out);
}

struct shape_list {
    struct gemm *out;
    int count, max;
};

static void
add_shape(struct shape_list *s, struct gemm g)
{
    g.lda = g.ta ? g.m : g.k;
    g.ldb = g.tb ? g.k : g.n;
    g.ldc = g.n;
    if (s->count < s->max)
        s->out[s->count++] = g;
}

/* The three products of a linear map [out][in]. */
static void
add_linear(struct shape_list *s, int64_t tokens, int64_t out, int64_t in, bool logits)
{
    add_shape(s, (struct gemm){.tb = true, .m = tokens, .n = out, .k = in, .c_wide = logits});
    add_shape(s, (struct gemm){.m = tokens, .n = in, .k = out});
    add_shape(s,
              (struct gemm){
                  .ta = true, .m = out, .n = in, .k = tokens, .c_wide = true, .accumulate = true});
}

static void
add_mlp(struct shape_list *s, int64_t tokens, int64_t gated, int64_t inner, int64_t hidden)
{
    add_linear(s, tokens, gated * inner, hidden, false);
    add_linear(s, tokens, hidden, inner, false);
}

int
decoder_gemm_shapes(const struct config *c, int64_t tokens, struct gemm *out, int max)
{
    struct shape_list s = {.out = out, .max = max};
    int64_t query = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    int64_t gated = c->mlp == MLP_SWIGLU ? 2 : 1, sparse = config_sparse_layers(c);

    add_linear(&s, tokens, query + 2 * kv, c->hidden_size, false);
    add_linear(&s, tokens, c->hidden_size, query, false);
    if (c->lora.rank > 0) {
        add_linear(&s, tokens, 3 * c->lora.rank, c->hidden_size, false);
        add_linear(&s, tokens, query, c->lora.rank, false);
    }
    if (sparse < c->num_hidden_layers)
        add_mlp(&s, tokens, gated, c->intermediate_size, c->hidden_size);
    if (sparse > 0) /* as if the load were even */
        add_mlp(&s, tokens * c->num_experts_per_tok / c->num_experts + 1, gated,
                c->moe_intermediate_size, c->hidden_size);
    if (c->shared_intermediate_size > 0)
        add_mlp(&s, tokens, gated, c->shared_intermediate_size, c->hidden_size);
    add_linear(&s, tokens < HEAD_CHUNK ? tokens : HEAD_CHUNK, c->vocab_size, c->hidden_size, true);
    return s.count;
}

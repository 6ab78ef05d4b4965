#include "model/decoder_impl.h"

/* Counting work: matrix products at 2 m n k, causal attention at the keys it really meets. */

/* Keys that the queries of a sequence meet, over all of them. */
static double
attended(const struct config *c, int64_t length)
{
    double window = c->sliding_window > 0 && c->sliding_window < length ? (double)c->sliding_window
                                                                        : (double)length;
    return window * (window + 1) / 2 + ((double)length - window) * window;
}

struct layer_flops {
    double linear;   /* of all matrices */
    double up, down; /* of the MLP's first, and its second, which is never redone */
    double product;  /* q k, or p v */
};

static struct layer_flops
count_layer(const struct config *c, int64_t length)
{
    double tokens = (double)length, hidden = (double)c->hidden_size;
    double query = (double)(c->num_attention_heads * c->head_dim);
    double kv = (double)(c->num_key_value_heads * c->head_dim),
           inner = (double)c->intermediate_size;
    double up = c->mlp == MLP_SWIGLU ? 2 * inner : inner;
    double weights = (query + 2 * kv) * hidden + query * hidden + up * hidden + inner * hidden;

    return (struct layer_flops){2 * tokens * weights, 2 * tokens * up * hidden,
                                2 * tokens * inner * hidden, 2 * query * attended(c, length)};
}

/*
 * Backward is twice forward. Blocked attention computes the scores once more
 * there, which counts as recomputation.
 */
void
decoder_flops(const struct config *c, int64_t seq_length, enum recompute r, struct flops *out)
{
    struct layer_flops l = count_layer(c, seq_length);
    double layers = (double)c->num_hidden_layers;
    double head = 2 * (double)seq_length * (double)c->hidden_size * (double)c->vocab_size;

    out->forward = layers * (l.linear + 2 * l.product) + head;
    out->backward = 2 * out->forward;
    out->recompute = layers * l.product;
    if (r == RECOMPUTE_SELECTIVE)
        out->recompute += layers * l.up;
    if (r == RECOMPUTE_FULL)
        out->recompute += layers * (l.linear - l.down + 2 * l.product);
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

int
decoder_gemm_shapes(const struct config *c, int64_t tokens, struct gemm *out, int max)
{
    struct shape_list s = {.out = out, .max = max};
    int64_t query = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    int64_t up = c->mlp == MLP_SWIGLU ? 2 * c->intermediate_size : c->intermediate_size;

    add_linear(&s, tokens, query + 2 * kv, c->hidden_size, false);
    add_linear(&s, tokens, c->hidden_size, query, false);
    add_linear(&s, tokens, up, c->hidden_size, false);
    add_linear(&s, tokens, c->hidden_size, c->intermediate_size, false);
    add_linear(&s, tokens < HEAD_CHUNK ? tokens : HEAD_CHUNK, c->vocab_size, c->hidden_size, true);
    return s.count;
}

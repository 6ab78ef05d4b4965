#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/decoder_impl.h"

/* Inference with a key/value cache: a prompt in chunks of the decoder's capacity, or a token at a
 * time. */

struct kv_cache {
    const struct decoder *d;
    int64_t capacity, length;
    char *keys_values; /* act: of each layer keys [capacity][kv], then values */
    void *cos_sin;     /* wide [capacity][rotary_dim] */
    char *scratch;     /* a piece a worker */
    size_t scratch_each;
};

struct kv_cache *
kv_cache_new(const struct decoder *d, int64_t capacity)
{
    const struct config *c = d->config;
    struct kv_cache *cache = mem_zalloc(sizeof *cache);
    size_t elements = (size_t)(2 * c->num_hidden_layers * capacity * d->kv);
    int64_t queries = capacity < d->capacity ? capacity : d->capacity;

    cache->d = d;
    cache->capacity = capacity;
    cache->keys_values = mem_aligned(elements * d->ops->act_size);
    if (c->position == POSITION_ROTARY) {
        cache->cos_sin = mem_aligned((size_t)(capacity * c->rotary_dim) * d->ops->wide_size);
        rotary_table(c, d->ops, capacity, cache->cos_sin);
    }
    cache->scratch_each =
        d->ops->attention_scratch(queries, capacity, d->group, c->head_dim, false);
    cache->scratch_each = (cache->scratch_each + 63) / 64 * 64;
    cache->scratch = mem_aligned(cache->scratch_each * (size_t)threads_count(d->pool));
    return cache;
}

int64_t
kv_cache_length(const struct kv_cache *c)
{
    return c->length;
}

void
kv_cache_truncate(struct kv_cache *c, int64_t length)
{
    if (length < c->length)
        c->length = length;
}

void
kv_cache_free(struct kv_cache *c)
{
    if (!c)
        return;
    free(c->keys_values);
    free(c->cos_sin);
    free(c->scratch);
    free(c);
}

/* Layer i's keys; its values stand capacity * kv elements behind. */
static void *
layer_keys(const struct kv_cache *c, int i)
{
    return act_at(c->d, c->keys_values, 2 * (int64_t)i * c->capacity * c->d->kv);
}

/* Appends the keys and values of n new tokens to layer i's cache. */
static void
store_keys(const struct kv_cache *c, int i, const void *qkv, int64_t n)
{
    const struct decoder *d = c->d;
    size_t row = (size_t)d->kv * d->ops->act_size;

    for (int64_t t = 0; t < n; t++) {
        char *key = act_at(d, layer_keys(c, i), (c->length + t) * d->kv);
        const char *from = act_at_const(d, qkv, t * d->qkv + d->query);

        memcpy(key, from, row);
        memcpy(act_at(d, key, c->capacity * d->kv), from + row, row);
    }
}

struct extend_job {
    const struct kv_cache *c;
    int layer;
    int64_t n;
};

/* A key/value head's group of queries against the cache. */
static int
attend(void *arg, size_t head, int worker)
{
    const struct extend_job *j = arg;
    const struct kv_cache *c = j->c;
    const struct decoder *d = c->d;
    const struct layer_state *s = slot_layer(d, 0, d->slot[0], j->layer);
    int64_t dim = d->config->head_dim, query = (int64_t)head * d->group * dim;
    const void *keys = act_at(d, layer_keys(c, j->layer), (int64_t)head * dim);
    struct attention a = {
        .queries = j->n,
        .keys = c->length + j->n,
        .heads = d->group,
        .head_dim = dim,
        .q0 = c->length,
        .first = d->first,
        .scale = 1 / sqrt((double)dim),
        .q = act_at(d, s->qkv, query),
        .q_stride = d->qkv,
        .k = keys,
        .v = act_at_const(d, keys, c->capacity * d->kv),
        .kv_stride = d->kv,
        .out = act_at(d, s->context, query),
        .out_stride = d->query,
        .scratch = c->scratch + (size_t)worker * c->scratch_each,
    };

    d->ops->attention_forward(&a);
    return 0;
}

/* As layer_forward, over the cache. */
static void
extend_layer(struct decoder *d, const struct kv_cache *c, int i, int64_t n)
{
    const struct layer_params *p = &d->params->layer[i];
    const struct layer_state *s = slot_layer(d, 0, d->slot[0], i);
    struct norm_at norm1 = layer_norm1(d, s, i), norm2 = layer_norm2(d, s, i);
    struct extend_job job = {c, i, n};
    bool first = i == 0;

    norm_forward(d, &norm1, d->h, s->x, first ? s->x : s[-1].x_mid, first ? NULL : d->delta, n);
    linear_forward(d, s->qkv, d->h, p->qkv, p->qkv_bias, n);
    qk_norm_forward(d, s, i, n);
    rotary_apply(d, s->qkv, c->cos_sin, false, n);
    store_keys(c, i, s->qkv, n);
    run_cells(d, d->kv_heads, 1, attend, &job);
    linear_forward(d, d->delta, s->context, p->output, p->output_bias, n);
    norm_forward(d, &norm2, d->h, s->x_mid, s->x, d->delta, n);
    mlp_forward(d, s, i, &(struct tokens){.count = n, .rows = n});
}

/* n <= d->capacity tokens; the last `want` of them get logits. */
static void
extend_chunk(struct decoder *d, struct kv_cache *c, const uint32_t *ids, int64_t n,
             int64_t want, void *logits)
{
    int64_t window = d->config->sliding_window, layers = d->config->num_hidden_layers;
    const struct slot *s = d->slot[0];
    struct norm_at final = final_norm_at(d, s);

    for (int64_t i = 0; i < n; i++) {
        int64_t at = c->length + i;

        d->positions[i] = (int32_t)at;
        d->first[i] = window > 0 && at >= window ? (int32_t)(at - window + 1) : 0;
    }
    embedding_forward(d, s->layer[0].x, ids, n);
    for (int i = 0; i < (int)layers; i++)
        extend_layer(d, c, i, n);
    c->length += n;
    if (want == 0)
        return;
    norm_forward(d, &final, d->h_final, s->x_final, s->layer[layers - 1].x_mid, d->delta, n);
    linear_forward_wide(d, logits, act_at(d, d->h_final, (n - want) * d->hidden), d->params->head,
                        want);
}

static int
check_extend(const struct decoder *d, const struct kv_cache *c, const uint32_t *ids, int64_t n,
             int64_t want)
{
    const struct config *config = d->config;

    if (d->tensor_size > 1)
        return err_set(STATUS_FAILED, "inference runs on whole models, not on tensor-parallel parts");
    if (n < 1 || want < 0 || want > n)
        return err_set(STATUS_FAILED, "logits of %lld of %lld tokens are wanted", (long long)want,
                       (long long)n);
    if (n > c->capacity - c->length)
        return err_set(STATUS_FAILED, "%lld tokens do not fit into a context of %lld",
                       (long long)(c->length + n), (long long)c->capacity);
    if (config->position == POSITION_LEARNED && c->length + n > config->max_position_embeddings)
        return err_set(STATUS_INPUT,
                       "%lld tokens are beyond the model's max_position_embeddings (%lld)",
                       (long long)(c->length + n), (long long)config->max_position_embeddings);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] >= config->vocab_size)
            return err_set(STATUS_INPUT, "token id %lu is not below vocab_size (%lld)",
                           (unsigned long)ids[i], (long long)config->vocab_size);
    return 0;
}

int
decoder_extend(struct decoder *d, struct kv_cache *c, const uint32_t *ids, int64_t n, int64_t want,
               void *logits)
{
    if (check_extend(d, c, ids, n, want) < 0)
        return -1;
    d->router = NULL;
    for (int64_t at = 0; at < n; at += d->capacity) {
        int64_t size = n - at < d->capacity ? n - at : d->capacity;
        int64_t left = n - at - size;                   /* tokens behind this chunk */
        int64_t wanted = want > left ? want - left : 0; /* of this chunk, if it is not cut below */

        wanted = wanted < size ? wanted : size;
        extend_chunk(d, c, ids + at, size, wanted, logits);
        logits = wide_at(d, logits, wanted * d->config->vocab_size);
    }
    return 0;
}

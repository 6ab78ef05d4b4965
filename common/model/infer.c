#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/walk.h"

/* The key/value cache, and one sequence's continuation with logits. */

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
kv_cache_copy(struct kv_cache *dst, const struct kv_cache *src, int64_t length)
{
    const struct decoder *d = src->d;
    int64_t arrays = 2 * d->config->num_hidden_layers;
    size_t bytes = (size_t)(length * d->kv) * d->ops->act_size;

    for (int64_t i = 0; i < arrays; i++) /* keys and values of each layer */
        memcpy(act_at(d, dst->keys_values, i * dst->capacity * d->kv),
               act_at(d, src->keys_values, i * src->capacity * d->kv), bytes);
    dst->length = length;
}

void
kv_cache_free(struct kv_cache *c)
{
    if (!c)
        return;
    free(c->keys_values);
    free(c->cos_sin);
    free(c->scratch);
    free(c->lanes);
    free(c);
}

int
check_inference(const struct decoder *d)
{
    const struct model_piece *p = &d->piece[0];

    if (!d->walk)
        return err_set(STATUS_FAILED, "a decoder for training does not infer");
    if (d->expert_size > 1 || d->options.sequence_parallel)
        return err_set(STATUS_FAILED, "inference runs without expert and sequence parallelism");
    if (d->pieces > 1 || !p->embedding || !p->head || d->context_size > 1 || d->source)
        return err_set(STATUS_FAILED, "inference runs on whole models, not on pieces of them");
    return 0;
}

int
check_room(const struct kv_cache *c, int64_t at, int64_t n)
{
    if (n > c->capacity - at)
        return err_set(STATUS_FAILED, "%lld tokens do not fit into a context of %lld",
                       (long long)(at + n), (long long)c->capacity);
    return config_check_length(c->d->config, at + n);
}

int
check_ids(const struct decoder *d, const uint32_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (ids[i] >= d->config->vocab_size)
            return err_set(STATUS_INPUT, "token id %lu is not below vocab_size (%lld)",
                           (unsigned long)ids[i], (long long)d->config->vocab_size);
    return 0;
}

static int
check_extend(const struct decoder *d, const struct kv_cache *c, const uint32_t *ids, int64_t n,
             int64_t want)
{
    if (check_inference(d) < 0)
        return -1;
    if (d->tensor_size > 1)
        return err_set(STATUS_FAILED, "logits of all of the vocabulary are not on one tensor rank");
    if (n < 1 || want < 0 || want > n)
        return err_set(STATUS_FAILED, "logits of %lld of %lld tokens are wanted", (long long)want,
                       (long long)n);
    return check_room(c, c->length, n) < 0 ? -1 : check_ids(d, ids, n);
}

int
decoder_extend(struct decoder *d, struct kv_cache *c, const uint32_t *ids, int64_t n, int64_t want,
               void *logits)
{
    struct walk_item item = {.cache = c, .at = c->length, .ids = ids, .n = n};

    if (check_extend(d, c, ids, n, want) < 0)
        return -1;
    for (int64_t at = 0, size; at < n; at += size) {
        walk_begin(d);
        size = walk_add(d, &item, at);
        if (walk_layers(d) < 0)
            return -1;

        int64_t left = n - at - size;                   /* tokens behind this run */
        int64_t wanted = want > left ? want - left : 0; /* of this run, if it is not cut below */

        wanted = wanted < size ? wanted : size;
        linear_forward_wide(d, logits, act_at(d, d->h_final, (size - wanted) * d->hidden),
                            d->params->head, wanted);
        logits = wide_at(d, logits, wanted * d->config->vocab_size);
    }
    return 0;
}

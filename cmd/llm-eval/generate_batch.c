/*
 * Many texts at once. Each of a number of lanes has a cache of its own; a step puts one token
 * of every text through the model together, and the prompts of those that begin with them. A
 * lane whose text is done takes the next one at once. Prompts are taken in the order of their
 * tokens, so that those with a shared beginning follow each other: the beginning is computed
 * once, in a trunk, and copied.
 */
#include "cmd/llm-eval/generation.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/sys.h"

enum {
    CHUNK = 512,      /* tokens that go through the model together */
    LANES_MAX = 32,   /* by default: more read more keys and values than weights */
    SHARE_TOKENS = 32 /* fewer are computed again rather than by themselves */
};

struct lane {
    struct writing *w; /* NULL: free */
    struct kv_cache *cache;
    int64_t kept;  /* tokens of the prompt that the cache has from the trunk */
    bool begun;    /* the prompt is in the cache */
    uint32_t last; /* the token that comes next */
    float *logits;
};

struct desk {
    const struct model *m;
    struct decoder *decoder;
    struct writing *all;
    size_t *order, count, next; /* which of `all`, by the order of their prompts */
    struct lane *lane;
    size_t lanes;
    struct walk_item *item;
    struct lane **live; /* of each item */
    size_t items;
    struct kv_cache *trunk; /* NULL: nothing worth it is shared */
    struct ids trunk_ids;
    char *scratch; /* vocab * 16 bytes a worker */
};

/* ---- order and sharing ---- */

static size_t
shared(const uint32_t *a, size_t na, const uint32_t *b, size_t nb)
{
    size_t n = na < nb ? na : nb, i = 0;
    while (i < n && a[i] == b[i])
        i++;
    return i;
}

/* What the prompt of rank i in the order shares with the next one, leaving one token to compute. */
static size_t
shared_with_next(const struct desk *d, size_t i)
{
    if (i + 1 >= d->count)
        return 0;
    const struct ids *a = &d->all[d->order[i]].prompt, *b = &d->all[d->order[i + 1]].prompt;
    return shared(a->data, a->len - 1, b->data, b->len - 1);
}

static int
compare_prompts(const void *a, const void *b, void *arg)
{
    const struct writing *all = arg;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    const struct ids *x = &all[i].prompt, *y = &all[j].prompt;
    size_t k = shared(x->data, x->len, y->data, y->len);
    if (k < x->len && k < y->len)
        return x->data[k] < y->data[k] ? -1 : 1;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return i < j ? -1 : i > j;
}

static void
put_in_order(struct desk *d)
{
    d->order = mem_array(d->count, sizeof *d->order);
    for (size_t i = 0; i < d->count; i++)
        d->order[i] = i;
    qsort_r(d->order, d->count, sizeof *d->order, compare_prompts, d->all);
}

/* ---- memory ---- */

static uint64_t
cache_bytes(const struct model *m, int64_t capacity)
{
    const struct config *c = m->config;
    uint64_t kv = (uint64_t)(c->num_key_value_heads * c->head_dim);
    uint64_t token = 2 * (uint64_t)c->num_hidden_layers * kv *
                     m->kernels->ops[m->precision].act_size;
    return (uint64_t)capacity * (token + (uint64_t)c->rotary_dim * sizeof(float));
}

/* What is left for caches. */
static uint64_t
cache_memory(void)
{
    uint64_t held = sys_memory_resident();
    if (common.memory == 0)
        return sys_memory_available() / 2 / (uint64_t)options.ranks;
    return common.memory > held ? common.memory - held : 0;
}

int64_t
cache_tokens(const struct model *m)
{
    int64_t positions = m->config->max_position_embeddings;
    uint64_t room = cache_memory() / cache_bytes(m, 1);
    return room < (uint64_t)positions ? (int64_t)room : positions;
}

static int
take_lanes(struct desk *d, int64_t batch)
{
    int64_t capacity = 1, trunk = 0;
    uint64_t vocab = (uint64_t)d->m->config->vocab_size;
    for (size_t i = 0; i < d->count; i++) {
        const struct writing *w = &d->all[d->order[i]];
        int64_t whole = (int64_t)w->prompt.len + w->max_new, part = (int64_t)shared_with_next(d, i);
        capacity = whole > capacity ? whole : capacity;
        trunk = part > trunk ? part : trunk;
    }
    uint64_t left = cache_memory();
    uint64_t each = cache_bytes(d->m, capacity) + vocab * sizeof(float);
    uint64_t first = trunk >= SHARE_TOKENS ? cache_bytes(d->m, trunk) : 0;
    uint64_t most = batch > 0 ? (uint64_t)batch : LANES_MAX;
    char need[32], limit[32];
    /* Ranks that hold one model together take the same steps: as many lanes as the poorest has room for. */
    if (d->m->tensor && comm_all_reduce(d->m->tensor, &left, 1, COMM_U64, COMM_MIN) < 0)
        return -1;
    if (each > left)
        return err_set(
            STATUS_FAILED, "a text of %lld tokens needs %s beside the model, %s are left",
            (long long)capacity, human_bytes((double)each, need), human_bytes((double)left, limit));
    if (first && first + 2 * each <= left) {
        d->trunk = kv_cache_new(d->decoder, trunk);
        left -= first;
    }
    most = most < left / each ? most : left / each;
    d->lanes = most < d->count ? (size_t)most : d->count;
    d->lane = mem_zarray(d->lanes, sizeof *d->lane);
    for (size_t i = 0; i < d->lanes; i++) {
        d->lane[i].cache = kv_cache_new(d->decoder, capacity);
        d->lane[i].logits = mem_array(vocab, sizeof(float));
    }
    d->item = mem_array(d->lanes, sizeof *d->item);
    d->live = mem_array(d->lanes, sizeof(struct lane *));
    d->scratch = mem_array((size_t)threads_count(d->m->pool) * vocab, 16);
    return 0;
}

/* ---- steps ---- */

/* Computes what the next prompt shares with the one behind it, if the trunk lacks much of that. */
static int
grow_trunk(struct desk *d, const struct writing *w, size_t have, size_t want)
{
    struct walk_item item = {.cache = d->trunk,
                             .at = (int64_t)have,
                             .ids = w->prompt.data + have,
                             .n = (int64_t)(want - have)};
    if (decoder_walk(d->decoder, &item, 1) < 0)
        return -1;
    d->trunk_ids.len = have;
    for (size_t i = have; i < want; i++)
        vec_push(&d->trunk_ids, w->prompt.data[i]);
    return 0;
}

/* The next text in a free lane, with what the trunk has of its prompt. */
static int
begin_text(struct desk *d, struct lane *l)
{
    size_t want = shared_with_next(d, d->next), have = 0;
    l->w = &d->all[d->order[d->next++]];
    l->begun = false;
    if (d->trunk) {
        have = shared(d->trunk_ids.data, d->trunk_ids.len, l->w->prompt.data, l->w->prompt.len - 1);
        if (want >= have + SHARE_TOKENS) {
            if (grow_trunk(d, l->w, have, want) < 0)
                return -1;
            have = want;
        }
        if (have)
            kv_cache_copy(l->cache, d->trunk, (int64_t)have);
    }
    l->kept = (int64_t)have;
    return 0;
}

static void
add_item(struct desk *d, struct lane *l)
{
    const struct ids *prompt = &l->w->prompt;
    struct walk_item *item = &d->item[d->items];
    *item = (struct walk_item){.cache = l->cache, .logits = l->logits};
    if (l->begun) {
        item->at = (int64_t)(prompt->len + l->w->ids.len) - 1;
        item->ids = &l->last;
        item->n = 1;
    } else {
        item->at = l->kept;
        item->ids = prompt->data + l->kept;
        item->n = (int64_t)prompt->len - l->kept;
    }
    d->live[d->items++] = l;
}

static int
add_token(void *arg, size_t i, int worker)
{
    struct desk *d = arg;
    struct lane *l = d->live[i];
    size_t each = (size_t)d->m->config->vocab_size * 16;
    if (writing_add(l->w, d->m, l->logits, d->scratch + (size_t)worker * each) < 0)
        return -1;
    l->begun = true;
    if (!l->w->done)
        l->last = l->w->ids.data[l->w->ids.len - 1];
    return 0;
}

/* One token for every text; d->items says of how many. */
static int
step(struct desk *d)
{
    d->items = 0;
    for (size_t i = 0; i < d->lanes; i++) {
        struct lane *l = &d->lane[i];
        if (!l->w && d->next < d->count && begin_text(d, l) < 0)
            return -1;
        if (l->w)
            add_item(d, l);
    }
    if (d->items == 0)
        return 0;
    if (decoder_walk(d->decoder, d->item, d->items) < 0)
        return -1;
    return threads_run(d->m->pool, d->items, add_token, d);
}

static int
write_all(struct desk *d, int (*finished)(void *arg, size_t which), void *arg)
{
    int force = common.progress_given ? common.progress : -1;
    progress_start("write", d->count, PROGRESS_COUNT, d->m->speaks ? force : 0);
    do {
        if (step(d) < 0)
            return -1;
        for (size_t i = 0; i < d->items; i++) {
            struct lane *l = d->live[i];
            if (!l->w->done)
                continue;
            if (finished && finished(arg, (size_t)(l->w - d->all)) < 0)
                return -1;
            l->w = NULL;
            progress_add(1);
        }
    } while (d->items);
    progress_end();
    return 0;
}

static void
desk_release(struct desk *d)
{
    for (size_t i = 0; i < d->lanes; i++) {
        kv_cache_free(d->lane[i].cache);
        free(d->lane[i].logits);
    }
    kv_cache_free(d->trunk);
    decoder_free(d->decoder);
    vec_release(&d->trunk_ids);
    free(d->lane);
    free(d->item);
    free(d->live);
    free(d->order);
    free(d->scratch);
}

int
write_texts(const struct model *m, struct writing *w, size_t n, int64_t batch,
            int (*finished)(void *arg, size_t which), void *arg)
{
    int64_t positions = m->config->max_position_embeddings;
    struct desk d = {.m = m, .all = w, .count = n};
    if (n == 0)
        return 0;
    put_in_order(&d);
    d.decoder = model_decoder(m, positions < CHUNK ? positions : CHUNK);
    int result = d.decoder ? take_lanes(&d, batch) : -1;
    if (result == 0)
        result = write_all(&d, finished, arg);
    desk_release(&d);
    return result;
}

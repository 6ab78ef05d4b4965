/*
 * Attention of a run: a cell is a key/value head's group of queries for the pieces of one
 * cache, in order. Where caches and heads are too few for the threads a cache's pieces are cut
 * into parts, each on keys and values of its own: the path to its first piece is copied there, from
 * the cache and from the rows of earlier pieces, and what the last piece leaves goes to
 * the cache afterwards.
 */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/walk.h"

enum {
    CELLS = 4,         /* a thread, at least, where parts are made */
    PART_TOKENS = 64, /* of a part, at least */
    FIXED_COST = 64   /* of a query, in keys */
};

/* ---- groups and parts ---- */

static void
group_pieces(struct walk *w)
{
    int32_t at = 0;

    for (int32_t i = 0; i < w->pieces; i++)
        w->piece[i].item->cache->group = -1;
    for (int32_t i = 0; i < w->pieces; i++) {
        struct kv_cache *c = w->piece[i].item->cache;

        if (c->group < 0) {
            c->group = w->groups++;
            w->group[c->group] = (struct walk_group){.cache = c};
            if (!w->largest || c->capacity > w->largest->capacity)
                w->largest = c;
        }
        w->group[c->group].count++;
    }
    for (int32_t i = 0; i < w->groups; i++) {
        w->group[i].first = at;
        at += w->group[i].count;
        w->group[i].count = 0;
    }
    for (int32_t i = 0; i < w->pieces; i++) {
        struct walk_group *g = &w->group[w->piece[i].item->cache->group];

        w->order[g->first + g->count++] = i;
    }
}

static const struct walk_piece *
piece_of(const struct walk *w, int32_t i)
{
    return &w->piece[w->order[i]];
}

static int64_t
begin_of(const struct walk_piece *p)
{
    return p->item->at + p->offset;
}

static double
cost_of(const struct walk_piece *p)
{
    return (double)p->n * (double)(begin_of(p) + p->n / 2 + FIXED_COST);
}

/* Parts of nearly equal cost, of whole pieces. */
static void
cut_group(struct walk *w, int32_t group, int64_t wanted)
{
    struct walk_group *g = &w->group[group];
    int32_t end = g->first + g->count;
    int64_t tokens = 0;
    double cost = 0, done = 0;

    for (int32_t i = g->first; i < end; i++) {
        tokens += piece_of(w, i)->n;
        cost += cost_of(piece_of(w, i));
    }
    if (wanted > tokens / PART_TOKENS)
        wanted = tokens / PART_TOKENS > 1 ? tokens / PART_TOKENS : 1;
    for (int32_t i = g->first; i < end; g->parts++) {
        struct walk_part *part = &w->part[w->parts++];
        double limit = cost * (double)(g->parts + 1) / (double)wanted;

        *part = (struct walk_part){.group = group, .first = i};
        do
            done += cost_of(piece_of(w, i++));
        while (i < end && done + cost_of(piece_of(w, i)) / 2 < limit);
        part->count = i - part->first;
    }
}

void
walk_cut(struct decoder *d)
{
    struct walk *w = d->walk;
    int64_t threads = threads_count(d->pool), cells, parts = 1;
    struct kv_cache *c;

    group_pieces(w);
    cells = w->groups * d->kv_heads;
    if (threads > 1 && cells < CELLS * threads)
        parts = (CELLS * threads + cells - 1) / cells;
    for (int32_t i = 0; i < w->groups; i++)
        cut_group(w, i, parts);
    c = w->largest;
    if (w->parts > w->groups && !c->lanes)
        c->lanes = mem_aligned((size_t)(2 * threads * c->capacity * d->config->head_dim) *
                               d->ops->act_size);
}

/* ---- keys and values ---- */

/* Of one key/value head: rows of head_dim numbers. */
struct keys {
    char *k, *v;
    int64_t stride; /* in numbers */
};

static struct keys
keys_of_cache(const struct decoder *d, const struct kv_cache *c, int layer, int64_t head)
{
    int64_t at = 2 * (int64_t)layer * c->capacity * d->kv + head * d->config->head_dim;
    char *k = act_at(d, c->keys_values, at);

    return (struct keys){k, act_at(d, k, c->capacity * d->kv), d->kv};
}

static struct keys
keys_of_lane(const struct decoder *d, int worker)
{
    const struct kv_cache *c = d->walk->largest;
    int64_t n = c->capacity * d->config->head_dim;
    char *k = act_at(d, c->lanes, 2 * worker * n);

    return (struct keys){k, act_at(d, k, n), d->config->head_dim};
}

/* The same in the rows of the run. */
static struct keys
keys_of_rows(const struct decoder *d, const struct layer_state *s, int64_t row, int64_t head)
{
    char *k = act_at(d, s->qkv, row * d->qkv + d->query + head * d->config->head_dim);

    return (struct keys){k, act_at(d, k, d->kv), d->qkv};
}

/* n rows from the beginning of `from` to place `at` of `to`. */
static void
copy_keys(const struct decoder *d, const struct keys *to, int64_t at, const struct keys *from,
          int64_t n)
{
    size_t bytes = (size_t)d->config->head_dim * d->ops->act_size;

    for (int64_t i = 0; i < n; i++) {
        memcpy(act_at(d, to->k, (at + i) * to->stride), act_at(d, from->k, i * from->stride),
               bytes);
        memcpy(act_at(d, to->v, (at + i) * to->stride), act_at(d, from->v, i * from->stride),
               bytes);
    }
}

struct attend_job {
    struct decoder *d;
    const struct layer_state *s;
    int layer;
};

/*
 * The path that ends at `end`, as pieces [first, last) of a group leave it: what they own of it
 * goes to `to`. Returns where it begins; before that it is the cache's.
 */
static int64_t
copy_path(const struct attend_job *j, const struct keys *to, int32_t first, int32_t last,
          int64_t end, int64_t head)
{
    const struct walk *w = j->d->walk;

    for (int32_t i = last; i-- > first && end > 0;) {
        const struct walk_piece *p = piece_of(w, i);
        int64_t begin = begin_of(p), n = end - begin < p->n ? end - begin : p->n;
        struct keys rows;

        if (begin >= end)
            continue;
        rows = keys_of_rows(j->d, j->s, p->row, head);
        copy_keys(j->d, to, begin, &rows, n);
        end = begin;
    }
    return end;
}

/* ---- cells ---- */

static void
attend_piece(const struct attend_job *j, const struct keys *keys, const struct walk_piece *p,
             int64_t head, int worker)
{
    const struct decoder *d = j->d;
    const struct kv_cache *c = d->walk->largest;
    int64_t dim = d->config->head_dim, query = head * d->group * dim;
    struct keys rows = keys_of_rows(d, j->s, p->row, head);
    struct attention a = {
        .queries = p->n,
        .keys = begin_of(p) + p->n,
        .heads = d->group,
        .head_dim = dim,
        .q0 = begin_of(p),
        .first = d->first + p->row,
        .scale = 1 / sqrt((double)dim),
        .q = act_at(d, j->s->qkv, p->row * d->qkv + query),
        .q_stride = d->qkv,
        .k = keys->k,
        .v = keys->v,
        .kv_stride = keys->stride,
        .out = act_at(d, j->s->context, p->row * d->query + query),
        .out_stride = d->query,
        .scratch = c->scratch + (size_t)worker * c->scratch_each,
    };

    copy_keys(d, keys, begin_of(p), &rows, p->n);
    d->ops->attention_forward(&a);
}

/* A part's pieces for one key/value head. */
static int
attend(void *arg, size_t cell, int worker)
{
    const struct attend_job *j = arg;
    const struct decoder *d = j->d;
    const struct walk *w = d->walk;
    const struct walk_part *part = &w->part[(int64_t)cell / d->kv_heads];
    const struct walk_group *g = &w->group[part->group];
    int64_t head = (int64_t)cell % d->kv_heads;
    struct keys cache = keys_of_cache(d, g->cache, j->layer, head), keys = cache;

    if (g->parts > 1) {
        int64_t begin = begin_of(piece_of(w, part->first));

        keys = keys_of_lane(d, worker);
        copy_keys(d, &keys, 0, &cache, copy_path(j, &keys, g->first, part->first, begin, head));
    }
    for (int32_t i = part->first; i < part->first + part->count; i++)
        attend_piece(j, &keys, piece_of(w, i), head, worker);
    return 0;
}

/* What the last piece of a group in parts leaves goes to the cache. */
static int
keep(void *arg, size_t cell, int worker)
{
    const struct attend_job *j = arg;
    const struct decoder *d = j->d;
    const struct walk_group *g = &d->walk->group[(int64_t)cell / d->kv_heads];
    int64_t head = (int64_t)cell % d->kv_heads;
    int32_t last = g->first + g->count;
    const struct walk_piece *p = piece_of(d->walk, last - 1);
    struct keys cache = keys_of_cache(d, g->cache, j->layer, head);

    (void)worker;
    if (g->parts > 1)
        copy_path(j, &cache, g->first, last, begin_of(p) + p->n, head);
    return 0;
}

void
walk_attention(struct decoder *d, const struct layer_state *s, int layer)
{
    const struct walk *w = d->walk;
    struct attend_job job = {d, s, layer};

    run_cells(d, w->parts * d->kv_heads, 1, attend, &job);
    if (w->parts > w->groups)
        run_cells(d, w->groups * d->kv_heads, 1, keep, &job);
}

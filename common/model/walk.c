/* Runs of tokens through the layers, and the walk over items in runs. */
#include "model/walk.h"

#include "base/err.h"

void
walk_carve(struct decoder *d)
{
    struct walk *w = d->walk;
    size_t n = (size_t)d->capacity;

    if (!w)
        return;
    w->ids = arena_take_array(&d->arena, n, sizeof *w->ids);
    w->piece = arena_take_array(&d->arena, n, sizeof *w->piece);
    w->order = arena_take_array(&d->arena, n, sizeof *w->order);
    w->group = arena_take_array(&d->arena, n, sizeof *w->group);
    w->part = arena_take_array(&d->arena, n, sizeof *w->part);
    walk_head_carve(d);
}

/* ---- a run ---- */

void
walk_begin(struct decoder *d)
{
    struct walk *w = d->walk;

    w->tokens = 0;
    w->pieces = w->groups = w->parts = 0;
    w->largest = NULL;
}

static void
add_piece(struct decoder *d, const struct walk_item *item, int64_t offset, int64_t n,
          size_t *score)
{
    struct walk *w = d->walk;
    struct walk_piece *p = &w->piece[w->pieces++];

    *p = (struct walk_piece){
        .item = item, .offset = offset, .n = n, .row = w->tokens, .score = *score};
    while (*score < item->scores && item->score[*score].token < offset + n)
        ++*score;
    p->scores = *score - p->score;
    for (int64_t i = 0; i < n; i++) {
        int64_t at = item->at + offset + i, row = w->tokens + i;

        w->ids[row] = item->ids[offset + i];
        d->positions[row] = (int32_t)at;
        set_first(d, row, 0, (int32_t)at);
    }
    w->tokens += n;
}

int64_t
walk_add(struct decoder *d, const struct walk_item *item, int64_t offset)
{
    int64_t room = d->capacity - d->walk->tokens, left = item->n - offset;
    int64_t n = left < room ? left : room;
    size_t score = 0;

    while (score < item->scores && item->score[score].token < offset)
        score++;
    for (int64_t at = 0; at < n; at += WALK_PIECE)
        add_piece(d, item, offset + at, n - at < WALK_PIECE ? n - at : WALK_PIECE, &score);
    item->cache->length = item->at + offset + n;
    return n;
}

int
walk_layers(struct decoder *d)
{
    struct walk *w = d->walk;
    const struct slot *s = d->slot[0];
    struct norm_at final = final_norm_at(d, s);
    struct tokens t = {.sequences = 1, .length = w->tokens, .count = w->tokens, .rows = w->tokens};
    int layers = (int)d->config->num_hidden_layers;

    walk_cut(d);
    d->failed = 0;
    d->router = NULL;
    d->h_final_of = NULL;
    w->cos_sin = w->largest->cos_sin;
    w->active = true;
    embedding_forward(d, s->layer[0].x, w->ids, t.count);
    sum_rows(d, s->layer[0].x, s->layer[0].x, &t);
    for (int i = 0; i < layers; i++)
        layer_forward(d, &s->layer[i], i, i ? s->layer[i - 1].x_mid : NULL, &t);
    w->active = false;
    norm_forward(d, &final, d->h_final, s->x_final, s->layer[layers - 1].x_mid, d->delta, t.rows);
    return d->failed;
}

/* ---- items ---- */

static int
check_item(const struct decoder *d, const struct walk_item *item)
{
    struct kv_cache *c = item->cache;
    int64_t before = 0;

    if (item->n < 1 || item->at < 0 || item->at > c->turn)
        return err_set(STATUS_FAILED, "%lld tokens at %lld of a sequence of %lld",
                       (long long)item->n, (long long)item->at, (long long)c->turn);
    if (check_room(c, item->at, item->n) < 0 || check_ids(d, item->ids, item->n) < 0)
        return -1;
    for (size_t i = 0; i < item->scores; i++) {
        const struct walk_score *s = &item->score[i];

        if (s->token < before || s->token >= item->n)
            return err_set(STATUS_FAILED, "score %zu of an item of %lld tokens is of token %lld", i,
                           (long long)item->n, (long long)s->token);
        if (check_ids(d, &s->target, 1) < 0)
            return -1;
        before = s->token;
    }
    c->turn = item->at + item->n;
    return 0;
}

static int
check_items(const struct decoder *d, const struct walk_item *items, size_t count)
{
    if (check_inference(d) < 0)
        return -1;
    if (d->ops->wide_size != sizeof(float))
        return err_set(STATUS_FAILED, "trees of sequences are not computed in fp64");
    for (size_t i = 0; i < count; i++)
        items[i].cache->turn = items[i].cache->length;
    for (size_t i = 0; i < count; i++)
        if (check_item(d, &items[i]) < 0)
            return -1;
    return 0;
}

static int
finish_run(struct decoder *d)
{
    if (d->walk->tokens == 0)
        return 0;
    if (walk_layers(d) < 0 || walk_head(d) < 0)
        return -1;
    walk_begin(d);
    return 0;
}

int
decoder_walk(struct decoder *d, const struct walk_item *items, size_t count)
{
    if (check_items(d, items, count) < 0)
        return -1;
    walk_begin(d);
    for (size_t i = 0; i < count; i++)
        for (int64_t at = 0; at < items[i].n;) {
            at += walk_add(d, &items[i], at);
            if (d->walk->tokens == d->capacity && finish_run(d) < 0)
                return -1;
        }
    return finish_run(d);
}

/*
 * Log-likelihoods of requests. Their rows of tokens, sorted, are a tree in depth-first order: a row
 * begins where it leaves the one before it, and goes through the model from there on. Rows that
 * differ in their last token alone (choices of one token) are one row with several targets.
 * Memory: the weights, one cache as long as the longest row, the activations of a run.
 */
#include "cmd/llm-eval/eval.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "base/vec.h"
#include "eval/encode.h"

/* Tokens that go through the matrix products together. */
enum { RUN_TOKENS = 1024 };

/* The tokens of a row, from `at` on, that the row before it does not begin with. */
struct node {
    uint32_t row, at, n;
};

/* A token to be scored: the target behind token `token` of a node, for a row. */
struct mark {
    uint32_t node, token, target, row;
};

struct row_score {
    double log_likelihood;
    bool is_greedy;
};

struct scoring {
    const struct model *m;
    encoded_list rows; /* in tree order after sort_rows */
    struct row_score *score;
    VEC(struct node) nodes;
    VEC(struct mark) marks; /* by node and token */
    struct decoder *decoder;
    struct kv_cache *cache;
    int64_t run; /* tokens */
    /* a run */
    VEC(struct walk_item) items;
    VEC(struct walk_score) scores;
};

/* ---- rows ---- */

static int
encode_all(struct scoring *s, const struct request *r, const size_t *which, size_t n)
{
    const struct tokenizer_specials *ids = tokenizer_specials(s->m->tokenizer);
    struct encode_limits limits = {
        .max_length = engine_max_length(s->m),
        .prefix = ids->bos != TOKEN_NONE ? ids->bos : ids->eos};
    struct tokenizer_scratch *scratch = tokenizer_scratch_new(s->m->tokenizer);
    int result = 0;
    for (size_t i = 0; i < n && result == 0; i++)
        result = encode_request(&r[which[i]], which[i], s->m->tokenizer, scratch, &limits,
                                &s->rows);
    tokenizer_scratch_free(scratch);
    if (result == 0 && s->rows.len > UINT32_MAX / 2)
        result = err_set(STATUS_FAILED, "%zu rows are too many for one run", s->rows.len);
    return result;
}

/* What the model sees of a row: all but its last token. */
static size_t
seen(const struct encoded *e)
{
    return e->ids.len - 1;
}

static size_t
shared(const struct encoded *a, const struct encoded *b)
{
    size_t n = seen(a) < seen(b) ? seen(a) : seen(b), i = 0;
    while (i < n && a->ids.data[i] == b->ids.data[i])
        i++;
    return i;
}

/* Rows that begin alike stand together, a shorter one before its continuations. */
static int
by_tokens(const void *x, const void *y)
{
    const struct encoded *a = x, *b = y;
    size_t i = shared(a, b);
    if (i < seen(a) && i < seen(b))
        return a->ids.data[i] < b->ids.data[i] ? -1 : 1;
    if (seen(a) != seen(b))
        return seen(a) < seen(b) ? -1 : 1;
    return (a->request > b->request) - (a->request < b->request);
}

/* ---- the tree ---- */

/* The nodes on the way to a row, each up to where the next one begins. */
typedef VEC(uint32_t) node_path;

static void
add_marks(struct scoring *s, const node_path *path, uint32_t row)
{
    const struct encoded *e = &s->rows.data[row];
    size_t k = 0;
    for (size_t at = e->context - 1; at < seen(e); at++) {
        while (k + 1 < path->len && s->nodes.data[path->data[k + 1]].at <= at)
            k++;
        struct mark m = {.node = path->data[k],
                         .token = (uint32_t)at - s->nodes.data[path->data[k]].at,
                         .target = e->ids.data[at + 1],
                         .row = row};
        vec_push(&s->marks, m);
    }
}

static int
by_place(const void *x, const void *y)
{
    const struct mark *a = x, *b = y;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->token != b->token)
        return a->token < b->token ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static void
build_tree(struct scoring *s)
{
    node_path path = {0};
    qsort(s->rows.data, s->rows.len, sizeof *s->rows.data, by_tokens);
    for (size_t i = 0; i < s->rows.len; i++) {
        const struct encoded *e = &s->rows.data[i];
        size_t at = i ? shared(e, e - 1) : 0;
        struct node n = {(uint32_t)i, (uint32_t)at, (uint32_t)(seen(e) - at)};
        if (n.n > 0) {
            while (path.len && s->nodes.data[path.data[path.len - 1]].at >= at)
                path.len--;
            vec_push(&path, (uint32_t)s->nodes.len);
            vec_push(&s->nodes, n);
        }
        add_marks(s, &path, (uint32_t)i);
    }
    vec_release(&path);
    if (s->marks.len)
        qsort(s->marks.data, s->marks.len, sizeof *s->marks.data, by_place);
}

static uint64_t
tree_tokens(const struct scoring *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->nodes.len; i++)
        n += s->nodes.data[i].n;
    return n;
}

/* ---- the walk ---- */

static int
open_decoder(struct scoring *s)
{
    const struct config *c = s->m->config;
    size_t longest = 1;
    uint64_t tokens = tree_tokens(s);
    for (size_t i = 0; i < s->rows.len; i++)
        longest = seen(&s->rows.data[i]) > longest ? seen(&s->rows.data[i]) : longest;
    s->run = tokens < RUN_TOKENS ? (int64_t)tokens : RUN_TOKENS;
    if (c->position == POSITION_LEARNED && s->run > c->max_position_embeddings)
        s->run = c->max_position_embeddings;
    s->decoder = model_decoder(s->m, s->run);
    if (!s->decoder)
        return -1;
    s->cache = kv_cache_new(s->decoder, (int64_t)longest);
    return 0;
}

/* Where a run stands in nodes, tokens of a node, and marks. */
struct cursor {
    size_t node, mark;
    uint32_t token;
};

/* The next items of a run; marks that belong to them follow the cursor's. */
static void
fill_run(struct scoring *s, struct cursor *at)
{
    int64_t room = s->run;
    vec_clear(&s->items);
    vec_clear(&s->scores);
    while (room > 0 && at->node < s->nodes.len) {
        const struct node *n = &s->nodes.data[at->node];
        uint32_t left = n->n - at->token, end;
        uint32_t count = left < room ? left : (uint32_t)room;
        struct walk_item item = {.cache = s->cache,
                                 .at = n->at + at->token,
                                 .ids = s->rows.data[n->row].ids.data + n->at + at->token,
                                 .n = count};
        end = at->token + count;
        for (; at->mark < s->marks.len; at->mark++, item.scores++) {
            const struct mark *m = &s->marks.data[at->mark];
            if (m->node != at->node || m->token >= end)
                break;
            struct walk_score score = {.token = m->token - at->token, .target = m->target};
            vec_push(&s->scores, score);
        }
        vec_push(&s->items, item);
        room -= count;
        at->token = end < n->n ? end : 0;
        at->node += end == n->n;
    }
    for (size_t i = 0, k = 0; i < s->items.len; k += s->items.data[i++].scores)
        s->items.data[i].score = s->scores.data + k;
}

/* A row's tokens are added in their order. */
static void
take_scores(struct scoring *s, const struct mark *marks)
{
    for (size_t i = 0; i < s->scores.len; i++) {
        struct row_score *row = &s->score[marks[i].row];
        row->log_likelihood += s->scores.data[i].log_p;
        row->is_greedy = row->is_greedy && s->scores.data[i].is_greedy;
    }
}

static int
walk_tree(struct scoring *s)
{
    struct cursor at = {0};
    int force = common.progress_given ? common.progress : -1;
    int result = 0;
    progress_start("score", tree_tokens(s), PROGRESS_COUNT, s->m->speaks ? force : 0);
    while (result == 0 && at.node < s->nodes.len) {
        const struct mark *marks = s->marks.data + at.mark;
        uint64_t tokens = 0;
        fill_run(s, &at);
        result = decoder_walk(s->decoder, s->items.data, s->items.len);
        if (result == 0)
            take_scores(s, marks);
        for (size_t i = 0; i < s->items.len; i++)
            tokens += (uint64_t)s->items.data[i].n;
        progress_add(tokens);
    }
    progress_end();
    return result;
}

/* ---- results ---- */

static int
by_request(const void *x, const void *y)
{
    const struct encoded *a = *(const struct encoded *const *)x;
    const struct encoded *b = *(const struct encoded *const *)y;
    return a->request != b->request ? (a->request > b->request ? 1 : -1) : (a > b) - (a < b);
}

/* Windows of one text are added in an order that does not depend on other requests. */
static void
take_rows(const struct scoring *s, struct result *out)
{
    size_t n = s->rows.len;
    const struct encoded **row = mem_array(n + 1, sizeof *row);
    for (size_t i = 0; i < n; i++)
        row[i] = &s->rows.data[i];
    qsort(row, n, sizeof *row, by_request);
    for (size_t i = 0; i < n; i++) {
        const struct row_score *score = &s->score[row[i] - s->rows.data];
        struct result *o = &out[row[i]->request];
        o->log_likelihood += score->log_likelihood;
        o->is_greedy = o->is_greedy && score->is_greedy;
        o->tokens += (int64_t)(row[i]->ids.len - row[i]->context);
    }
    free(row);
}

int
engine_score(struct model *m, const struct request *r, const size_t *which, size_t n,
             struct result *out)
{
    struct scoring s = {.m = m};
    int result = encode_all(&s, r, which, n);
    for (size_t i = 0; i < n; i++)
        out[which[i]] = (struct result){.is_greedy = true};
    if (result == 0 && s.rows.len > 0) {
        build_tree(&s);
        s.score = mem_array(s.rows.len, sizeof *s.score);
        for (size_t i = 0; i < s.rows.len; i++)
            s.score[i] = (struct row_score){.is_greedy = true};
        result = open_decoder(&s) < 0 ? -1 : walk_tree(&s);
        if (result == 0)
            take_rows(&s, out);
    }
    kv_cache_free(s.cache);
    decoder_free(s.decoder);
    encoded_release(&s.rows);
    free(s.score);
    vec_release(&s.nodes);
    vec_release(&s.marks);
    vec_release(&s.items);
    vec_release(&s.scores);
    return result;
}

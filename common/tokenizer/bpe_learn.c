#include "tokenizer/bpe_learn.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "tokenizer/bpe_candidates.h"

/*
 * A merge visits the places of its pair and adds up, for each neighbour, what the old
 * pairs lose and the new ones gain; then each old pair is looked up once. All places of a
 * new pair come into being together, with the younger of its two tokens: its list
 * is made once, of the right length, and only gets out of date afterwards. Pairs rarer than
 * the least frequency get no list, as counts never grow. The exception, a merge that makes a
 * text that was learned before of other parts, is rare: then all words are read.
 */

/* What stands before (or behind) the new token. */
struct side {
    int64_t *gain, *lose;   /* by neighbour */
    uint32_t *places;       /* how many new ones */
    uint32_t **to;          /* where the next one goes */
    uint8_t *seen;
    struct ids neighbours;  /* those with any of the above */
    struct ids found;       /* neighbour, place, neighbour, … */
};

struct learner {
    const struct bpe_learn_options *o;
    struct bpe_learned *out;
    struct bpe_cells *words;
    struct bpe_candidates pairs;
    struct side left, right;
    uint32_t started;  /* tokens at the start */
    uint32_t *lengths; /* by token, in what max_length counts */
    uint32_t *by_text; /* token id + 1 by the hash of its text */
    uint32_t text_mask;
    struct str text;
};

/* ---- tokens ---- */

static uint32_t
text_slot(const struct learner *l, const char *s, size_t n)
{
    uint32_t i = (uint32_t)hash64(s, n) & l->text_mask;
    for (; l->by_text[i]; i = (i + 1) & l->text_mask) {
        size_t length = 0;
        const char *text = vocab_get(&l->out->tokens, l->by_text[i] - 1, &length);
        if (length == n && !memcmp(text, s, n))
            break;
    }
    return i;
}

static void
index_token(struct learner *l, uint32_t id)
{
    size_t n = 0, length = 0;
    const char *s = vocab_get(&l->out->tokens, id, &n);
    if (!s)
        return; /* a gap */
    for (size_t i = 0; i < n; i++)
        length += !l->o->characters || ((unsigned char)s[i] & 0xC0) != 0x80;
    l->lengths[id] = (uint32_t)length;
    l->by_text[text_slot(l, s, n)] = id + 1;
}

static void
start_tokens(struct learner *l)
{
    uint32_t size = 1024, most = l->o->tokens;
    l->started = (uint32_t)l->out->tokens.entries.len;
    most = most < l->started ? l->started : most;
    while (size < 2 * most)
        size *= 2;
    l->by_text = mem_zarray(size, sizeof *l->by_text);
    l->text_mask = size - 1;
    l->lengths = mem_zarray(most + 1, sizeof *l->lengths);
    for (uint32_t id = 0; id < l->started; id++)
        index_token(l, id);
}

/* The token of two; a new one unless its text was learned already. UINT32_MAX: it may not be. */
static uint32_t
joined_token(struct learner *l, uint32_t left, uint32_t right)
{
    size_t n = 0;
    str_clear(&l->text);
    const char *s = vocab_get(&l->out->tokens, left, &n);
    str_add(&l->text, s, n);
    s = vocab_get(&l->out->tokens, right, &n);
    str_add(&l->text, s, n);
    if (l->o->taken && vocab_find(l->o->taken, l->text.data, l->text.len) != UINT32_MAX)
        return UINT32_MAX;
    uint32_t known = l->by_text[text_slot(l, l->text.data, l->text.len)];
    if (known)
        return known - 1 < l->started ? UINT32_MAX : known - 1;
    uint32_t id = (uint32_t)l->out->tokens.entries.len;
    vocab_add(&l->out->tokens, id, l->text.data, l->text.len);
    index_token(l, id);
    return id;
}

static bool
too_long(const struct learner *l, uint32_t left, uint32_t right)
{
    return l->o->max_length && (size_t)l->lengths[left] + l->lengths[right] > l->o->max_length;
}

/* ---- the neighbours of a merge ---- */

static void
side_init(struct side *s, uint32_t tokens)
{
    s->gain = mem_zarray(tokens, sizeof *s->gain);
    s->lose = mem_zarray(tokens, sizeof *s->lose);
    s->places = mem_zarray(tokens, sizeof *s->places);
    s->to = mem_zarray(tokens, sizeof *s->to);
    s->seen = mem_zarray(tokens, sizeof *s->seen);
}

static void
side_release(struct side *s)
{
    free(s->gain);
    free(s->lose);
    free(s->places);
    free(s->to);
    free(s->seen);
    vec_release(&s->neighbours);
    vec_release(&s->found);
}

static inline void
side_see(struct side *s, uint32_t neighbour)
{
    if (!s->seen[neighbour])
        vec_push(&s->neighbours, neighbour);
    s->seen[neighbour] = 1;
}

static inline void
side_gain(struct side *s, uint32_t neighbour, uint32_t place, uint64_t count)
{
    side_see(s, neighbour);
    s->gain[neighbour] += (int64_t)count;
    s->places[neighbour]++;
    vec_push(&s->found, neighbour);
    vec_push(&s->found, place);
}

static inline void
side_lose(struct side *s, uint32_t neighbour, uint64_t count)
{
    side_see(s, neighbour);
    s->lose[neighbour] += (int64_t)count;
}

static void
side_clear(struct side *s)
{
    for (size_t i = 0; i < s->neighbours.len; i++) {
        uint32_t x = s->neighbours.data[i];
        s->gain[x] = s->lose[x] = 0;
        s->places[x] = 0;
        s->to[x] = NULL;
        s->seen[x] = 0;
    }
    vec_clear(&s->neighbours);
    vec_clear(&s->found);
}

/* ---- one merge ---- */

static void
lose(struct learner *l, uint32_t left, uint32_t right, int64_t count)
{
    uint32_t index = bpe_pair_find(&l->pairs, left, right);
    if (index != UINT32_MAX)
        l->pairs.pairs.data[index].count -= count;
}

/* Merges the pair wherever it stands, from left to right. */
static void
merge_places(struct learner *l, const struct bpe_pair *p, uint32_t result)
{
    uint32_t *cells = l->words->cells, left = p->left, right = p->right;
    size_t group = 0;
    for (uint32_t i = 0; i < p->place_count; i++) {
        uint32_t place = p->places[i];
        if (i + 8 < p->place_count)
            __builtin_prefetch(&cells[p->places[i + 8]]);
        if (cells[place] != left)
            continue;
        uint32_t second = cell_after(cells, place);
        if (cells[second] != right)
            continue;
        uint32_t end = cell_after(cells, second), begin = cell_before(cells, place);
        uint32_t x = cells[begin], y = cells[end];
        uint64_t count = cell_count(l->words, place, &group);
        if (x != CELL_BORDER) {
            side_lose(&l->left, x, count);
            if (!too_long(l, x, result))
                side_gain(&l->left, x, begin, count);
        }
        if (y != CELL_BORDER) {
            side_lose(&l->right, y, count);
            if (!too_long(l, result, y))
                side_gain(&l->right, y, place, count);
        }
        cell_join(cells, place, second, end, result);
    }
}

/*
 * What the pairs with the merged tokens have lost. Of a new token (fresh) the pairs are
 * not entered yet: what they lost again is taken from what they gain.
 */
static void
take_losses(struct learner *l, uint32_t left, uint32_t right, uint32_t result, bool fresh)
{
    for (size_t i = 0; i < l->left.neighbours.len; i++) {
        uint32_t x = l->left.neighbours.data[i];
        if (x == result && fresh)
            l->right.gain[left] -= l->left.lose[x];
        else if (l->left.lose[x])
            lose(l, x, left, l->left.lose[x]);
        l->left.lose[x] = 0;
    }
    for (size_t i = 0; i < l->right.neighbours.len; i++) {
        uint32_t y = l->right.neighbours.data[i];
        if (y == result && fresh)
            l->left.gain[right] -= l->right.lose[y];
        else if (l->right.lose[y])
            lose(l, right, y, l->right.lose[y]);
        l->right.lose[y] = 0;
    }
}

static int
rising(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* A pair of the new token and a neighbour gets its count and room for its places. */
static void
enter_pair(struct learner *l, struct side *s, uint32_t neighbour, uint32_t left, uint32_t right)
{
    int64_t count = s->gain[neighbour];
    if (!s->places[neighbour] || count < (int64_t)l->o->min_frequency)
        return;
    uint32_t index = bpe_pair_index(&l->pairs, left, right);
    struct bpe_pair *p = &l->pairs.pairs.data[index];
    free(p->places);
    p->count = count;
    p->places = mem_array(s->places[neighbour], sizeof *p->places);
    p->place_count = s->places[neighbour];
    s->to[neighbour] = p->places;
}

/* sort: the places were not found from left to right. */
static void
enter_pairs(struct learner *l, struct side *s, uint32_t result, bool is_left, bool sort)
{
    for (size_t i = 0; i < s->neighbours.len; i++) {
        uint32_t x = s->neighbours.data[i];
        enter_pair(l, s, x, is_left ? x : result, is_left ? result : x);
    }
    for (size_t i = 0; i < s->found.len; i += 2)
        if (s->to[s->found.data[i]])
            *s->to[s->found.data[i]]++ = s->found.data[i + 1];
    for (size_t i = 0; i < s->neighbours.len; i++) {
        uint32_t x = s->neighbours.data[i];
        if (!s->to[x])
            continue;
        uint32_t index = bpe_pair_find(&l->pairs, is_left ? x : result, is_left ? result : x);
        const struct bpe_pair *p = &l->pairs.pairs.data[index];
        if (sort)
            qsort(p->places, p->place_count, sizeof *p->places, rising);
        bpe_pair_push(&l->pairs, index);
    }
    side_clear(s);
}

/* The pairs with a token as all words have them now. */
static void
find_all(struct learner *l, uint32_t token)
{
    uint32_t *cells = l->words->cells;
    size_t group = 0;
    for (uint32_t i = 0; i < l->pairs.pairs.len; i++) {
        struct bpe_pair *p = &l->pairs.pairs.data[i];
        if (p->left == token || p->right == token)
            p->count = 0;
    }
    side_clear(&l->left);
    side_clear(&l->right);
    for (uint32_t place = 1; place < l->words->size; place++) {
        if (cells[place] != token)
            continue;
        uint32_t begin = cell_before(cells, place), x = cells[begin];
        uint32_t y = cells[cell_after(cells, place)];
        uint64_t count = cell_count(l->words, place, &group);
        if (x != CELL_BORDER && !too_long(l, x, token))
            side_gain(&l->left, x, begin, count);
        if (y != CELL_BORDER && y != token && !too_long(l, token, y))
            side_gain(&l->right, y, place, count);
    }
}

/* Pairs of the token itself are entered on the left side alone. */
static void
join_doubles(struct learner *l, uint32_t token)
{
    struct side *s = &l->right;
    for (size_t i = 0; i < s->found.len && s->places[token]; i += 2)
        if (s->found.data[i] == token)
            side_gain(&l->left, token, s->found.data[i + 1], 0);
    if (s->places[token])
        l->left.gain[token] += s->gain[token];
    s->places[token] = 0;
}

static void
merge_pair(struct learner *l, uint32_t index, uint32_t result, bool fresh)
{
    struct bpe_pair p = l->pairs.pairs.data[index];
    merge_places(l, &p, result);
    free(p.places);
    struct bpe_pair *now = &l->pairs.pairs.data[index];
    now->places = NULL;
    now->place_count = 0;
    take_losses(l, p.left, p.right, result, fresh);
    l->pairs.pairs.data[index].count = 0;
}

/* The other pairs that have the text of a new token. */
static bool
merge_other_splits(struct learner *l, uint32_t result)
{
    size_t n = 0;
    bool any = false;
    const char *s = vocab_get(&l->out->tokens, result, &n);
    for (size_t at = 1; at < n; at++) {
        uint32_t left = l->by_text[text_slot(l, s, at)];
        uint32_t right = left ? l->by_text[text_slot(l, s + at, n - at)] : 0;
        uint32_t index = right ? bpe_pair_find(&l->pairs, left - 1, right - 1) : UINT32_MAX;
        if (index == UINT32_MAX || l->pairs.pairs.data[index].count <= 0)
            continue;
        merge_pair(l, index, result, true);
        any = true;
    }
    return any;
}

static void
make_merge(struct learner *l, uint32_t index, uint32_t result, bool fresh)
{
    struct bpe_pair *p = &l->pairs.pairs.data[index];
    if (!p->merged)
        vec_push(&l->out->merges,
                 ((struct bpe_merge){p->left, p->right, result, (uint32_t)l->out->merges.len}));
    p->merged = true;
    merge_pair(l, index, result, fresh);
    bool sort = fresh && l->o->any_split && merge_other_splits(l, result);
    if (!fresh)
        find_all(l, result);
    join_doubles(l, result);
    enter_pairs(l, &l->left, result, true, sort);
    enter_pairs(l, &l->right, result, false, sort);
}

/* ---- the loop ---- */

/* Counts the pairs of the words at the start; then gives each list its room and its places. */
static void
count_pairs(struct learner *l)
{
    const uint32_t *cells = l->words->cells;
    struct bpe_candidates *c = &l->pairs;
    size_t group = 0;
    for (uint32_t i = 1; i + 1 < l->words->size; i++) {
        if (cells[i] == CELL_BORDER || cells[i + 1] == CELL_BORDER ||
            too_long(l, cells[i], cells[i + 1]))
            continue;
        uint32_t index = bpe_pair_index(c, cells[i], cells[i + 1]);
        struct bpe_pair *p = &c->pairs.data[index];
        p->count += (int64_t)cell_count(l->words, i, &group);
        p->place_count++;
    }
    for (size_t i = 0; i < c->pairs.len; i++) {
        struct bpe_pair *p = &c->pairs.data[i];
        if (p->count >= (int64_t)l->o->min_frequency)
            p->places = mem_array(p->place_count, sizeof *p->places);
        p->place_count = 0;
    }
    for (uint32_t i = 1; i + 1 < l->words->size; i++) {
        if (cells[i] == CELL_BORDER || cells[i + 1] == CELL_BORDER ||
            too_long(l, cells[i], cells[i + 1]))
            continue;
        struct bpe_pair *p = &c->pairs.data[bpe_pair_find(c, cells[i], cells[i + 1])];
        if (p->places)
            p->places[p->place_count++] = i;
    }
    for (uint32_t i = 0; i < c->pairs.len; i++)
        bpe_pair_push(c, i);
}

static void
learn(struct learner *l)
{
    uint32_t all = l->o->tokens > l->started ? l->o->tokens - l->started : 0, index;
    while (l->out->tokens.entries.len < l->o->tokens &&
           (index = bpe_pair_pop(&l->pairs)) != UINT32_MAX) {
        struct bpe_pair *p = &l->pairs.pairs.data[index];
        if ((uint64_t)p->count < l->o->min_frequency)
            break;
        uint32_t before = (uint32_t)l->out->tokens.entries.len;
        uint32_t result = joined_token(l, p->left, p->right);
        if (result == UINT32_MAX) {
            p->count = 0;
            continue;
        }
        make_merge(l, index, result, result == before);
        if (l->o->progress)
            l->o->progress((uint32_t)l->out->tokens.entries.len - l->started, all);
    }
}

void
bpe_learn(struct bpe_cells *words, const struct bpe_learn_options *o, struct bpe_learned *out)
{
    struct learner l = {.o = o, .out = out, .words = words};
    start_tokens(&l);
    uint32_t most = o->tokens > l.started ? o->tokens : l.started;
    bpe_candidates_init(&l.pairs);
    side_init(&l.left, most + 1);
    side_init(&l.right, most + 1);
    count_pairs(&l);
    learn(&l);
    bpe_candidates_release(&l.pairs);
    side_release(&l.left);
    side_release(&l.right);
    str_release(&l.text);
    free(l.lengths);
    free(l.by_text);
    bpe_cells_release(words);
}

void
bpe_learned_release(struct bpe_learned *l)
{
    vocab_release(&l->tokens);
    vec_release(&l->merges);
}

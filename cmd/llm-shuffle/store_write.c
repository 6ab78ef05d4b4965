#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "store_state.h"

/*
 * The way out of the store: per group one sorted bucket after the other, and the
 * groups merged by where in the output each copy belongs.
 */

struct record *
bucket_records(const struct store *s, const struct bucket *b, struct record **loaded,
               size_t *count)
{
    if (s->spill.fd < 0) {
        *count = b->records.len;
        return b->records.data;
    }
    *count = (size_t)(b->meta.bytes / sizeof **loaded);
    *loaded = mem_grow_array(*loaded, *count + 1, sizeof **loaded);
    if (strand_read(&s->spill, &b->meta, 0, *loaded, *count * sizeof **loaded) != 0)
        return NULL;
    return *loaded;
}

static struct sort_item *
sorted_order(const struct record *records, size_t n)
{
    struct sort_item *items = mem_array(2 * n + 1, sizeof *items);
    for (size_t i = 0; i < n; i++)
        items[i] = (struct sort_item){records[i].key, i};
    sort_by_key(items, items + n, n);
    return items;
}

/* ---- what is drawn ---------------------------------------------------------- */

/*
 * Takes documents of a bucket in order until `left` tokens are drawn; the one that
 * crosses the target is taken when that ends nearer to it. True with the limit set
 * when the end lies in this bucket.
 */
static int
find_limit(const struct store *s, const struct bucket *b, uint64_t left, struct group *g,
           bool *found)
{
    struct record *loaded = NULL;
    size_t n;
    const struct record *records = bucket_records(s, b, &loaded, &n);
    if (!records && n) {
        free(loaded);
        return -1;
    }
    struct sort_item *order = sorted_order(records, n);
    bool crossed = false;
    *found = false;
    for (size_t i = 0; i < n; i++) {
        const struct record *r = &records[order[i].index];
        if (!crossed && r->tokens <= left) {
            left -= r->tokens;
            continue;
        }
        if (!crossed && r->tokens - left < left) {
            crossed = true;
            left = 0;
            continue;
        }
        g->limit_key = r->key;
        g->limit_ordinal = r->ordinal;
        *found = true;
        break;
    }
    /* The crossing document was the bucket's last: everything behind it is out. */
    if (crossed && !*found) {
        g->limit_key = records[order[n - 1].index].key;
        g->limit_ordinal = records[order[n - 1].index].ordinal + 1;
        *found = true;
    }
    free(order);
    free(loaded);
    return 0;
}

int
store_select(struct store *s, uint32_t source, uint64_t tokens, uint64_t target)
{
    struct group *g = &s->groups.data[s->sources.data[source].group];
    uint64_t left = tokens ? target % tokens : 0;
    g->limited = true;
    g->last_epoch = tokens ? (uint32_t)(target / tokens) : 1;
    g->limit_key = g->limit_ordinal = 0;
    if (left == 0)
        return 0;
    for (uint32_t i = 0; i < s->split; i++) {
        const struct bucket *b = &g->buckets[(size_t)g->last_epoch * s->split + i];
        bool found = false;
        if (b->tokens > left) {
            if (find_limit(s, b, left, g, &found) != 0)
                return -1;
            if (found)
                return 0;
        }
        left -= b->tokens < left ? b->tokens : left;
    }
    g->last_epoch++; /* the crossing document was the epoch's last */
    return 0;
}

/* ---- one group, in order ---------------------------------------------------- */

/* A walk through a group's copies by (epoch, key). */
struct cursor {
    struct group *group;
    size_t next_bucket, buckets;
    const struct bucket *bucket;
    struct record *loaded;
    const struct record *records;
    struct sort_item *order;
    size_t at, count;
    uint8_t *data;  /* the bucket's, when it fits into memory */
    u128 span;      /* of (epoch, key) that is drawn */
    const struct record *head; /* the next copy, or NULL at the end */
    uint64_t place; /* of head in the output, 0 .. 2^64 - 1 */
};

/*
 * What is drawn of a source, [0, span) in units of (epoch * 2^64 + key), is stretched
 * over the whole output.
 */
static uint64_t
place_of(const struct cursor *c, const struct record *r)
{
    u128 x = (u128)r->epoch << 64 | r->key;
    u128 span = c->span;
    if (span == (u128)1 << 64)
        return r->key;
    while (span >> 64) {
        span >>= 1;
        x >>= 1;
    }
    u128 place = ((x & UINT64_MAX) << 64) / (span ? span : 1);
    return place > UINT64_MAX ? UINT64_MAX : (uint64_t)place;
}

static bool
is_drawn(const struct group *g, const struct record *r)
{
    if (!g->limited || r->epoch != g->last_epoch)
        return !g->limited || r->epoch < g->last_epoch;
    return r->key < g->limit_key || (r->key == g->limit_key && r->ordinal < g->limit_ordinal);
}

static void
close_bucket(struct cursor *c)
{
    free(c->order);
    free(c->data);
    c->order = NULL;
    c->data = NULL;
}

static int
load_bucket(const struct store *s, struct cursor *c)
{
    close_bucket(c);
    c->bucket = &c->group->buckets[c->next_bucket++];
    c->records = bucket_records(s, c->bucket, &c->loaded, &c->count);
    if (!c->records && c->count)
        return -1;
    c->order = sorted_order(c->records, c->count);
    c->at = 0;
    uint64_t bytes = c->bucket->data.bytes;
    if (s->spill.fd < 0 || bytes > s->o.memory / 2 / s->groups.len)
        return 0; /* read document by document */
    c->data = mem_alloc((size_t)bytes + 1);
    return strand_read(&s->spill, &c->bucket->data, 0, c->data, (size_t)bytes);
}

static int
advance(const struct store *s, struct cursor *c)
{
    c->head = NULL;
    while (c->at == c->count) {
        if (c->next_bucket == c->buckets) {
            close_bucket(c);
            return 0;
        }
        if (load_bucket(s, c) != 0)
            return -1;
    }
    const struct record *r = &c->records[c->order[c->at++].index];
    if (!is_drawn(c->group, r)) {
        c->at = c->count = 0;
        c->next_bucket = c->buckets;
        close_bucket(c);
        return 0;
    }
    c->head = r;
    c->place = place_of(c, r);
    return 0;
}

static int
open_cursor(const struct store *s, struct cursor *c, struct group *g)
{
    *c = (struct cursor){.group = g, .buckets = (size_t)g->epochs * s->split};
    c->span = (u128)g->epochs << 64;
    if (g->limited) {
        c->span = (u128)g->last_epoch << 64 | g->limit_key;
        if (g->last_epoch == 0 && g->limit_key == 0 && g->limit_ordinal == 0)
            c->next_bucket = c->buckets;
    }
    return advance(s, c);
}

/* ---- documents out ---------------------------------------------------------- */

struct emitter {
    const struct store *store;
    const struct store_sink *sink;
    uint8_t *bytes;    /* [PIECE_TOKENS] units, or the signature */
    uint8_t *plain;    /* without loss mask */
    uint8_t *loss;
    uint32_t *minhash;
};

/* n bytes of the document's, `at` from the beginning of the bucket's data. */
static const uint8_t *
document_bytes(const struct emitter *e, const struct cursor *c, uint64_t at, size_t n)
{
    const struct store *s = e->store;
    if (c->data)
        return c->data + at;
    const struct strand *from = s->spill.fd < 0 ? &s->arena : &c->bucket->data;
    return strand_read(&s->spill, from, at, e->bytes, n) == 0 ? e->bytes : NULL;
}

static int
emit_ids(const struct emitter *e, const uint8_t *bytes, size_t n)
{
    const struct store *s = e->store;
    unsigned width = s->o.width;
    if (s->o.loss) {
        for (size_t i = 0; i < n; i++) {
            memcpy(e->plain + i * width, bytes + i * s->unit, width);
            e->loss[i] = bytes[i * s->unit + width];
        }
        bytes = e->plain;
    }
    return e->sink->ids(e->sink->arg, bytes, s->o.loss ? e->loss : NULL, n);
}

static int
emit(const struct emitter *e, const struct cursor *c)
{
    const struct store *s = e->store;
    const struct record *r = c->head;
    uint64_t at = r->at;
    struct store_document d = {.source = r->source, .ordinal = r->ordinal, .bytes = r->bytes,
                               .hash = r->hash, .key = r->key, .tokens = r->tokens};
    if (s->o.minhash) {
        const uint8_t *b = document_bytes(e, c, at, 4 * (size_t)s->o.minhash);
        if (!b)
            return -1;
        for (uint32_t i = 0; i < s->o.minhash; i++)
            e->minhash[i] = load_u32(b + 4 * i);
        at += 4 * (uint64_t)s->o.minhash;
        d.minhash = e->minhash;
    }
    if (e->sink->begin(e->sink->arg, &d) != 0)
        return -1;
    for (uint64_t done = 0; done < r->tokens;) {
        size_t n = r->tokens - done < PIECE_TOKENS ? (size_t)(r->tokens - done) : PIECE_TOKENS;
        const uint8_t *b = document_bytes(e, c, at, n * s->unit);
        if (!b || emit_ids(e, b, n) != 0)
            return -1;
        at += n * s->unit;
        done += n;
    }
    return e->sink->end(e->sink->arg);
}

/* The group whose next copy comes first; ties to the first group. */
static struct cursor *
first_cursor(struct cursor *c, size_t count)
{
    struct cursor *first = NULL;
    for (size_t i = 0; i < count; i++)
        if (c[i].head && (!first || c[i].place < first->place))
            first = &c[i];
    return first;
}

static int
write_all(struct store *s, struct cursor *cursors, const struct emitter *e,
          struct store_totals *totals)
{
    for (size_t i = 0; i < s->groups.len; i++)
        if (open_cursor(s, &cursors[i], &s->groups.data[i]) != 0)
            return -1;
    struct cursor *c;
    while ((c = first_cursor(cursors, s->groups.len))) {
        const struct record *r = c->head;
        if (totals) {
            struct store_totals *t = &totals[r->source];
            t->documents++;
            t->bytes += r->bytes;
            t->tokens += r->tokens;
        }
        progress_add(r->tokens);
        if (emit(e, c) != 0 || advance(s, c) != 0)
            return -1;
    }
    return 0;
}

int
store_write(struct store *s, const struct store_sink *sink, struct store_totals *totals)
{
    size_t piece = PIECE_TOKENS * s->unit;
    size_t signature = 4 * (size_t)s->o.minhash;
    struct emitter e = {
        .store = s,
        .sink = sink,
        .bytes = mem_alloc(piece > signature ? piece : signature),
        .plain = mem_array(PIECE_TOKENS, s->o.width),
        .loss = mem_alloc(PIECE_TOKENS),
        .minhash = mem_array((size_t)s->o.minhash + 1, sizeof *e.minhash),
    };
    struct cursor *cursors = mem_zarray(s->groups.len + 1, sizeof *cursors);
    int status = write_all(s, cursors, &e, totals);
    for (size_t i = 0; i < s->groups.len; i++) {
        close_bucket(&cursors[i]);
        free(cursors[i].loaded);
    }
    free(cursors);
    free(e.bytes);
    free(e.plain);
    free(e.loss);
    free(e.minhash);
    return status;
}

int
store_lengths(const struct store *s, void (*each)(void *arg, uint64_t tokens), void *arg)
{
    struct record *loaded = NULL;
    int status = 0;
    for (size_t g = 0; g < s->groups.len; g++) {
        const struct group *group = &s->groups.data[g];
        for (size_t i = 0; i < (size_t)group->epochs * s->split && status == 0; i++) {
            size_t n;
            const struct record *r = bucket_records(s, &group->buckets[i], &loaded, &n);
            status = r || n == 0 ? 0 : -1;
            for (size_t k = 0; k < n && status == 0; k++)
                if (is_drawn(group, &r[k]))
                    each(arg, r[k].tokens);
        }
    }
    free(loaded);
    return status;
}

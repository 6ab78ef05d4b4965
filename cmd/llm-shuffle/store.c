#include "store.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "store_state.h"

struct store *
store_new(const struct store_options *o)
{
    struct store *s = mem_zalloc(sizeof *s);
    s->o = *o;
    s->spill = (struct spill){.fd = -1, .dir = file_tmpdir(o->tmpdir)};
    s->split = 1;
    s->unit = o->width + (o->loss ? 1 : 0);
    s->piece = mem_array(PIECE_TOKENS, s->unit);
    return s;
}

static void
release_buckets(struct bucket *buckets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vec_release(&buckets[i].records);
        strand_release(&buckets[i].meta);
        strand_release(&buckets[i].data);
    }
    free(buckets);
}

void
store_free(struct store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->groups.len; i++)
        release_buckets(s->groups.data[i].buckets, (size_t)s->groups.data[i].epochs * s->split);
    strand_release(&s->arena);
    vec_release(&s->sources);
    vec_release(&s->groups);
    vec_release(&s->doc_at);
    if (s->spill.fd >= 0)
        close(s->spill.fd);
    free(s->piece);
    free(s);
}

void
store_source(struct store *s, const char *name, uint32_t epochs)
{
    struct store_source source = {.name = hash64(name, strlen(name))};
    if (s->o.grouped || s->groups.len == 0) {
        struct group g = {.epochs = epochs};
        g.buckets = mem_zarray((size_t)epochs * s->split, sizeof *g.buckets);
        vec_push(&s->groups, g);
    }
    source.group = (uint32_t)s->groups.len - 1;
    vec_push(&s->sources, source);
}

uint64_t
store_key(const struct store *s, const struct record *r, uint32_t epoch)
{
    uint8_t b[24];
    if (s->o.keyed)
        return r->key;
    store_u64(b, s->sources.data[r->source].name);
    store_u64(b + 8, r->ordinal);
    store_u64(b + 16, epoch);
    return hash64_seeded(b, sizeof b, s->o.seed);
}

/* ---- the spill -------------------------------------------------------------- */

/* A fifth of the memory is for the buffers of data, a twentieth for those of records. */
static size_t
buffer_room(const struct store *s)
{
    uint64_t strands = 0;
    for (size_t i = 0; i < s->groups.len; i++)
        strands += (uint64_t)s->groups.data[i].epochs * s->split;
    uint64_t room = s->o.memory / 5 / (strands ? strands : 1);
    return room < 4096 ? 4096 : room > 1 << 20 ? 1 << 20 : (size_t)room;
}

static struct group *
group_of(struct store *s, uint32_t source)
{
    return &s->groups.data[s->sources.data[source].group];
}

static struct bucket *
doc_bucket(struct store *s, const struct record *r, uint32_t epoch)
{
    uint64_t key = store_key(s, r, epoch);
    return bucket_of(s, s->sources.data[r->source].group, epoch, key);
}

static int
add_data(struct store *s, struct bucket *b, const void *bytes, size_t n)
{
    return strand_add(&s->spill, &b->data, s->room, bytes, n);
}

/* Puts a record and its bytes' place into its bucket. */
static int
add_record(struct store *s, struct bucket *b, const struct record *r)
{
    b->tokens += r->tokens;
    if (s->spill.fd >= 0)
        return strand_add(&s->spill, &b->meta, s->room / 4, r, sizeof *r);
    vec_push(&b->records, *r);
    s->copies++;
    return 0;
}

/* Copies [at, at + n) of the arena behind a bucket's data. */
static int
move_bytes(struct store *s, struct bucket *b, uint64_t at, uint64_t n)
{
    static const struct spill memory = {.fd = -1};
    size_t room = PIECE_TOKENS * s->unit;
    while (n > 0) {
        size_t part = n < room ? (size_t)n : room;
        strand_read(&memory, &s->arena, at, s->piece, part);
        if (add_data(s, b, s->piece, part) != 0)
            return -1;
        at += part;
        n -= part;
    }
    return 0;
}

static uint64_t
document_bytes(const struct store *s, uint64_t tokens)
{
    return 4 * (uint64_t)s->o.minhash + tokens * s->unit;
}

/* Enough buckets that one a group fits into a quarter of the memory. */
static uint32_t
choose_split(const struct store *s, uint64_t expected)
{
    uint64_t epochs = 0;
    for (size_t i = 0; i < s->groups.len; i++)
        epochs += s->groups.data[i].epochs;
    uint64_t room = s->o.memory / 4 / s->groups.len;
    uint64_t buckets = expected / (room ? room : 1) + 1;
    buckets = buckets < 8 ? 8 : buckets > 1024 ? 1024 : buckets;
    uint64_t split = buckets / epochs;
    return split < 1 ? 1 : (uint32_t)split;
}

/* Says what is needed and what is free; refuses what cannot end well. */
static int
announce_spill(const struct store *s, uint64_t expected)
{
    char need[32], room[32];
    uint64_t space = file_free_space(s->spill.dir);
    expected *= s->o.again ? 2 : 1;
    human_bytes((double)expected, need);
    human_bytes((double)space, room);
    if (!s->o.expected)
        note("beyond --memory: spilling to %s, %zu bytes a token, %s free", s->spill.dir, s->unit,
             room);
    else
        note("beyond --memory: spilling to %s, %s needed, %s free", s->spill.dir, need, room);
    if (s->o.expected && expected > space)
        return err_set(STATUS_FAILED, "%s: %s needed for the spill, %s free; see --tmpdir",
                       s->spill.dir, need, room);
    return 0;
}

/* Records of one group's epoch in memory, to the file. */
static int
scatter(struct store *s, uint32_t group, const struct bucket *from)
{
    for (size_t i = 0; i < from->records.len; i++) {
        struct record r = from->records.data[i];
        struct bucket *b = bucket_of(s, group, r.epoch, r.key);
        uint64_t at = r.at;
        r.at = b->data.bytes;
        if (move_bytes(s, b, at, document_bytes(s, r.tokens)) != 0 || add_record(s, b, &r) != 0)
            return -1;
    }
    return 0;
}

/* The open document's bytes so far, to its buckets. */
static int
scatter_open(struct store *s)
{
    uint64_t n = s->arena.bytes - s->doc.at;
    for (uint32_t e = 0; s->open && e < group_of(s, s->doc.source)->epochs; e++) {
        struct bucket *b = doc_bucket(s, &s->doc, e);
        s->doc_at.data[e] = b->data.bytes;
        if (move_bytes(s, b, s->doc.at, n) != 0)
            return -1;
    }
    return 0;
}

static int
start_spill(struct store *s)
{
    uint64_t expected = s->o.expected ? s->o.expected : 64 * s->o.memory;
    uint32_t split = choose_split(s, expected);
    int status = announce_spill(s, expected);
    if (status != 0 || (s->spill.fd = file_temporary(s->o.tmpdir)) < 0)
        return -1;
    s->split = split;
    s->room = buffer_room(s);
    for (size_t g = 0; g < s->groups.len; g++) {
        struct group *group = &s->groups.data[g];
        struct bucket *old = group->buckets;
        group->buckets = mem_zarray((size_t)group->epochs * split, sizeof *group->buckets);
        for (uint32_t e = 0; e < group->epochs && status == 0; e++)
            status = scatter(s, (uint32_t)g, &old[e]);
        release_buckets(old, group->epochs);
    }
    if (status == 0)
        status = scatter_open(s);
    strand_release(&s->arena);
    return status;
}

/* ---- documents in ----------------------------------------------------------- */

/* Starts the spill when n bytes more would be too many. May use `piece`. */
static int
make_room(struct store *s, size_t n)
{
    /* Records cost memory, too, and again when they are sorted. */
    uint64_t record = sizeof(struct record) + 2 * sizeof(struct sort_item);
    uint64_t used = s->arena.bytes + s->copies * record;
    return s->spill.fd < 0 && used + n > s->o.memory ? start_spill(s) : 0;
}

/* Appends bytes to the open document, in each copy's place. */
static int
add_bytes(struct store *s, const void *bytes, size_t n)
{
    if (s->spill.fd < 0)
        return strand_add(&s->spill, &s->arena, 0, bytes, n);
    for (uint32_t e = 0; e < group_of(s, s->doc.source)->epochs; e++)
        if (add_data(s, doc_bucket(s, &s->doc, e), bytes, n) != 0)
            return -1;
    return 0;
}

int
store_begin(struct store *s, const struct store_document *d)
{
    uint32_t epochs = group_of(s, d->source)->epochs;
    if (make_room(s, (size_t)s->o.minhash * 4) != 0)
        return -1;
    s->doc = (struct record){.key = d->key, .ordinal = d->ordinal, .bytes = d->bytes,
                             .hash = d->hash, .at = s->arena.bytes, .source = d->source};
    vec_clear(&s->doc_at);
    for (uint32_t e = 0; e < epochs; e++)
        vec_push(&s->doc_at, s->spill.fd < 0 ? 0 : doc_bucket(s, &s->doc, e)->data.bytes);
    s->open = true;
    for (uint32_t i = 0; i < s->o.minhash; i++) {
        uint8_t b[4];
        store_u32(b, d->minhash ? d->minhash[i] : 0);
        if (add_bytes(s, b, sizeof b) != 0)
            return -1;
    }
    return 0;
}

/* A piece's ids with a byte of loss mask behind each. */
static const uint8_t *
interleave(struct store *s, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    size_t width = s->o.width;
    for (size_t i = 0; i < n; i++) {
        memcpy(s->piece + i * s->unit, packed + i * width, width);
        s->piece[i * s->unit + width] = loss ? loss[i] : 1;
    }
    return s->piece;
}

int
store_ids(struct store *s, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    while (n > 0) {
        size_t part = n < PIECE_TOKENS ? n : PIECE_TOKENS;
        if (make_room(s, part * s->unit) != 0)
            return -1;
        const uint8_t *bytes = s->o.loss ? interleave(s, packed, loss, part) : packed;
        if (add_bytes(s, bytes, part * s->unit) != 0)
            return -1;
        s->doc.tokens += part;
        packed += part * s->o.width;
        loss = loss ? loss + part : NULL;
        n -= part;
    }
    return 0;
}

int
store_end(struct store *s)
{
    uint32_t epochs = group_of(s, s->doc.source)->epochs;
    s->open = false;
    for (uint32_t e = 0; e < epochs; e++) {
        struct record r = s->doc;
        r.epoch = e;
        r.key = store_key(s, &r, e);
        r.at = s->spill.fd < 0 ? s->doc.at : s->doc_at.data[e];
        if (add_record(s, bucket_of(s, s->sources.data[r.source].group, e, r.key), &r) != 0)
            return -1;
    }
    return 0;
}

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/progress.h"
#include "shuffle.h"

/*
 * Reads the operands in order and hands out their documents, span by span: each
 * belongs to a part that is split off, to the output, or to nobody. A tolerant feed
 * hands out a document only when it is whole.
 */
struct losses losses;

enum { TO_NOBODY = -2, TO_OUTPUT = -1 }; /* else the part's number */

struct reading {
    const struct feed *feed;
    struct operand *operand;
    struct shard_reader *reader;
    bool open;               /* inside a document */
    int to;
    struct document doc;
    uint64_t doc_tokens;
    uint64_t next_block, next_document;
    struct str held;         /* the open document's ids, when tolerant */
    VEC(uint8_t) held_loss;
    VEC(uint32_t) held_minhash;
    bool done;
};

static const char *
shown(const struct operand *o)
{
    return strcmp(o->path, "-") == 0 ? "standard input" : o->path;
}

/* ---- one document ----------------------------------------------------------- */

static int
begin(struct reading *r)
{
    struct inputs *in = r->feed->in;
    struct source *s = &in->sources.data[r->doc.source];
    int seen = dedup_see(in, &r->doc);
    if (seen < 0)
        return -1;
    s->in.documents++;
    s->in.bytes += r->doc.bytes;
    r->to = seen ? TO_NOBODY : split_of(r->doc.hash);
    if (seen)
        s->duplicates++;
    if (r->to >= 0) {
        s->split++;
        return split_begin(in, r->to, &r->doc);
    }
    if (r->to == TO_NOBODY)
        return 0;
    s->kept.documents++;
    s->kept.bytes += r->doc.bytes;
    return r->feed->begin(r->feed->arg, &r->doc);
}

static int
pass_ids(struct reading *r, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct source *s = &r->feed->in->sources.data[r->doc.source];
    s->in.tokens += n;
    if (r->to == TO_NOBODY)
        return 0;
    if (r->to >= 0)
        return split_ids(r->to, packed, loss, n);
    s->kept.tokens += n;
    return r->feed->ids(r->feed->arg, packed, loss, n);
}

static int
end(struct reading *r)
{
    if (r->to == TO_NOBODY)
        return 0;
    if (r->to >= 0)
        return split_end(r->to);
    if (r->feed->end(r->feed->arg) != 0)
        return -1;
    r->done = r->feed->enough && r->feed->enough(r->feed->arg);
    return 0;
}

/* The whole document that was held back. */
static int
pass_held(struct reading *r)
{
    const uint8_t *loss = r->held_loss.len ? r->held_loss.data : NULL;
    if (r->doc.minhash)
        r->doc.minhash = r->held_minhash.data;
    const uint8_t *packed = (const uint8_t *)r->held.data;
    size_t n = r->held.len / r->feed->in->head.width;
    return begin(r) || pass_ids(r, packed, loss, n) || end(r) ? -1 : 0;
}

/* ---- spans ------------------------------------------------------------------ */

/* Our number of the reader's source, under the operand's name if it has one. */
static uint32_t
source_of(struct reading *r, uint32_t source)
{
    struct inputs *in = r->feed->in;
    struct operand *o = r->operand;
    while (o->sources.len <= source) {
        const struct shard_source *s = shard_reader_source_at(r->reader, o->sources.len);
        uint32_t number = inputs_source(in, o->name ? o->name : s->name, s->language);
        vec_push(&o->sources, number);
    }
    return o->sources.data[source];
}

static void
hold(struct reading *r, const struct shard_block *b, const struct shard_span *span)
{
    if (span->flags & SPAN_BEGINS) {
        str_clear(&r->held);
        vec_clear(&r->held_loss);
        vec_clear(&r->held_minhash);
        for (uint32_t i = 0; span->minhash && i < r->feed->in->minhash; i++)
            vec_push(&r->held_minhash, span->minhash[i]);
    }
    size_t width = r->feed->in->head.width;
    if (b->packed)
        str_add(&r->held, b->packed + span->first * width, span->tokens * width);
    for (uint32_t i = 0; b->loss && i < span->tokens; i++)
        vec_push(&r->held_loss, b->loss[span->first + i]);
}

static int
take_padding(struct reading *r, const struct shard_block *b, const struct shard_span *span)
{
    const struct feed *f = r->feed;
    if (!f->padding)
        return 0;
    uint32_t source = source_of(r, span->source);
    f->in->sources.data[source].in.tokens += span->tokens;
    f->in->sources.data[source].kept.tokens += span->tokens;
    return f->padding(f->arg, source, b->packed + (size_t)span->first * f->in->head.width,
                      b->loss ? b->loss + span->first : NULL, span->tokens);
}

static int
take_span(struct reading *r, const struct shard_block *b, const struct shard_span *span)
{
    if (span->flags & SPAN_PADDING)
        return take_padding(r, b, span);
    if (span->flags & SPAN_BEGINS) {
        uint32_t source = source_of(r, span->source);
        struct source *s = &r->feed->in->sources.data[source];
        r->feed->new_source(r->feed->arg, source);
        r->doc = (struct document){source, s->ordinal++, span->bytes, span->hash, span->minhash};
        r->open = true;
        if (r->feed->in->minhash && !span->minhash)
            return err_set(STATUS_INPUT, "%s: block %llu: offset %llu: other MinHash parameters "
                           "than before", shown(r->operand), (unsigned long long)b->number,
                           (unsigned long long)b->offset);
        if (!r->feed->tolerant && begin(r) != 0)
            return -1;
    } else if (!r->open) {
        return 0; /* its beginning is lost, and counted */
    }
    size_t at = (size_t)span->first * r->feed->in->head.width;
    if (r->feed->tolerant)
        hold(r, b, span);
    else if (pass_ids(r, b->packed ? b->packed + at : NULL, b->loss ? b->loss + span->first : NULL, span->tokens) != 0)
        return -1;
    if (!(span->flags & SPAN_ENDS))
        return 0;
    r->open = false;
    return r->feed->tolerant ? pass_held(r) : end(r);
}

/* Gaps between blocks are lost documents; one that is open is cut. */
static void
count_losses(struct reading *r, const struct shard_block *b)
{
    if (r->open && b->number != r->next_block) {
        losses.documents++;
        r->open = false;
    }
    if (b->first_document > r->next_document)
        losses.documents += b->first_document - r->next_document;
    r->next_block = b->number + 1;
    r->next_document = b->first_document + b->documents;
}

static int
take_block(struct reading *r, const struct shard_block *b)
{
    count_losses(r, b);
    for (uint32_t i = 0; i < b->spans && !r->done; i++)
        if (take_span(r, b, &b->span[i]) != 0)
            return -1;
    return 0;
}

/* ---- operands --------------------------------------------------------------- */

static int
open_operand(struct reading *r)
{
    const struct feed *f = r->feed;
    const char *path = r->operand->path;
    r->reader = f->tolerant ? shard_reader_open_damaged(path, -1) : shard_reader_open(path, -1);
    if (!r->reader || inputs_check_head(f->in, r->operand, shard_reader_head(r->reader)) != 0)
        return -1;
    shard_reader_skip_ids(r->reader, f->skip_ids);
    shard_reader_packed(r->reader);
    if (!f->tolerant && settings.threads > 1)
        shard_reader_threads(r->reader, settings.threads);
    return 0;
}

/* After an error: 1 to go on behind the damage, 0 at the end of what is whole, -1. */
static int
pass_over(struct reading *r)
{
    if (!r->feed->tolerant || err_status() != STATUS_INPUT)
        return -1;
    warn("%s", err_text());
    losses.places++;
    return shard_reader_resync(r->reader);
}

static int
read_operand(struct reading *r)
{
    struct shard_block b;
    if (open_operand(r) != 0)
        return -1;
    while (!r->done) {
        int got = shard_reader_next(r->reader, &b);
        if (got == 0)
            break;
        if (got > 0) {
            progress_add(b.tokens);
            if (take_block(r, &b) != 0)
                return -1;
            continue;
        }
        got = pass_over(r);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
    }
    losses.documents += r->open;
    r->open = false;
    losses.foreign += shard_reader_foreign(r->reader);
    return 0;
}

int
feed_run(const struct feed *f)
{
    struct reading r = {.feed = f};
    int status = 0;
    for (size_t i = 0; i < f->in->count && status == 0 && !r.done; i++) {
        r.operand = &f->in->operands[i];
        r.next_block = r.next_document = 0;
        vec_clear(&r.operand->sources);
        status = read_operand(&r);
        shard_reader_close(r.reader);
        r.reader = NULL;
    }
    str_release(&r.held);
    vec_release(&r.held_loss);
    vec_release(&r.held_minhash);
    return status;
}

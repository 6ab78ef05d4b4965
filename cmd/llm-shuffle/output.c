#include "output.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "pair.h"
#include "shard/pairs.h"

enum { PADDING_IDS = 4096 };

struct packing packing;

/* The padding's id: any that exists will do, as it is neither a target nor looked at. */
static uint32_t
padding_id(const struct shard_head *head)
{
    return head->pad != SHARD_NONE ? head->pad : head->eos != SHARD_NONE ? head->eos : 0;
}

static void
make_padding(struct output *o, const struct shard_head *head)
{
    uint32_t id = padding_id(head);
    o->padding = mem_array(PADDING_IDS, o->width);
    o->off = mem_zalloc(PADDING_IDS);
    for (size_t i = 0; i < PADDING_IDS * o->width; i++)
        o->padding[i] = (uint8_t)(id >> 8 * (i % o->width));
}

int
output_open(struct output *o, struct outfile *file, const struct inputs *in, bool shuffled)
{
    struct shard_head head = inputs_output_head(in, shuffled, -1);
    *o = (struct output){.width = in->head.width, .length = settings.pack ? settings.pack + 1 : 0};
    o->writer = shard_writer_open(file, &head, (int)settings.level, settings.threads);
    if (o->writer && o->length)
        make_padding(o, &head);
    if (o->length && head.flags & SHARD_PAIRS)
        o->pair = pair_new(o->length, o->width);
    free(head.provenance);
    return o->writer ? 0 : -1;
}

uint32_t
output_source(struct output *o, const struct source *s)
{
    return shard_writer_source(o->writer, s->name, s->language);
}

static int
put_ids(struct output *o, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    o->at += o->length ? n : 0;
    return shard_writer_packed(o->writer, packed, loss, n);
}

/* Another sequence begins with the last id of the one before, in the same document. */
static int
repeat_last(struct output *o)
{
    o->at = 0;
    packing.twice++;
    return put_ids(o, o->last, &o->last_loss, 1);
}

static int
end_before(struct output *o)
{
    if (!o->end_later)
        return 0;
    o->end_later = false;
    return repeat_last(o) || shard_writer_end(o->writer) ? -1 : 0;
}

int
output_begin(struct output *o, const struct shard_document *d)
{
    if (o->pair) {
        pair_begin(o->pair, d);
        return 0;
    }
    if (end_before(o) != 0)
        return -1;
    o->source = d->source;
    return shard_writer_begin(o->writer, d);
}

int
output_ids(struct output *o, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    if (o->pair) {
        pair_add(o->pair, packed, loss, n);
        return 0;
    }
    while (n > 0 && o->length) {
        if (o->at == o->length && repeat_last(o) != 0)
            return -1;
        size_t room = (size_t)(o->length - o->at), part = n < room ? n : room;
        if (put_ids(o, packed, loss, part) != 0)
            return -1;
        memcpy(o->last, packed + (part - 1) * o->width, o->width);
        o->last_loss = loss ? loss[part - 1] : 1;
        packed += part * o->width;
        loss = loss ? loss + part : NULL;
        n -= part;
    }
    return n ? put_ids(o, packed, loss, n) : 0;
}

/* One text of a pair as a sequence of its own; the second one's text is counted with the first. */
static int
put_text(struct output *o, struct shard_document d, size_t from, size_t n, bool second)
{
    const struct pair *p = o->pair;

    d.bytes = second ? 0 : d.bytes;
    o->source = d.source;
    if (shard_writer_begin(o->writer, &d) != 0 ||
        put_ids(o, (const uint8_t *)p->ids.data + from * o->width, (const uint8_t *)p->loss.data + from, n) != 0 ||
        shard_writer_end(o->writer) != 0)
        return -1;
    return output_fill(o);
}

static int
put_pair(struct output *o)
{
    struct pair *p = o->pair;
    size_t n = p->loss.len, first = shard_pair_second((const uint8_t *)p->loss.data, n);

    if (p->too_long) {
        packing.dropped++;
        return 0;
    }
    if (first == 0)
        return err_set(STATUS_INPUT, "a pair of %zu ids has no two texts, each with a scored end", n);
    if (first > o->length || n - first > o->length) {
        packing.dropped++;
        return 0;
    }
    if (put_text(o, p->document, 0, first, false) != 0)
        return -1;
    return put_text(o, p->document, first, n - first, true);
}

int
output_end(struct output *o)
{
    if (o->pair)
        return put_pair(o);
    /* More of the stream may follow, and would begin with this document's last id. */
    o->end_later = o->length && o->at == o->length && !settings.best_fit;
    return o->end_later ? 0 : shard_writer_end(o->writer);
}

static int
pad(struct output *o, uint64_t n)
{
    struct shard_document d = {.source = o->source, .padding = 1};
    int status = shard_writer_begin(o->writer, &d);
    packing.padding += n;
    while (n > 0 && status == 0) {
        size_t part = n < PADDING_IDS ? (size_t)n : PADDING_IDS;
        status = shard_writer_packed(o->writer, o->padding, o->off, part);
        n -= part;
    }
    return status == 0 ? shard_writer_end(o->writer) : -1;
}

int
output_fill(struct output *o)
{
    if (o->at == 0)
        return 0;
    uint64_t room = o->length - o->at;
    int status = o->end_later ? shard_writer_end(o->writer) : 0;
    o->end_later = false;
    o->at = 0;
    return status || (room && pad(o, room)) ? -1 : 0;
}

static void
release(struct output *o)
{
    free(o->padding);
    free(o->off);
    pair_free(o->pair);
    *o = (struct output){0};
}

int
output_close(struct output *o)
{
    struct shard_totals totals = {0};
    int status = output_fill(o);
    if (status == 0)
        status = shard_writer_close(o->writer, &totals);
    else
        shard_writer_abandon(o->writer);
    if (o->length)
        packing.sequences = totals.tokens / o->length;
    release(o);
    return status;
}

void
output_abandon(struct output *o)
{
    shard_writer_abandon(o->writer);
    release(o);
}

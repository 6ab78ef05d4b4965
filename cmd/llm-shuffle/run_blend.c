#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/progress.h"
#include "output.h"
#include "shuffle.h"

/*
 * --no-shuffle with weights: each source in its own order, the next document always
 * from the source that is furthest behind its share. The files are read once to
 * count what is left after de-duplication and split, then once per source.
 */
struct cursor {
    struct inputs *in;
    uint32_t source, number; /* number: the output's */
    size_t operand;
    struct shard_reader *reader;
    VEC(uint32_t) source_of; /* the reader's sources to ours */
    struct shard_block block;
    uint32_t span;           /* the next one */
    uint64_t ordinal;
    uint64_t taken;
    bool wrapped;            /* began again without finding a document */
};

static void
close_reader(struct cursor *c)
{
    shard_reader_close(c->reader);
    c->reader = NULL;
    c->block.spans = c->span = 0;
    vec_clear(&c->source_of);
}

/* The cursor's next span of its source into *out. 1; 0 at the end of the last shard; -1. */
static int
next_span(struct cursor *c, const struct shard_span **out)
{
    for (;;) {
        while (c->span < c->block.spans) {
            const struct shard_span *span = &c->block.span[c->span++];
            if (span->flags & SPAN_PADDING || c->source_of.data[span->source] != c->source)
                continue;
            *out = span;
            return 1;
        }
        if (!c->reader && c->operand == c->in->count)
            return 0;
        const struct operand *o = &c->in->operands[c->operand];
        if (!c->reader) {
            c->reader = shard_reader_open(o->path, -1);
            if (!c->reader)
                return -1;
            shard_reader_packed(c->reader);
        }
        int got = shard_reader_next(c->reader, &c->block);
        c->span = 0;
        if (got < 0)
            return -1;
        if (got == 0) {
            close_reader(c);
            c->operand++;
        }
        while (got && c->source_of.len < shard_reader_sources(c->reader)) {
            const struct shard_source *s = shard_reader_source_at(c->reader, c->source_of.len);
            vec_push(&c->source_of, inputs_source(c->in, o->name ? o->name : s->name, s->language));
        }
    }
}

/* The first span of the next document that is kept. 1; 0 at the end; -1. */
static int
next_document(struct cursor *c, struct document *d, const struct shard_span **span)
{
    int got;
    while ((got = next_span(c, span)) > 0) {
        if (!((*span)->flags & SPAN_BEGINS))
            continue;
        *d = (struct document){c->source, c->ordinal++, (*span)->bytes, (*span)->hash,
                               (*span)->minhash};
        if (dedup_is_kept(d) && split_of(d->hash) < 0)
            return 1;
    }
    return got;
}

/* Copies the document whose first span is given. 0 or -1. */
static int
copy_document(struct cursor *c, struct output *o, const struct document *d,
              const struct shard_span *span)
{
    struct shard_source *out = &c->in->sources.data[c->source].out;
    struct shard_document doc = {.source = c->number, .bytes = d->bytes, .hash = d->hash,
                                 .minhash = d->minhash};
    if (output_begin(o, &doc) != 0)
        return -1;
    out->documents++;
    out->bytes += d->bytes;
    for (;;) {
        const uint8_t *loss = c->block.loss ? c->block.loss + span->first : NULL;
        size_t at = (size_t)span->first * c->in->head.width;
        if (output_ids(o, c->block.packed + at, loss, span->tokens) != 0)
            return -1;
        out->tokens += span->tokens;
        c->taken += span->tokens;
        progress_add(span->tokens);
        if (span->flags & SPAN_ENDS)
            return output_end(o);
        int got = next_span(c, &span);
        if (got <= 0)
            return got < 0 ? -1 : err_set(STATUS_INPUT, "a document does not end");
    }
}

/* One document of the cursor's source; from the start again when its shards are through. */
static int
take_one(struct cursor *c, struct output *o)
{
    struct document d;
    const struct shard_span *span;
    int got = next_document(c, &d, &span);
    if (got > 0) {
        c->wrapped = false;
        return copy_document(c, o, &d, span);
    }
    if (got == 0 && c->wrapped)
        return err_set(STATUS_INPUT, "source %s changed while it was read",
                       c->in->sources.data[c->source].name);
    c->wrapped = true;
    c->operand = 0;
    c->ordinal = 0;
    return got;
}

/* The cursor whose source is furthest behind and not yet through; NULL at the end. */
static struct cursor *
furthest_behind(struct cursor *c, const struct inputs *in, const struct mix *mix, uint64_t total)
{
    struct cursor *best = NULL;
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        if (c[i].taken >= s->target)
            continue;
        if (!best || mix_more_behind(mix, total, s->share, c[i].taken,
                                     in->sources.data[best->source].share, best->taken))
            best = &c[i];
    }
    return best;
}

static int
blend(struct inputs *in, struct output *o, const struct mix *mix)
{
    struct cursor *cursors = mem_zarray(in->sources.len + 1, sizeof *cursors);
    struct cursor *c;
    uint64_t total = 0;
    int status = 0;
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        cursors[i].in = in;
        cursors[i].source = (uint32_t)i;
        cursors[i].number = output_source(o, s);
    }
    while (status == 0 && (c = furthest_behind(cursors, in, mix, total))) {
        uint64_t before = c->taken;
        status = take_one(c, o);
        total += c->taken - before;
    }
    for (size_t i = 0; i < in->sources.len; i++) {
        close_reader(&cursors[i]);
        vec_release(&cursors[i].source_of);
    }
    free(cursors);
    return status;
}

/* ---- the first reading only counts ------------------------------------------ */

static int
count_begin(void *arg, const struct document *d)
{
    (void)arg;
    (void)d;
    return 0;
}

static int
count_ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    (void)arg;
    (void)packed;
    (void)loss;
    (void)n;
    return 0;
}

static int
count_end(void *arg)
{
    (void)arg;
    return 0;
}

static void
count_source(void *arg, uint32_t source)
{
    (void)arg;
    (void)source;
}

int
run_blend(struct inputs *in, struct outfile *out)
{
    struct mix mix = {0};
    struct feed feed = {.in = in, .begin = count_begin, .ids = count_ids, .end = count_end,
                        .new_source = count_source, .skip_ids = !split_active()};
    if (!in->all_regular)
        die(STATUS_USAGE, "--no-shuffle with weights reads its shards more than once: "
            "regular files only");
    if (common.on_error_given && common.on_error == ON_ERROR_SKIP)
        die(STATUS_USAGE, "--on-error skip does not go with a blend: --salvage the shards before");
    inputs_weigh(in, true);
    if (feed_run(&feed) != 0 || split_close(in) != 0)
        return -1;
    set_targets(in, &mix);
    struct output output;
    if (output_open(&output, out, in, false) != 0)
        return -1;
    progress_start("blending", mix.total, PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    int status = blend(in, &output, &mix);
    progress_end();
    if (status != 0) {
        output_abandon(&output);
        return -1;
    }
    if (output_close(&output) != 0)
        return -1;
    report(in, &mix);
    return 0;
}

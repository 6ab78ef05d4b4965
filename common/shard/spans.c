#include "shard/spans.h"

#include "base/err.h"

/* Alternating run lengths off, on, off … that sum to `tokens`. */
static void
put_runs(struct str *table, const uint8_t *loss, uint32_t tokens)
{
    uint32_t done = 0;
    uint8_t on = 0;
    while (done < tokens) {
        uint32_t run = done;
        if (loss)
            while (run < tokens && !loss[run] == !on)
                run++;
        else if (on)
            run = tokens;
        put_leb128(table, run - done);
        done = run;
        on = !on;
    }
}

void
span_encode(struct str *table, const struct shard_head *head, uint32_t tokens, uint32_t source,
            uint8_t flags, const struct shard_span *begins, const uint8_t *loss)
{
    put_leb128(table, tokens);
    put_leb128(table, source);
    put_u8(table, flags);
    if (flags & SPAN_BEGINS) {
        put_leb128(table, begins->bytes);
        put_u64(table, begins->hash);
        if (head->flags & SHARD_MINHASH)
            for (uint32_t i = 0; i < (uint32_t)head->bands * head->rows; i++)
                put_u32(table, begins->minhash[i]);
    }
    if (head->flags & SHARD_LOSS_MASK)
        put_runs(table, loss, tokens);
}

static void
take_runs(struct fields *f, uint8_t *loss, uint32_t tokens)
{
    uint32_t done = 0;
    uint8_t on = 0;
    uint64_t last = 1;
    while (done < tokens && !f->bad) {
        uint64_t run = take_leb128(f);
        /* Two empty runs in a row say nothing and could go on for ever. */
        if (run > tokens - done || (run == 0 && (last == 0 || done > 0))) {
            f->bad = true;
            return;
        }
        memset(loss + done, on, (size_t)run);
        done += (uint32_t)run;
        on = !on;
        last = run;
    }
}

/* Appends the document's MinHash values; the span gets its pointer once the vector is still. */
static void
take_minhash(struct fields *f, uint32_t count, struct span_table *t)
{
    if (!fields_have(f, (size_t)count * 4))
        return;
    for (uint32_t i = 0; i < count; i++)
        vec_push(&t->minhash, take_u32(f));
}

static int
take_span(struct fields *f, const struct shard_head *head, uint32_t left, struct span_table *t,
          struct shard_span *span)
{
    uint64_t tokens = take_leb128(f);
    uint64_t source = take_leb128(f);
    span->flags = take_u8(f);
    if (!f->bad && (tokens > left || source > UINT16_MAX || span->flags > SPAN_PADDING))
        return err_set(STATUS_INPUT, "span table has impossible values");
    span->tokens = (uint32_t)tokens;
    span->source = (uint32_t)source;
    if (span->flags & SPAN_BEGINS) {
        span->bytes = take_leb128(f);
        span->hash = take_u64(f);
        if (head->flags & SHARD_MINHASH)
            take_minhash(f, (uint32_t)head->bands * head->rows, t);
    }
    if (head->flags & SHARD_LOSS_MASK && !f->bad)
        take_runs(f, t->loss.data + span->first, span->tokens);
    if (f->bad)
        return err_set(STATUS_INPUT, "span table is malformed");
    return 0;
}

static void
point_at_minhash(struct span_table *t, uint32_t count)
{
    const uint32_t *next = t->minhash.data;
    for (size_t i = 0; i < t->spans.len && count; i++) {
        if (!(t->spans.data[i].flags & SPAN_BEGINS))
            continue;
        t->spans.data[i].minhash = next;
        next += count;
    }
}

int
span_table_decode(const struct block_fields *b, const struct shard_head *head,
                  struct span_table *t)
{
    struct fields f = {b->table, b->table + b->table_bytes, false};
    uint32_t tokens = 0, documents = 0;
    vec_clear(&t->spans);
    vec_clear(&t->minhash);
    vec_clear(&t->loss);
    vec_reserve(&t->spans, b->spans);
    if (head->flags & SHARD_LOSS_MASK) {
        vec_reserve(&t->loss, b->tokens);
        t->loss.len = b->tokens;
    }
    for (uint32_t i = 0; i < b->spans; i++) {
        struct shard_span span = {.first = tokens};
        if (take_span(&f, head, b->tokens - tokens, t, &span) != 0)
            return -1;
        tokens += span.tokens;
        documents += span.flags & SPAN_BEGINS;
        vec_push(&t->spans, span);
    }
    if (f.p != f.end || tokens != b->tokens || documents != b->documents)
        return err_set(STATUS_INPUT, "span table does not sum to the block's counts");
    point_at_minhash(t, head->flags & SHARD_MINHASH ? (uint32_t)head->bands * head->rows : 0);
    return 0;
}

void
span_table_release(struct span_table *t)
{
    vec_release(&t->spans);
    vec_release(&t->minhash);
    vec_release(&t->loss);
}

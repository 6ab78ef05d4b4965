#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/input.h"
#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"
#include "cmd/llm-tokenize/idlines.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "json/write.h"
#include "shard/reader.h"
#include "tokenizer/tokenizer.h"

/* From shards or lines of ids back to text, or from shards to lines of ids. */

enum { FLUSH_BYTES = 256 << 10 };

struct decoding {
    struct tokenizer *tokenizer; /* NULL: ids are written */
    uint32_t bos, eos;           /* what is taken off a document's ends */
    const char *source;          /* of a shard's document; NULL: none known */
    struct outfile out;
    struct str text, buffer;
    bool has_mask, packed;       /* the shard: loss mask, sequences */
    bool masked;                 /* the document says what of it is scored */
    struct str loss;             /* has_mask: 0 or 1 for each id of the document */
    uint64_t documents, tokens;
};

static int
decoding_open(struct decoding *d, bool with_tokenizer)
{
    *d = (struct decoding){.bos = TOKEN_NONE, .eos = TOKEN_NONE};
    if (outfile_open(&d->out, options.output, false))
        return -1;
    if (!with_tokenizer)
        return 0;
    if (!options.tokenizer)
        return err_set(STATUS_USAGE, "which tokenizer? give --tokenizer FILE");
    d->tokenizer = tokenizer_load_cut(options.tokenizer, options.learn.pattern);
    if (!d->tokenizer || tokenizer_set_specials(d->tokenizer, options.bos, options.eos))
        return -1;
    const struct tokenizer_specials *s = tokenizer_specials(d->tokenizer);
    d->bos = s->bos;
    d->eos = s->eos;
    return 0;
}

static int
flush(struct decoding *d, size_t limit)
{
    int r = 0;

    if (d->buffer.len > limit)
        r = outfile_write(&d->out, d->buffer.data, d->buffer.len);
    if (d->buffer.len > limit)
        str_clear(&d->buffer);
    return r;
}

/* Ends the work that came out as r; returns the result. */
static int
decoding_close(struct decoding *d, int r)
{
    if (!r)
        r = flush(d, 0);
    if (!r)
        r = outfile_commit(&d->out);
    if (!r)
        note("documents %" PRIu64 ", tokens %" PRIu64, d->documents, d->tokens);
    else
        outfile_abandon(&d->out);
    tokenizer_free(d->tokenizer);
    str_release(&d->text);
    str_release(&d->buffer);
    str_release(&d->loss);
    return r;
}

/* ---- a document goes out -------------------------------------------------------- */

/* The texts of the runs of ids that are scored. */
static int
put_scored(struct decoding *d, struct json_writer *w, const struct ids *ids)
{
    struct str run = {0};
    int r = 0;

    json_begin_array(w, "scored");
    for (size_t i = 0, end; i < ids->len && !r; i = end) {
        for (end = i + 1; end < ids->len && d->loss.data[end] == d->loss.data[i];)
            end++;
        if (!d->loss.data[i])
            continue;
        str_clear(&run);
        str_reserve(&run, 1);
        r = tokenizer_decode(d->tokenizer, ids->data + i, end - i, false, &run);
        if (!r)
            json_put_bytes(w, NULL, run.data, run.len);
    }
    json_end_array(w);
    str_release(&run);
    return r;
}

static int
put_text(struct decoding *d, const struct ids *ids)
{
    struct json_writer w = {.out = &d->buffer};
    int r = 0;

    switch (options.format) {
    case TEXT_JSONL:
        json_begin_object(&w, NULL);
        json_put_bytes(&w, "text", d->text.data, d->text.len);
        if (d->source)
            json_put_string(&w, "source", d->source);
        if (d->masked)
            r = put_scored(d, &w, ids);
        json_end_object(&w);
        str_addc(&d->buffer, '\n');
        break;
    case TEXT_LINES:
        for (size_t i = 0; i < d->text.len; i++)
            if (d->text.data[i] == '\n' || d->text.data[i] == '\r')
                d->text.data[i] = ' ';
        str_add(&d->buffer, d->text.data, d->text.len);
        str_addc(&d->buffer, '\n');
        break;
    default:
        str_add(&d->buffer, d->text.data, d->text.len);
    }
    return r;
}

/* Packed shards always have a mask, for the padding and for an id that two pieces share. */
static bool
is_masked(const struct decoding *d, size_t n)
{
    if (!d->packed)
        return d->has_mask;
    return d->has_mask && n > 1 && memchr(d->loss.data + 1, 0, n - 1);
}

/*
 * What --special document put around the text is not text; what a chat template wrote is, all of
 * it.
 */
static int
put_document(struct decoding *d, const struct ids *ids)
{
    const uint32_t *p = ids->data;
    size_t n = ids->len;

    d->documents++;
    d->tokens += n;
    if (!d->tokenizer) {
        idline_add(&d->buffer, ids->data, ids->len);
        return flush(d, FLUSH_BYTES);
    }
    d->masked = is_masked(d, n);
    if (n && p[n - 1] == d->eos && !d->masked)
        n--;
    if (n && p[0] == d->bos && !d->masked) {
        p++;
        n--;
    }
    str_clear(&d->text);
    str_reserve(&d->text, 1);
    if (tokenizer_decode(d->tokenizer, p, n, false, &d->text))
        return -1;
    if (put_text(d, ids))
        return -1;
    return flush(d, FLUSH_BYTES);
}

/* ---- from shards ---------------------------------------------------------------- */

static int
check_fingerprint(struct decoding *d, const char *path, const struct shard_head *head)
{
    uint8_t fingerprint[16];

    if (!d->tokenizer)
        return 0;
    tokenizer_fingerprint(d->tokenizer, fingerprint);
    if (!memcmp(fingerprint, head->fingerprint, sizeof fingerprint))
        return 0;
    return err_set(STATUS_INPUT, "%s: fingerprint differs from %s's: another tokenizer made it",
                   path, options.tokenizer);
}

/*
 * Appends a span's ids and what is scored of them. A packed sequence that begins inside a document
 * repeats the last id of the one before: it is left out.
 */
static void
add_span(struct decoding *d, struct ids *ids, const struct shard_block *b,
         const struct shard_span *s, uint32_t seq_length)
{
    uint64_t length = seq_length ? (uint64_t)seq_length + 1 : 0;
    uint32_t from = 0;
    vec_reserve(ids, s->tokens);
    while (from < s->tokens) {
        uint64_t at = b->first_token + s->first + from;
        uint64_t left = length ? length - at % length : s->tokens - from;
        uint32_t n = left < s->tokens - from ? (uint32_t)left : s->tokens - from;
        bool repeated = length && at % length == 0 && !(from == 0 && s->flags & SPAN_BEGINS);
        uint32_t skip = repeated ? 1 : 0;
        memcpy(ids->data + ids->len, b->ids + s->first + from + skip, (n - skip) * sizeof *ids->data);
        ids->len += n - skip;
        for (uint32_t i = from + skip; d->has_mask && i < from + n; i++)
            str_addc(&d->loss, !b->loss || b->loss[s->first + i]);
        from += n;
    }
}

/* Joins the spans of documents across blocks. */
static int
put_block(struct decoding *d, const struct shard_reader *r, const struct shard_block *b,
          struct ids *ids, bool *open)
{
    for (uint32_t i = 0; i < b->spans; i++) {
        const struct shard_span *s = &b->span[i];
        if (s->flags & SPAN_PADDING)
            continue;
        if (*open && (s->flags & SPAN_BEGINS) && put_document(d, ids))
            return -1;
        if (!*open || (s->flags & SPAN_BEGINS)) {
            vec_clear(ids);
            str_clear(&d->loss);
            d->source = shard_reader_source_at(r, s->source)->name;
        }
        add_span(d, ids, b, s, shard_reader_head(r)->seq_length);
        *open = !(s->flags & SPAN_ENDS);
        if (!*open && put_document(d, ids))
            return -1;
    }
    return 0;
}

static int
decode_shard(struct decoding *d, const char *path)
{
    struct shard_reader *r = shard_reader_open(path, -1);
    struct shard_block block;
    struct ids ids = {0};
    bool open = false;
    int more = -1;

    if (!r)
        return -1;
    if (check_fingerprint(d, path, shard_reader_head(r)))
        goto out;
    d->has_mask = shard_reader_head(r)->flags & SHARD_LOSS_MASK;
    d->packed = shard_reader_head(r)->seq_length != 0;
    d->bos = shard_reader_head(r)->bos;
    d->eos = shard_reader_head(r)->eos;
    while ((more = shard_reader_next(r, &block)) > 0)
        if (put_block(d, r, &block, &ids, &open)) {
            more = -1;
            break;
        }
    if (!more && open)
        more = put_document(d, &ids);
out:
    vec_release(&ids);
    shard_reader_close(r);
    return more;
}

static int
decode_all(bool with_tokenizer)
{
    struct decoding d;
    int r = decoding_open(&d, with_tokenizer);

    for (size_t i = 0; i < options.operand_count && !r; i++)
        r = decode_shard(&d, options.operands[i]);
    return decoding_close(&d, r);
}

int
decode_shards(void)
{
    return decode_all(true);
}

int
shards_to_ids(void)
{
    return decode_all(false);
}

/* ---- from lines of ids ------------------------------------------------------------ */

static int
decode_line(struct decoding *d, const char *path, uint64_t line, const char *p, const char *end)
{
    struct ids ids = {0};
    int r = idline_parse(p, end, &ids);

    if (r)
        err_set(STATUS_INPUT, "%s: line %" PRIu64 ": not a list of ids", path, line);
    else if ((r = put_document(d, &ids)))
        err_prefix("%s: line %" PRIu64, path, line);
    vec_release(&ids);
    return r;
}

/* Decodes the whole lines of the open member; a last line may lack its newline. */
static int
decode_member(struct decoding *d, struct input *in)
{
    struct str pending = {0};
    uint64_t line = 1;
    ssize_t got = 1;
    int r = 0;

    while (got && !r) {
        str_reserve(&pending, FLUSH_BYTES);
        got = input_read(in, pending.data + pending.len, FLUSH_BYTES);
        if (got < 0) {
            r = -1;
            break;
        }
        pending.len += (size_t)got;
        const char *p = pending.data, *end = p + pending.len, *eol;
        while (!r && (eol = memchr(p, '\n', (size_t)(end - p)))) {
            r = decode_line(d, input_path(in), line++, p, eol);
            p = eol + 1;
        }
        if (!r && !got && p < end)
            r = decode_line(d, input_path(in), line, p, end);
        pending.len = (size_t)(end - p);
        memmove(pending.data, p, pending.len);
        if (pending.len > options.max_member)
            r = err_set(STATUS_INPUT, "%s: a line is larger than --max-member", input_path(in));
    }
    str_release(&pending);
    return r;
}

int
decode_lines(void)
{
    struct decoding d;
    struct input *in = NULL;
    int r = decoding_open(&d, true), more = 1;

    if (!r)
        in = options_input();
    while (!r && (more = input_next(in)) > 0)
        r = decode_member(&d, in);
    input_close(in);
    return decoding_close(&d, r || more < 0 ? -1 : 0);
}

#include <stdlib.h>

#include "base/file.h"
#include "cmd/llm-tokenize/count.h"
#include "cmd/llm-tokenize/encoder.h"
#include "cmd/llm-tokenize/idlines.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "cmd/llm-tokenize/run.h"
#include "shard/writer.h"

/* Text to a shard, to lines of ids, or to a count. */

struct encoding {
    struct encoder encoder;
    struct outfile out;
    struct shard_writer *writer;
    uint32_t source;
    struct str lines;
    struct chat *chat; /* --chat, --preference; else NULL */
};

static void
account_scored(struct account *a, const char *loss, size_t n)
{
    uint64_t scored = 0;

    for (size_t i = 0; i < n; i++)
        scored += (uint64_t)loss[i];
    a->scored += scored;
    a->unscored += scored == 0;
}

/* On a worker: encodes one document into the job's ids. */
static int
encode_document(void *arg, int worker, struct job *j, struct document *d, const char *text,
                size_t n)
{
    struct encoding *e = arg;

    d->first = j->ids.len;
    if (j->chat) {
        int r = encoder_add_chat(&e->encoder, worker, j->chat, &j->ids, &j->loss);
        if (r)
            return r;
        account_scored(&j->account, j->loss.data + d->first, j->ids.len - d->first);
    } else if (encoder_add(&e->encoder, worker, text, n, &j->ids)) {
        return -1;
    }
    d->tokens = j->ids.len - d->first;
    j->account.tokens += d->tokens;
    vec_push(&j->documents, *d);
    return 0;
}

static int
write_documents(void *arg, struct job *j)
{
    struct encoding *e = arg;

    for (size_t i = 0; i < j->documents.len; i++) {
        const struct document *d = &j->documents.data[i];
        struct shard_document to = {
            .source = e->source, .ids = j->ids.data + d->first, .tokens = d->tokens,
            .bytes = d->bytes, .hash = d->hash,
            .loss = e->chat ? (const uint8_t *)j->loss.data + d->first : NULL,
        };
        if (shard_writer_add(e->writer, &to))
            return -1;
    }
    return 0;
}

static int
write_lines(void *arg, struct job *j)
{
    struct encoding *e = arg;

    str_clear(&e->lines);
    for (size_t i = 0; i < j->documents.len; i++) {
        const struct document *d = &j->documents.data[i];
        idline_add(&e->lines, j->ids.data + d->first, d->tokens);
    }
    return e->lines.len ? outfile_write(&e->out, e->lines.data, e->lines.len) : 0;
}

static void
report(struct encoding *e, const struct account *total)
{
    struct str specials = {0};

    if (e->encoder.tokenizer)
        encoder_specials(&e->encoder, &specials);
    account_report(total, options.source_name, specials.data, e->encoder.tokenizer != NULL);
    str_release(&specials);
}

static int
open_shard(struct encoding *e)
{
    struct shard_head head = {
        .provenance = options_provenance(e->chat ? chat_hash(e->chat) : 0),
        .flags = (options_loss_mask() ? SHARD_LOSS_MASK : 0u) | (options.preference ? SHARD_PAIRS : 0u),
    };

    encoder_describe(&e->encoder, &head);
    e->writer = shard_writer_open(&e->out, &head, 3, options.threads > 1 ? 2 : 1);
    free(head.provenance);
    if (!e->writer)
        return -1;
    e->source = shard_writer_source(e->writer, options.source_name, options.source_language);
    return 0;
}

static int
open_encoding(struct encoding *e, bool shard_like)
{
    if (encoder_init(&e->encoder, shard_like))
        return -1;
    if (options_chat() && !(e->chat = chat_open(e->encoder.tokenizer)))
        return -1;
    return 0;
}

static void
close_encoding(struct encoding *e)
{
    encoder_release(&e->encoder);
    chat_close(e->chat);
    str_release(&e->lines);
}

int
encode_to_shard(void)
{
    struct encoding e = {0};
    struct sink sink = {encode_document, write_documents, &e, NULL};
    struct account total = {0};
    int r = -1;

    if (outfile_open(&e.out, options.output, true))
        return -1;
    if (open_encoding(&e, true) || open_shard(&e))
        goto out;
    sink.chat = e.chat;
    r = run_input(&sink, &total);
    if (r)
        shard_writer_abandon(e.writer);
    else
        r = shard_writer_close(e.writer, NULL);
    if (!r)
        r = outfile_commit(&e.out);
    if (!r)
        report(&e, &total);
out:
    if (r)
        outfile_abandon(&e.out);
    close_encoding(&e);
    return r;
}

int
encode_to_ids(void)
{
    struct encoding e = {0};
    struct sink sink = {encode_document, write_lines, &e, NULL};
    struct account total = {0};
    int r = -1;

    if (outfile_open(&e.out, options.output, false))
        return -1;
    if (!open_encoding(&e, false)) {
        sink.chat = e.chat;
        r = run_input(&sink, &total);
    }
    if (!r)
        r = outfile_commit(&e.out);
    if (!r)
        report(&e, &total);
    else
        outfile_abandon(&e.out);
    close_encoding(&e);
    return r;
}

static int
count_document(void *arg, int worker, struct job *j, struct document *d, const char *text,
               size_t n)
{
    struct encoding *e = arg;

    if (!e->encoder.tokenizer)
        return 0;
    vec_clear(&j->ids);
    str_clear(&j->loss);
    return encode_document(arg, worker, j, d, text, n);
}

int
count_text(void)
{
    struct encoding e = {0};
    struct sink sink = {count_document, NULL, &e, NULL};
    struct account total = {0};
    int r = -1;

    if (outfile_open(&e.out, options.output, false))
        return -1;
    if (!options.tokenizer || !open_encoding(&e, true)) {
        sink.chat = e.chat;
        r = run_input(&sink, &total);
    }
    struct count count = {
        options.source_name, options.source_language, total.documents, total.bytes, total.tokens,
        options.tokenizer != NULL,
    };
    if (!r)
        r = count_write(&e.out, &count);
    if (!r)
        r = outfile_commit(&e.out);
    if (!r)
        report(&e, &total);
    else
        outfile_abandon(&e.out);
    close_encoding(&e);
    return r;
}

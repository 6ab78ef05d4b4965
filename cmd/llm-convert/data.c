/* Token data between shards and other programs' formats. */
#include "cmd/llm-convert/data.h"

#include <string.h>
#include <sys/stat.h>

#include "base/die.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/progress.h"
#include "shard/reader.h"
#include "shard/writer.h"
#include "tokenizer/tokenizer.h"

enum { ZSTD_LEVEL = 3 };

/* ---- from a shard ---- */

/* llm.c's count comes before the ids: from the shard's own end. */
static int
count_tokens(enum kind to, const char *input, uint64_t *tokens)
{
    struct shard_summary s;
    *tokens = 0;
    if (to != KIND_LLM_C)
        return 0;
    if (strcmp(input, "-") == 0)
        return err_set(STATUS_USAGE, "--to llm.c needs a file, not a pipe: its header has the count");
    if (shard_summarize(input, &s) < 0)
        return -1;
    *tokens = s.totals.tokens;
    shard_summary_release(&s);
    return 0;
}

static int
write_block(struct data_writer *w, const struct shard_block *b)
{
    for (uint32_t i = 0; i < b->spans; i++) {
        const struct shard_span *s = &b->span[i];
        const uint8_t *loss = b->loss ? b->loss + s->first : NULL;
        if (s->flags & SPAN_PADDING)
            return err_set(STATUS_INPUT, "the shard has padding, which other formats cannot hold");
        if (data_writer_add(w, b->ids + s->first, loss, s->tokens) < 0)
            return -1;
        if ((s->flags & SPAN_ENDS) && data_writer_end_document(w) < 0)
            return -1;
    }
    progress_add(b->tokens);
    return 0;
}

static int
from_shard(enum kind to, const char *input, const char *output)
{
    struct data_writer w = {.lengths = -1};
    struct shard_block block;
    uint64_t tokens;
    int more = 0;
    if (count_tokens(to, input, &tokens) < 0)
        return -1;
    struct shard_reader *r = shard_reader_open(input, -1);
    if (!r)
        return -1;
    shard_reader_threads(r, (int)common.threads > 1 ? (int)common.threads : 1);
    int result = data_writer_open(&w, to, output, shard_reader_head(r), tokens);
    progress_start("convert", tokens, PROGRESS_COUNT, common.progress_given ? common.progress : -1);
    while (result == 0 && (more = shard_reader_next(r, &block)) > 0)
        result = write_block(&w, &block);
    progress_end();
    if (result == 0 && more == 0)
        result = data_writer_commit(&w);
    else
        result = -1;
    if (result == 0)
        note("%s: %llu documents, %llu tokens of %d bytes", output, (unsigned long long)w.documents,
             (unsigned long long)w.tokens, w.width);
    data_writer_abandon(&w);
    shard_reader_close(r);
    return result;
}

/* ---- into a shard ---- */

/* What a shard says of its tokenizer, and each document's text for its length and hash. */
struct to_shard {
    struct tokenizer *tokenizer;
    struct shard_head head;
    struct data_reader reader;
    struct shard_writer *writer;
    struct outfile out;
    uint32_t source;
    struct str text;
};

static int
open_tokenizer(struct to_shard *t)
{
    t->tokenizer = tokenizer_load(options.tokenizer);
    if (!t->tokenizer || tokenizer_set_specials(t->tokenizer, NULL, options.eos) < 0)
        return -1;
    const struct tokenizer_specials *s = tokenizer_specials(t->tokenizer);
    t->head = (struct shard_head){.vocabulary = tokenizer_vocabulary(t->tokenizer),
                                  .bos = s->bos,
                                  .eos = s->eos,
                                  .pad = s->pad,
                                  .unk = s->unk};
    tokenizer_fingerprint(t->tokenizer, t->head.fingerprint);
    return 0;
}

static int
open_output(struct to_shard *t, const char *output)
{
    if (t->reader.loss >= 0)
        t->head.flags |= SHARD_LOSS_MASK;
    if (outfile_open(&t->out, output, true) < 0)
        return -1;
    t->writer = shard_writer_open(&t->out, &t->head, ZSTD_LEVEL,
                                  common.threads > 1 ? (int)common.threads : 1);
    if (!t->writer) {
        outfile_abandon(&t->out);
        return -1;
    }
    t->source = shard_writer_source(t->writer, "default", "");
    return 0;
}

static int
add_document(struct to_shard *t)
{
    const struct data_reader *r = &t->reader;
    str_clear(&t->text);
    if (tokenizer_decode(t->tokenizer, r->document.data, r->document.len, true, &t->text) < 0)
        return -1;
    const struct shard_document d = {
        .source = t->source,
        .ids = r->document.data,
        .tokens = r->document.len,
        .bytes = t->text.len,
        .hash = hash64(t->text.data ? t->text.data : "", t->text.len),
        .loss = r->mask.len ? r->mask.data : NULL,
    };
    progress_add(d.tokens);
    return shard_writer_add(t->writer, &d);
}

static int
copy_documents(struct to_shard *t, const char *output)
{
    struct shard_totals totals;
    int more = 0, result = 0;
    progress_start("convert", t->reader.ids.count, PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    while (result == 0 && (more = data_reader_next(&t->reader)) > 0)
        result = add_document(t);
    progress_end();
    if (result < 0 || more < 0) {
        shard_writer_abandon(t->writer);
        outfile_abandon(&t->out);
        return -1;
    }
    if (shard_writer_close(t->writer, &totals) < 0) {
        outfile_abandon(&t->out);
        return -1;
    }
    if (outfile_commit(&t->out) < 0)
        return -1;
    note("%s: %llu documents, %llu tokens", output, (unsigned long long)totals.documents,
         (unsigned long long)totals.tokens);
    return 0;
}

static int
into_shard(enum kind from, const char *input, const char *output)
{
    struct to_shard t = {0};
    int result = open_tokenizer(&t);
    if (result == 0)
        result = data_reader_open(&t.reader, from, input, t.head.vocabulary, t.head.eos);
    if (result == 0) {
        result = open_output(&t, output);
        if (result == 0)
            result = copy_documents(&t, output);
        data_reader_close(&t.reader);
    }
    str_release(&t.text);
    tokenizer_free(t.tokenizer);
    return result;
}

/* Is there a file of that name, or of one that the format adds to it? */
static bool
is_in_use(const struct route *r)
{
    static const char *const suffixes[] = {"", ".bin", ".idx", ".index", ".loss", ".metadata"};
    bool found = false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes && !found; i++) {
        struct stat st;
        char *path = mem_printf("%s%s", r->output, suffixes[i]);
        found = stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
        if (found)
            err_set(STATUS_USAGE, "%s: is there already: --force replaces it", path);
        free(path);
        if (r->to != KIND_MEGATRON && r->to != KIND_DS)
            break;
    }
    return found;
}

int
data_convert(const struct route *r)
{
    if (!options.force && is_in_use(r))
        return -1;
    return r->from == KIND_SHARD ? from_shard(r->to, r->input[0], r->output)
                                 : into_shard(r->from, r->input[0], r->output);
}

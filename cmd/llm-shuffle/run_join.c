#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/progress.h"
#include "shuffle.h"

/* --no-shuffle without weights: the documents in order, streaming. */
struct join {
    struct inputs *in;
    struct outfile *out;
    struct shard_writer *writer;
    VEC(uint32_t) numbers; /* the writer's numbers of our sources, plus 1 */
    uint32_t source;       /* of the open document */
    uint64_t tokens;       /* written */
};

static int
open_writer(struct join *j)
{
    struct shard_head head = inputs_output_head(j->in, false, -1);
    j->writer = shard_writer_open(j->out, &head, (int)settings.level, settings.threads);
    free(head.provenance);
    return j->writer ? 0 : -1;
}

static int
begin(void *arg, const struct document *d)
{
    struct join *j = arg;
    if (!j->writer && open_writer(j) != 0)
        return -1;
    while (j->numbers.len <= d->source)
        vec_push(&j->numbers, 0);
    struct source *s = &j->in->sources.data[d->source];
    uint32_t *number = &j->numbers.data[d->source];
    if (*number == 0)
        *number = shard_writer_source(j->writer, s->name, s->language) + 1;
    s->out.documents++;
    s->out.bytes += d->bytes;
    j->source = d->source;
    return shard_writer_begin(j->writer, &(struct shard_document){
                                             .source = *number - 1,
                                             .bytes = d->bytes,
                                             .hash = d->hash,
                                             .minhash = d->minhash,
                                         });
}

static int
ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct join *j = arg;
    j->tokens += n;
    j->in->sources.data[j->source].out.tokens += n;
    return shard_writer_packed(j->writer, packed, loss, n);
}

static int
end(void *arg)
{
    struct join *j = arg;
    return shard_writer_end(j->writer);
}

static bool
enough(void *arg)
{
    const struct join *j = arg;
    return settings.tokens && j->tokens >= settings.tokens;
}

static void
new_source(void *arg, uint32_t source)
{
    (void)arg;
    (void)source;
}

static int
check_result(const struct join *j)
{
    if (settings.tokens && j->tokens < settings.tokens)
        return err_set(STATUS_USAGE, "--tokens %llu: there are only %llu",
                       (unsigned long long)settings.tokens, (unsigned long long)j->tokens);
    if (settings.salvage && j->in->count && losses.places && !j->tokens)
        return err_set(STATUS_INPUT, "nothing whole was found");
    return 0;
}

int
run_join(struct inputs *in, struct outfile *out)
{
    struct join j = {.in = in, .out = out};
    bool tolerant = settings.salvage || (common.on_error_given && common.on_error == ON_ERROR_SKIP);
    struct feed feed = {.in = in, .arg = &j, .begin = begin, .ids = ids, .end = end,
                        .new_source = new_source, .enough = enough, .tolerant = tolerant};
    if (settings.epochs.len)
        die(STATUS_USAGE, "--no-shuffle joins each shard once: --epochs needs weights");
    progress_start("joining", inputs_tokens(in), PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    int status = feed_run(&feed);
    progress_end();
    if (status == 0)
        status = check_result(&j);
    if (status == 0 && !j.writer)
        status = open_writer(&j);
    if (status == 0)
        status = split_close(in);
    if (j.writer && status == 0)
        status = shard_writer_close(j.writer, NULL);
    else
        shard_writer_abandon(j.writer);
    vec_release(&j.numbers);
    if (status == 0)
        report(in, &(struct mix){0});
    return status;
}

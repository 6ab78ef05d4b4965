#include "base/die.h"
#include "base/progress.h"
#include "output.h"
#include "shuffle.h"

/* --no-shuffle without weights: the documents in order, streaming. */
struct join {
    struct inputs *in;
    struct outfile *out;
    struct output output;
    VEC(uint32_t) numbers; /* the output's numbers of our sources, plus 1 */
    uint32_t source;       /* of the open document */
    uint64_t tokens;       /* written */
};

/* Begins a document of our source, or padding. */
static int
begin_any(struct join *j, uint32_t source, struct shard_document *d)
{
    if (!j->output.writer && output_open(&j->output, j->out, j->in, false) != 0)
        return -1;
    while (j->numbers.len <= source)
        vec_push(&j->numbers, 0);
    uint32_t *number = &j->numbers.data[source];
    if (*number == 0)
        *number = output_source(&j->output, &j->in->sources.data[source]) + 1;
    j->source = source;
    d->source = *number - 1;
    return output_begin(&j->output, d);
}

static int
begin(void *arg, const struct document *d)
{
    struct join *j = arg;
    struct source *s = &j->in->sources.data[d->source];
    struct shard_document doc = {.bytes = d->bytes, .hash = d->hash, .minhash = d->minhash};
    s->out.documents++;
    s->out.bytes += d->bytes;
    return begin_any(j, d->source, &doc);
}

static int
ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct join *j = arg;
    j->tokens += n;
    j->in->sources.data[j->source].out.tokens += n;
    return output_ids(&j->output, packed, loss, n);
}

static int
end(void *arg)
{
    struct join *j = arg;
    return output_end(&j->output);
}

static int
padding(void *arg, uint32_t source, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct join *j = arg;
    struct shard_document d = {.padding = 1};
    if (begin_any(j, source, &d) != 0 || ids(j, packed, loss, n) != 0)
        return -1;
    return end(j);
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
                        .new_source = new_source, .padding = padding, .enough = enough,
                        .tolerant = tolerant};
    if (settings.epochs.len)
        die(STATUS_USAGE, "--no-shuffle joins each shard once: --epochs needs weights");
    progress_start("joining", inputs_tokens(in), PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    int status = feed_run(&feed);
    progress_end();
    if (status == 0)
        status = check_result(&j);
    if (status == 0 && !j.output.writer)
        status = output_open(&j.output, out, in, false);
    if (status == 0)
        status = split_close(in);
    if (j.output.writer && status == 0)
        status = output_close(&j.output);
    else
        output_abandon(&j.output);
    vec_release(&j.numbers);
    if (status == 0)
        report(in, &(struct mix){0});
    return status;
}

#include <stdlib.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/progress.h"
#include "fit.h"
#include "output.h"
#include "shuffle.h"
#include "store.h"

/* The keyed scatter: read everything, draw, write in the order of the keys. */
struct scatter {
    struct inputs *in;
    struct store *store;
    struct store_options options; /* the store's */
    struct output output;
    uint32_t *numbers;            /* the output's of our sources */
    bool grouped;   /* shares are asked for */
    uint32_t known; /* sources the store knows */
};

/* Copies that may be drawn of a source. */
static uint32_t
copies_of(const struct source *s)
{
    return (uint32_t)((s->epochs.num + s->epochs.den - 1) / s->epochs.den);
}

/* Bytes that the store will hold, where the files tell; else 0. */
static uint64_t
expected_bytes(const struct inputs *in, const struct store_options *o)
{
    uint64_t sum = 0, record = 56 + 4 * (uint64_t)o->minhash, unit = o->width + o->loss;
    for (size_t i = 0; i < in->count; i++) {
        const struct operand *operand = &in->operands[i];
        if (!operand->summary.file_bytes)
            return 0;
        for (size_t k = 0; k < operand->summary.source_count; k++) {
            const struct shard_source *s = &operand->summary.sources[k];
            const char *name = operand->name ? operand->name : s->name;
            uint64_t copies = 1;
            for (size_t j = 0; j < in->sources.len; j++)
                if (strcmp(in->sources.data[j].name, name) == 0)
                    copies = copies_of(&in->sources.data[j]);
            sum += copies * (s->tokens * unit + s->documents * record);
        }
    }
    return sum;
}

/* Made when the first head is known: it says how wide the ids are. */
static void
make_store(struct scatter *c)
{
    const struct inputs *in = c->in;
    struct store_options o = {
        .seed = (uint64_t)common.seed,
        .memory = settings.memory / (settings.best_fit ? 2 : 1), /* it takes two stores */
        .tmpdir = common.tmpdir,
        .width = in->head.width,
        .loss = in->head.flags & SHARD_LOSS_MASK,
        .minhash = in->minhash,
        .grouped = c->grouped,
        .again = settings.best_fit,
    };
    o.expected = expected_bytes(in, &o);
    c->options = o;
    c->store = store_new(&o);
}

static void
new_source(void *arg, uint32_t source)
{
    struct scatter *c = arg;
    if (!c->store)
        make_store(c);
    if (source < c->known)
        return;
    inputs_weigh(c->in, false);
    for (; c->known <= source; c->known++) {
        const struct source *s = &c->in->sources.data[c->known];
        store_source(c->store, s->name, copies_of(s));
    }
}

static int
begin(void *arg, const struct document *d)
{
    struct scatter *c = arg;
    return store_begin(c->store, &(struct store_document){.source = d->source,
                                                          .ordinal = d->ordinal,
                                                          .bytes = d->bytes,
                                                          .hash = d->hash,
                                                          .minhash = d->minhash});
}

static int
ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct scatter *c = arg;
    return store_ids(c->store, packed, loss, n);
}

static int
end(void *arg)
{
    struct scatter *c = arg;
    return store_end(c->store);
}

static int
read_inputs(struct scatter *c)
{
    struct feed feed = {.in = c->in, .arg = c, .begin = begin, .ids = ids, .end = end,
                        .new_source = new_source,
                        .tolerant = common.on_error_given && common.on_error == ON_ERROR_SKIP};
    progress_start("reading", inputs_tokens(c->in), PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    int status = feed_run(&feed);
    progress_end();
    if (!c->store)
        make_store(c);
    return status;
}

static int
draw(struct scatter *c, struct mix *mix)
{
    struct inputs *in = c->in;
    inputs_weigh(in, true);
    set_targets(in, mix);
    for (size_t i = 0; i < in->sources.len && c->grouped; i++) {
        const struct source *s = &in->sources.data[i];
        if (i < c->known && store_select(c->store, (uint32_t)i, s->kept.tokens, s->target) != 0)
            return -1;
    }
    return 0;
}

/* ---- to the output ---------------------------------------------------------- */

static int
write_begin(void *arg, const struct store_document *d)
{
    struct scatter *c = arg;
    return output_begin(&c->output, &(struct shard_document){
                                        .source = c->numbers[d->source],
                                        .bytes = d->bytes,
                                        .hash = d->hash,
                                        .minhash = d->minhash,
                                    });
}

static int
write_ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct scatter *c = arg;
    return output_ids(&c->output, packed, loss, n);
}

static int
write_end(void *arg)
{
    struct scatter *c = arg;
    return output_end(&c->output);
}

/* The store's documents in their order, or as they fit into sequences. */
static int
empty_store(struct scatter *c, struct store_totals *totals)
{
    struct store_sink sink = {c, write_begin, write_ids, write_end};
    if (!settings.best_fit)
        return store_write(c->store, &sink, totals);
    struct store *from = c->store;
    c->store = NULL;
    return fit_write(from, &c->options, c->in, &c->output, c->numbers, totals);
}

static int
write_output(struct scatter *c, struct outfile *out)
{
    struct inputs *in = c->in;
    if (output_open(&c->output, out, in, true) != 0) {
        output_abandon(&c->output);
        return -1;
    }
    c->numbers = mem_zarray(in->sources.len + 1, sizeof *c->numbers);
    struct store_totals *totals = mem_zarray(in->sources.len + 1, sizeof *totals);
    uint64_t expected = 0;
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        c->numbers[i] = output_source(&c->output, s);
        expected += (c->grouped ? s->target : s->kept.tokens) * (settings.best_fit ? 2 : 1);
    }
    progress_start("writing", expected, PROGRESS_COUNT,
                   common.progress_given ? common.progress : -1);
    int status = empty_store(c, totals);
    progress_end();
    for (size_t i = 0; i < in->sources.len; i++) {
        struct shard_source *s = &in->sources.data[i].out;
        s->documents = totals[i].documents;
        s->bytes = totals[i].bytes;
        s->tokens = totals[i].tokens;
    }
    free(c->numbers);
    free(totals);
    if (status == 0)
        return output_close(&c->output);
    output_abandon(&c->output);
    return -1;
}

int
run_shuffle(struct inputs *in, struct outfile *out)
{
    struct scatter c = {.in = in};
    struct mix mix = {0};
    if (common.seed == 0)
        die(STATUS_USAGE, "--seed 0 would mark the shard as not shuffled; use 1 or more");
    inputs_weigh(in, in->all_regular && in->have_head);
    c.grouped = inputs_weighted(in) || settings.epochs.len || settings.tokens;
    int status = read_inputs(&c);
    if (status == 0)
        status = draw(&c, &mix);
    if (status == 0)
        status = split_close(in);
    if (status == 0)
        status = write_output(&c, out);
    store_free(c.store);
    if (status == 0)
        report(in, &mix);
    return status;
}

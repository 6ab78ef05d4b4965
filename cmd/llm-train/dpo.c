/* --dpo: pairs of a preferred and a rejected text. */
#include "cmd/llm-train/dpo.h"

#include <math.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/dpo_file.h"
#include "cmd/llm-train/losses.h"
#include "cmd/llm-train/train.h"
#include "json/json.h"
#include "json/write.h"
#include "parallel/pipeline.h"

void
dpo_check(const struct trainer *t)
{
    bool pairs = t->feed.head.flags & SHARD_PAIRS;

    if (!options.dpo && pairs)
        die(STATUS_INPUT, "%s: holds pairs of texts, which --dpo trains on", t->feed.o.paths[0]);
    if (!options.dpo)
        return;
    if (!pairs || !t->feed.head.seq_length)
        die(STATUS_INPUT, "%s: --dpo needs packed pairs: llm-tokenize --preference, then llm-shuffle --pack %lld",
            t->feed.o.paths[0], (long long)t->seq_length);
    if (t->feed.o.pipe)
        die(STATUS_USAGE, "--dpo reads its data twice: give files");
    if (t->micro_batch % 2 != 0)
        die(STATUS_USAGE, "--micro-batch %lld: --dpo needs an even number, as two sequences are a pair",
            (long long)t->micro_batch);
    if (t->layout.size[AXIS_CONTEXT] > 1)
        die(STATUS_USAGE, "--dpo does not go with --context-parallel");
    if (precision_has_fp8(&t->precisions))
        die(STATUS_USAGE, "--dpo does not go with fp8-hybrid");
    if (t->config.num_experts > 0)
        die(STATUS_USAGE, "--dpo is not supported for models with experts");
    if (options.z_loss > 0)
        die(STATUS_USAGE, "--dpo does not go with --z-loss");
    if (options.valid)
        die(STATUS_USAGE, "--dpo does not go with --valid: score its checkpoints with llm-eval");
}

int
dpo_begin(struct trainer *t)
{
    struct dpo *d;
    size_t most = (size_t)t->layout.sequences + 1;

    if (!options.dpo)
        return 0;
    d = t->dpo = mem_zalloc(sizeof *d);
    d->texts = (int64_t)(token_stream_tokens(t->feed.stream) / (uint64_t)t->feed.stride);
    d->weight = mem_zarray((size_t)t->micro_batch, sizeof *d->weight);
    d->pairs = mem_zarray(most, sizeof *d->pairs);
    d->rewards = mem_zarray(most, sizeof *d->rewards);
    if (d->texts % 2 != 0)
        return err_set(STATUS_INPUT, "%s: %lld texts are not pairs", t->feed.o.paths[0], (long long)d->texts);
    return 0;
}

void
dpo_free(struct dpo *d)
{
    if (!d)
        return;
    free(d->reference);
    free(d->weight);
    free(d->pairs);
    free(d->rewards);
    free(d);
}

/* ---- the reference ---- */

/* A feed over the same files of micro-batches that the ranks take in turn, until each text was there. */
static int
open_reference(const struct trainer *t, struct feed *f)
{
    struct feed_options o = t->feed.o;
    const struct layout *l = &t->layout;
    int64_t each = t->micro_batch * l->deal_size;

    o.global_batch = each;
    o.first = t->micro_batch * l->deal_rank;
    o.sequences = t->micro_batch;
    o.epochs = each / t->dpo->texts + 2; /* what is beyond the end is from the beginning, and not looked at */
    return feed_open(f, t->world, &o);
}

/* Does this rank stand for its stage's and tensor group's results? */
static bool
speaks(const struct layout *l)
{
    return l->coordinate[AXIS_PIPELINE] == l->size[AXIS_PIPELINE] - 1 && l->coordinate[AXIS_TENSOR] == 0;
}

static int
measure(struct trainer *t, struct feed *f, double *reference)
{
    struct dpo *d = t->dpo;
    struct sequence_loss *losses = mem_zarray((size_t)t->micro_batch, sizeof *losses);
    int64_t each = f->o.global_batch;
    int result = 0;

    for (int64_t at = 0; at < d->texts && result == 0; at += each) {
        int64_t first = at + f->o.first;
        struct batch b;

        result = feed_next(f) == 1 ? 0 : -1;
        if (result < 0)
            break;
        b = feed_batch(f, 0, t->micro_batch);
        result = pipeline_loss(t->pipeline, &b, losses, NULL);
        for (int64_t i = 0; i < t->micro_batch && speaks(&t->layout) && first + i < d->texts; i++)
            reference[first + i] = losses[i].loss;
        progress_set((uint64_t)(at + each < d->texts ? at + each : d->texts));
    }
    free(losses);
    return result;
}

int
dpo_measure_reference(struct trainer *t)
{
    struct dpo *d = t->dpo;
    struct feed f;
    double *reference;
    int result;

    if (!d || d->reference || d->texts == 0)
        return 0;
    if (open_reference(t, &f) < 0)
        return -1;
    if (t->world->rank == 0)
        progress_start("reference", (uint64_t)d->texts, PROGRESS_COUNT, common.progress_given ? common.progress : -1);
    reference = mem_zarray((size_t)d->texts, sizeof *reference);
    result = measure(t, &f, reference);
    feed_close(&f);
    if (t->world->rank == 0)
        progress_end();
    /* Each has been found by one rank: the others' zeros change no bit. */
    if (result == 0)
        result = comm_all_reduce(t->world, reference, (size_t)d->texts, COMM_F64, COMM_SUM);
    d->reference = reference;
    return result;
}

void
dpo_make_file(const struct dpo *d, struct str *out)
{
    struct json_writer w = {.out = out};

    json_begin_object(&w, NULL);
    json_begin_array(&w, "losses");
    for (int64_t i = 0; i < d->texts; i++)
        json_put_real(&w, NULL, d->reference[i]);
    json_end_array(&w);
    json_end_object(&w);
    str_addc(out, '\n');
}

static int
read_file(struct dpo *d, const struct json_doc *doc)
{
    const json_t *root, *losses;

    if (json_root_object(doc, &root) < 0 || json_only_keys(doc, root, "losses") < 0 ||
        json_get_array(doc, root, "losses", JSON_NEED, &losses) < 0)
        return -1;
    if (json_array_size(losses) != (size_t)d->texts)
        return json_fail(doc, root, "losses", "%zu texts, the data has %lld", json_array_size(losses),
                         (long long)d->texts);
    if (!d->reference)
        d->reference = mem_zarray((size_t)d->texts + 1, sizeof *d->reference);
    for (int64_t i = 0; i < d->texts; i++)
        if (json_at_real(doc, losses, (size_t)i, &d->reference[i]) < 0)
            return -1;
    return 0;
}

int
dpo_restore(struct trainer *t)
{
    struct json_doc doc;
    char *path;
    int result;

    if (!t->dpo)
        return 0;
    path = checkpoint_file(t->from, DPO_FILE);
    if (!path)
        return err_set(STATUS_INPUT, "%s: has no %s: it is of a run without --dpo; start from it with --init",
                       t->from->path, DPO_FILE);
    result = json_doc_load(&doc, path, 0);
    free(path);
    if (result < 0)
        return -1;
    result = read_file(t->dpo, &doc);
    json_doc_release(&doc);
    return result;
}

/* ---- a step ---- */

/* What one pair has become; softplus and sigmoid of large arguments neither overflow nor cancel. */
static double
weigh_pair(struct dpo *d, int64_t at, int64_t text, const struct sequence_loss *two)
{
    double chosen = options.dpo_beta * (d->reference[text] - two[0].loss);
    double rejected = options.dpo_beta * (d->reference[text + 1] - two[1].loss);
    double margin = chosen - rejected;

    d->pairs[at] = (struct sequence_loss){
        .loss = margin > 0 ? log1p(exp(-margin)) : log1p(exp(margin)) - margin,
        .scored = margin > 0,
    };
    d->rewards[at] = (struct sequence_loss){.loss = chosen, .z_loss = rejected};
    return options.dpo_beta * (margin > 0 ? exp(-margin) / (1 + exp(-margin)) : 1 / (1 + exp(margin)));
}

const double *
dpo_weigh(void *trainer, int micro)
{
    struct trainer *t = trainer;
    struct dpo *d = t->dpo;
    const struct feed *f = &t->feed;
    int64_t begin = micro * t->micro_batch;
    int64_t text = (int64_t)(f->position / (uint64_t)f->stride) - f->o.global_batch + f->o.first + begin;

    for (int64_t i = 0; i < t->micro_batch; i += 2) {
        const struct sequence_loss *two = t->mine + begin + i;
        double w;

        if (two[0].scored == 0 || two[1].scored == 0) {
            err_set(STATUS_INPUT, "%s: pair %lld: a text has no scored target", f->o.paths[0],
                    (long long)((text + i) % d->texts / 2));
            return NULL;
        }
        w = weigh_pair(d, begin + i, (text + i) % d->texts, two);
        d->weight[i] = w;
        d->weight[i + 1] = -w;
    }
    return d->weight;
}

int
dpo_add(struct trainer *t, struct dpo_figures *f)
{
    double pairs = (double)(t->batch / 2);
    struct sequence_loss sum, rewards;

    if (losses_add(t->losses, t->dpo->pairs, &sum) < 0 || losses_add(t->losses, t->dpo->rewards, &rewards) < 0)
        return -1;
    *f = (struct dpo_figures){
        .loss = sum.loss / pairs,
        .chosen = rewards.loss / pairs,
        .rejected = rewards.z_loss / pairs,
        .accuracy = (double)sum.scored / pairs,
    };
    return 0;
}

#include <inttypes.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "shuffle.h"

/* Targets, the table of shares, and the final account. */

static bool
shares_asked(const struct inputs *in)
{
    return inputs_weighted(in) || settings.epochs.len || settings.tokens;
}

/* More tokens were asked for than there are: the epochs it takes, and exit 2. */
static void
refuse_tokens(const struct inputs *in, const struct mix_source *m, const struct mix *mix)
{
    struct str need = {0};
    for (size_t i = 0; i < in->sources.len; i++) {
        uint64_t hundredths = mix_epochs_needed(&m[i], mix, settings.tokens);
        if (ratio_of(m[i].epochs, 100) < hundredths)
            str_addf(&need, " --epochs %s=%" PRIu64 ".%02" PRIu64, in->sources.data[i].name,
                     hundredths / 100, hundredths % 100);
    }
    die(STATUS_USAGE, "--tokens %" PRIu64 ": there are %" PRIu64 " in these shares; it takes%s",
        settings.tokens, mix->most, need.data ? need.data : " more data");
}

void
set_targets(struct inputs *in, struct mix *mix)
{
    size_t n = in->sources.len;
    if (!shares_asked(in))
        return;
    struct mix_source *m = mem_zarray(n + 1, sizeof *m);
    for (size_t i = 0; i < n; i++) {
        const struct source *s = &in->sources.data[i];
        m[i] = (struct mix_source){s->kept.tokens, s->weight, s->epochs, 0, 0, 0};
        if (inputs_weighted(in) && s->weight.num && !ratio_of(s->epochs, s->kept.tokens))
            die(STATUS_USAGE, "source %s has a weight but no tokens", s->name);
    }
    if (mix_targets(m, n, inputs_weighted(in), settings.tokens, mix) != 0)
        die_err();
    if (mix->total > mix->most)
        refuse_tokens(in, m, mix);
    for (size_t i = 0; i < n; i++) {
        in->sources.data[i].target = m[i].target;
        in->sources.data[i].share = m[i].share;
        in->sources.data[i].available = m[i].available;
    }
    free(m);
}

/* part / whole in hundredths of a percent, for people. */
static double
percent(uint64_t part, uint64_t whole)
{
    return whole ? 100.0 * (double)part / (double)whole : 0.0;
}

static void
report_shares(const struct inputs *in, const struct mix *mix, uint64_t total)
{
    note("%-16s %12s %14s %8s %8s %7s %14s", "source", "documents", "tokens", "asked", "achieved",
         "epochs", "left over");
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        uint64_t left = s->available > s->out.tokens ? s->available - s->out.tokens : 0;
        double epochs = s->kept.tokens ? (double)s->out.tokens / (double)s->kept.tokens : 0;
        note("%-16s %12" PRIu64 " %14" PRIu64 " %7.2f%% %7.2f%% %7.2f %14" PRIu64, s->name,
             s->out.documents, s->out.tokens, percent(s->share, mix->shares),
             percent(s->out.tokens, total), epochs, left);
    }
}

static void
log_sources(const struct inputs *in)
{
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        log_begin("source");
        log_str("source", s->name);
        log_int("documents_in", (int64_t)s->in.documents);
        log_int("tokens_in", (int64_t)s->in.tokens);
        log_int("duplicates", (int64_t)s->duplicates);
        log_int("split", (int64_t)s->split);
        log_int("documents", (int64_t)s->out.documents);
        log_int("bytes", (int64_t)s->out.bytes);
        log_int("tokens", (int64_t)s->out.tokens);
        log_end();
    }
}

static void
report_packing(void)
{
    uint64_t ids = packing.sequences * (settings.pack + 1);
    note("packed: %" PRIu64 " sequences of %" PRIu64 " ids; %" PRIu64 " ids of padding (%.3f%%), %"
         PRIu64 " stored twice", packing.sequences, settings.pack + 1, packing.padding,
         percent(packing.padding, ids), packing.twice);
    if (packing.cut)
        note("%" PRIu64 " documents longer than a sequence were cut", packing.cut);
    if (packing.dropped)
        note("%" PRIu64 " pairs with a text longer than a sequence were left out", packing.dropped);
    log_begin("pack");
    log_int("sequences", (int64_t)packing.sequences);
    log_int("ids", (int64_t)ids);
    log_int("padding", (int64_t)packing.padding);
    log_int("twice", (int64_t)packing.twice);
    log_int("dropped_pairs", (int64_t)packing.dropped);
    log_end();
}

static void
add(struct shard_source *sum, const struct shard_source *s)
{
    sum->documents += s->documents;
    sum->bytes += s->bytes;
    sum->tokens += s->tokens;
}

void
report(const struct inputs *in, const struct mix *mix)
{
    struct shard_source read = {0}, written = {0};
    uint64_t duplicates = 0, split = 0;
    for (size_t i = 0; i < in->sources.len; i++) {
        const struct source *s = &in->sources.data[i];
        add(&read, &s->in);
        add(&written, &s->out);
        duplicates += s->duplicates;
        split += s->split;
    }
    if (mix->shares)
        report_shares(in, mix, written.tokens);
    if (losses.foreign)
        note("%" PRIu64 " foreign frames were passed over", losses.foreign);
    if (losses.places)
        note("damage at %" PRIu64 " places: %" PRIu64 " documents cut or lost, dropped",
             losses.places, losses.documents);
    note("in: %" PRIu64 " documents, %" PRIu64 " bytes, %" PRIu64 " tokens; out: %" PRIu64
         " documents, %" PRIu64 " bytes, %" PRIu64 " tokens; %" PRIu64 " duplicates dropped, %"
         PRIu64 " split off", read.documents, read.bytes, read.tokens, written.documents,
         written.bytes, written.tokens, duplicates, split);
    log_sources(in);
    if (settings.pack)
        report_packing();
}

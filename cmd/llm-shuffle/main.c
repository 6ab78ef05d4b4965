#include "shuffle.h"

#include <stdio.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/threads.h"
#include "cmd/version.h"

/* llm-shuffle: shards to one shard, mixed, split, de-duplicated and shuffled. */
struct settings settings;

enum { LONGEST_SEQUENCE = 1 << 24 }; /* --seq-length of llm-train */

static const struct opt options[] = {
    {.type = OPT_GROUP, .help = "Output"},
    {.type = OPT_STRING, .letter = 'o', .name = "output", .placeholder = "FILE", .target = &settings.output, .fallback = "-", .help = "write to FILE (default: standard output)"},
    {.type = OPT_INT, .name = "level", .placeholder = "N", .target = &settings.level, .min = 0, .max = 19, .fallback = "3", .help = "zstd level of the output (0: stored)"},
    {.type = OPT_GROUP, .help = "Mix"},
    {.type = OPT_LIST, .name = "weight", .placeholder = "NAME=W", .target = &settings.weight, .help = "relative share of a source in tokens (also SHARD:W)"},
    {.type = OPT_LIST, .name = "epochs", .placeholder = "NAME=E", .target = &settings.epochs, .help = "use a source up to E times (default 1)"},
    {.type = OPT_COUNT, .name = "tokens", .placeholder = "N", .target = &settings.tokens, .help = "tokens in all (default: all that keep the shares)"},
    {.type = OPT_GROUP, .help = "Choose"},
    {.type = OPT_CHOICE, .name = "dedup", .placeholder = "KIND", .target = &settings.dedup, .choices = "none|exact|minhash", .fallback = "none", .help = "drop duplicate documents, keep the first"},
    {.type = OPT_STRING, .name = "dedup-report", .placeholder = "FILE", .target = &settings.dedup_report, .help = "list what was dropped as JSON lines"},
    {.type = OPT_LIST, .name = "split", .placeholder = "F=FILE", .target = &settings.split, .help = "put the fraction F, by hash of the text, into FILE"},
    {.type = OPT_GROUP, .help = "Order"},
    {.type = OPT_FLAG, .name = "no-shuffle", .target = &settings.no_shuffle, .help = "keep the order; with weights, blend"},
    {.type = OPT_COUNT, .name = "pack", .placeholder = "N", .target = &settings.pack, .help = "pack into sequences of N+1 ids, of which N train"},
    {.type = OPT_FLAG, .name = "best-fit", .target = &settings.best_fit, .help = "put whole documents into the sequences where they fit best"},
    {.type = OPT_GROUP, .help = "Check"},
    {.type = OPT_FLAG, .name = "verify", .target = &settings.verify, .help = "check each shard, a line each; exit 3 if one is corrupt"},
    {.type = OPT_FLAG, .name = "salvage", .target = &settings.salvage, .help = "write what is whole of damaged shards, in order"},
    OPT_COMMON,
    OPT_END,
};

static void
print_version(void)
{
    version_facts(0, NULL);
}

static const struct opt_tool tool = {
    .name = "llm-shuffle",
    .usage = "[options] [[NAME=]SHARD[:WEIGHT]...]",
    .purpose = "mix, de-duplicate, split and shuffle shards of token documents",
    .options = options,
    .version = print_version,
};

/* Options that exclude each other, and what is not built yet. */
static void
check_options(void)
{
    bool shares = settings.weight.len || settings.epochs.len || settings.tokens;
    if (settings.dedup == DEDUP_MINHASH)
        die(STATUS_USAGE, "--dedup minhash is not supported yet; --dedup exact is");
    if (settings.dedup_report && settings.dedup == DEDUP_NONE)
        die(STATUS_USAGE, "--dedup-report needs --dedup");
    if (opt_given(&tool, "tokens") && settings.tokens == 0)
        die(STATUS_USAGE, "--tokens 0: nothing would be written");
    if (settings.verify && (settings.salvage || settings.no_shuffle || shares ||
                            settings.split.len || settings.dedup || opt_given(&tool, "output")))
        die(STATUS_USAGE, "--verify writes no shard: no other choice goes with it");
    if (settings.salvage && (shares || settings.split.len || settings.dedup))
        die(STATUS_USAGE, "--salvage only keeps what is whole: mix, split and dedup its output");
}

static void
check_packing(void)
{
    if (opt_given(&tool, "pack") && (settings.pack < 1 || settings.pack > LONGEST_SEQUENCE))
        die(STATUS_USAGE, "--pack %llu: sequences have 1 to %d tokens",
            (unsigned long long)settings.pack, LONGEST_SEQUENCE);
    if (settings.best_fit && !settings.pack)
        die(STATUS_USAGE, "--best-fit needs --pack N");
    if (settings.best_fit && settings.no_shuffle)
        die(STATUS_USAGE, "--best-fit puts the sequences in the order of the seed: it does not go "
            "with --no-shuffle");
    if (settings.pack && (settings.verify || settings.salvage))
        die(STATUS_USAGE, "--pack does not go with %s", settings.verify ? "--verify" : "--salvage");
}

static int
run(struct inputs *in, struct outfile *out)
{
    if (settings.best_fit && in->head.flags & SHARD_PAIRS)
        die(STATUS_USAGE, "--best-fit does not go with pairs: each text is a sequence");
    if (settings.salvage)
        return run_join(in, out);
    if (!settings.no_shuffle)
        return run_shuffle(in, out);
    return inputs_weighted(in) ? run_blend(in, out) : run_join(in, out);
}

int
main(int argc, char **argv)
{
    char **operands;
    struct inputs in;
    struct outfile out;

    int count = opt_parse(&tool, argc, argv, &operands);
    check_options();
    check_packing();
    settings.threads = common.threads ? (int)common.threads : threads_default(1);
    settings.memory = common.memory ? common.memory : sys_memory_available() / 2;
    if (common.log && log_open(common.log) != 0)
        die_err();
    file_remove_on_signals();
    if (count == 0 && isatty(STDIN_FILENO))
        note("reading standard input");
    if (settings.verify) {
        inputs_open(&in, operands, count);
        return run_verify(&in);
    }
    if (outfile_open(&out, settings.output, true) != 0)
        die_err();
    split_open();
    inputs_open(&in, operands, count);
    if (dedup_open() != 0 || run(&in, &out) != 0 || split_commit() != 0 || dedup_close() != 0 ||
        outfile_commit(&out) != 0)
        die_err();
    inputs_close(&in);
    if (log_close() != 0)
        die_err();
    finish(STATUS_OK);
}

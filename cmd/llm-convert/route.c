/* What INPUT and OUTPUT are: said by --from and --to, or guessed where that cannot go wrong. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/checkpoint.h"

static const struct {
    const char *name;
    bool model, written;
} kinds[] = {
    [KIND_HF] = {"hf", true, true},
    [KIND_CHECKPOINT] = {"checkpoint", true, true},
    [KIND_GGUF] = {"gguf", true, true},
    [KIND_SHARD] = {"shard", false, true},
    [KIND_MEGATRON] = {"megatron", false, true},
    [KIND_LLM_C] = {"llm.c", false, true},
    [KIND_NANOGPT] = {"nanogpt", false, true},
    [KIND_DS] = {"ds", false, true},
    [KIND_LLAMA2_C] = {"llama2.c", true, false},
    [KIND_PEFT] = {"peft", true, true},
};

const char *
kind_name(enum kind kind)
{
    return kinds[kind].name;
}

bool
kind_is_model(enum kind kind)
{
    return kinds[kind].model;
}

/* A checkpoint, or the directory of several. */
static bool
has_checkpoint(const char *path)
{
    struct checkpoint_list list = {0};
    if (!file_is_dir(path) || checkpoint_is(path))
        return file_is_dir(path);
    bool found = checkpoint_list(path, &list) == 0 && list.count > 0;
    checkpoint_list_release(&list);
    return found;
}

enum kind
route_kind(const char *path)
{
    if (options.from_given)
        return (enum kind)options.from;
    if (str_ends(path, ".gguf"))
        return KIND_GGUF;
    if (str_ends(path, ".shard"))
        return KIND_SHARD;
    if (has_checkpoint(path))
        return KIND_CHECKPOINT;
    if (!file_exists(path) && strcmp(path, "-") != 0)
        die(STATUS_FAILED, "%s: No such file or directory", path);
    if (file_exists_in(path, "config.json"))
        die(STATUS_USAGE, "%s: looks like a Hugging Face directory: say --from hf", path);
    die(STATUS_USAGE,
        "%s: say what it is with --from (only checkpoints, .gguf and .shard are guessed)", path);
}

static enum kind
kind_of_output(const char *path, enum kind from)
{
    if (options.to_given)
        return (enum kind)options.to;
    if (str_ends(path, ".gguf"))
        return KIND_GGUF;
    if (str_ends(path, ".shard"))
        return KIND_SHARD;
    if (from == KIND_CHECKPOINT)
        return KIND_HF;
    die(STATUS_USAGE,
        "%s: say what it becomes with --to (only .gguf, .shard and, of a checkpoint, "
        "hf are guessed)",
        path);
}

/* Models become models; token data goes into a shard or comes out of one. */
static void
check_pair(enum kind from, enum kind to)
{
    bool fits = kind_is_model(from) == kind_is_model(to);
    if (!kinds[to].written)
        die(STATUS_USAGE, "--to %s: is read, not written", kind_name(to));
    if (fits && !kind_is_model(from))
        fits = (from == KIND_SHARD) != (to == KIND_SHARD);
    if (!fits)
        die(STATUS_USAGE,
            "%s does not become %s: models become models, and token data goes into a "
            "shard or comes out of one",
            kind_name(from), kind_name(to));
}

/* INPUT[:WEIGHT]: a weight is what follows the last colon if it is wholly a decimal number. */
static double
take_weight(char *input)
{
    char *colon = strrchr(input, ':');
    double weight;
    if (!colon || colon[1] == '\0' || strspn(colon + 1, "0123456789.") != strlen(colon + 1) ||
        parse_double(colon + 1, &weight) < 0)
        return 1;
    if (!(weight > 0))
        die(STATUS_USAGE, "%s: expected a weight above zero", input);
    *colon = '\0';
    return weight;
}

void
route_find(char **operands, int count, struct route *r)
{
    r->input = operands;
    r->inputs = (size_t)count - 1;
    r->output = operands[count - 1];
    r->weight = mem_array(r->inputs, sizeof *r->weight);
    for (size_t i = 0; i < r->inputs; i++)
        r->weight[i] = options.average ? take_weight(r->input[i]) : 1;
    r->from = route_kind(r->input[0]);
    r->to = kind_of_output(r->output, r->from);
    check_pair(r->from, r->to);
}

/* The option table of llm-convert, and what is refused. */
#include "cmd/llm-convert/convert.h"

#include <stdio.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "cmd/version.h"
#include "kernels/kernels.h"

struct convert_options options;

#define O &options.

static const struct opt table[] = {
    {.type = OPT_GROUP, .help = "Conversion"},
    {.type = OPT_CHOICE,
     .name = "to",
     .placeholder = "KIND",
     .target = O to,
     .choices = KINDS,
     .given = O to_given,
     .help = "what OUTPUT becomes"},
    {.type = OPT_CHOICE,
     .name = "from",
     .placeholder = "KIND",
     .target = O from,
     .choices = KINDS,
     .given = O from_given,
     .help = "what INPUT is"},
    {.type = OPT_CHOICE,
     .name = "dtype",
     .placeholder = "TYPE",
     .target = O dtype,
     .choices = OUTPUT_TYPES,
     .given = O dtype_given,
     .help = "type of the weights written"},
    {.type = OPT_SIZE,
     .name = "max-shard-size",
     .placeholder = "SIZE",
     .target = O max_shard_size,
     .fallback = "5G",
     .given = O max_shard_size_given,
     .help = "most bytes of weights in a file"},
    {.type = OPT_FLAG,
     .name = "average",
     .target = O average,
     .help = "the mean of several INPUT[:WEIGHT] models"},
    {.type = OPT_STRING,
     .name = "extend-vocabulary",
     .placeholder = "FILE|DIR",
     .target = O extend_vocabulary,
     .help = "tokenizer that extends the model's"},
    {.type = OPT_FLAG,
     .name = "verify",
     .target = O verify,
     .help = "compare both: tensors, and a probe's logits"},
    {.type = OPT_FLAG,
     .name = "force",
     .target = O force,
     .help = "write into a directory that is not empty"},
    {.type = OPT_STRING,
     .name = "tokenizer",
     .placeholder = "FILE|DIR",
     .target = O tokenizer,
     .help = "the tokenizer that token data was made with"},
    {.type = OPT_STRING,
     .name = "eos",
     .placeholder = "TOKEN|ID|none",
     .target = O eos,
     .help = "the token that ends a document in it"},

    {.type = OPT_GROUP, .help = "Description"},
    {.type = OPT_FLAG,
     .name = "info",
     .target = O info,
     .help = "say what INPUT is and what is in it"},
    {.type = OPT_FLAG,
     .name = "history",
     .target = O history,
     .help = "of a checkpoint: how it was trained"},
    {.type = OPT_FLAG, .name = "json", .target = O json, .help = "say it as JSON"},
    OPT_COMMON,
    OPT_END,
};

static void
print_version(void)
{
    version_facts(VERSION_KERNELS, NULL);
}

const struct opt_tool llm_convert = {
    .name = "llm-convert",
    .usage = "[options] INPUT OUTPUT | --info INPUT",
    .purpose = "convert models to other formats, and describe files",
    .options = table,
    .version = print_version,
};

struct threads *
options_threads(void)
{
    int n = common.threads ? (int)common.threads : threads_default(1);
    return n > 1 ? threads_new(n) : NULL;
}

const char *
output_type_name(int type)
{
    static const char *const names[] = {"fp32", "bf16", "fp16", "q8_0"};
    return names[type];
}

static void
check_model_options(const struct route *r)
{
    if (options.tokenizer || options.eos)
        die(STATUS_USAGE, "%s is for token formats", options.tokenizer ? "--tokenizer" : "--eos");
    if (r->to == KIND_CHECKPOINT && options.dtype_given && options.dtype != TYPE_FP32)
        die(STATUS_USAGE, "--dtype: a checkpoint is in fp32");
    if (options.dtype_given && options.dtype == TYPE_Q8_0 && r->to != KIND_GGUF)
        die(STATUS_USAGE, "--dtype q8_0: is a type of gguf alone");
    if (options.max_shard_size_given && (r->to == KIND_GGUF || r->to == KIND_PEFT))
        die(STATUS_USAGE, "--max-shard-size: a %s output has one file of weights", kind_name(r->to));
    if (r->to == KIND_PEFT && (options.average || options.extend_vocabulary || options.verify))
        die(STATUS_USAGE, "%s does not go with --to peft",
            options.average  ? "--average"
            : options.verify ? "--verify"
                             : "--extend-vocabulary");
}

static void
check_data_options(const struct route *r)
{
    const char *option = options.dtype_given            ? "--dtype"
                         : options.max_shard_size_given ? "--max-shard-size"
                         : options.verify               ? "--verify"
                         : options.average              ? "--average"
                         : options.extend_vocabulary    ? "--extend-vocabulary"
                                                        : NULL;
    if (option)
        die(STATUS_USAGE, "%s is for models", option);
    if (r->to == KIND_SHARD && !options.tokenizer)
        die(STATUS_USAGE, "a shard knows its tokenizer: give --tokenizer");
    if (r->to == KIND_SHARD && !options.eos)
        die(STATUS_USAGE, "what ends a document is not in the data: give --eos (or none)");
    if (r->to != KIND_SHARD && options.eos)
        die(STATUS_USAGE, "--eos is for data that becomes a shard");
    if (r->to != KIND_SHARD && r->to != KIND_DS && options.tokenizer)
        die(STATUS_USAGE, "--tokenizer is for data that becomes a shard, and named in --to ds");
}

void
options_check(char **operands, int count, struct route *r)
{
    if (common.on_error_given && common.on_error == ON_ERROR_SKIP)
        die(STATUS_USAGE, "--on-error skip: half a model is of no use");
    if (options.max_shard_size == 0)
        die(STATUS_USAGE, "--max-shard-size: expected more than nothing");
    if (options.info && count != 1)
        die(STATUS_USAGE, "--info describes one INPUT");
    if (!options.info && !options.average && count != 2)
        die(STATUS_USAGE, "expected INPUT and OUTPUT%s", count > 2 ? " (several: --average)" : "");
    if (!options.info && options.average && count < 3)
        die(STATUS_USAGE, "--average: expected two INPUTs or more, and OUTPUT");
    if (options.json && !options.info)
        die(STATUS_USAGE, "--json needs --info");
    if (options.history && !options.info)
        die(STATUS_USAGE, "--history needs --info");
    *r = (struct route){.input = operands, .inputs = 1, .output = operands[count - 1]};
    if (options.info)
        return;
    route_find(operands, count, r);
    if (kind_is_model(r->to))
        check_model_options(r);
    else
        check_data_options(r);
}

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
#define KINDS "hf|checkpoint|gguf|shard|megatron|llm.c|nanogpt|ds|llama2.c"

static const struct opt table[] = {
    {.type = OPT_GROUP, .help = "Conversion"},
    {.type = OPT_CHOICE,
     .name = "to",
     .placeholder = "KIND",
     .target = O to,
     .choices = KINDS,
     .given = O to_given,
     .help = "what OUTPUT becomes (so far: hf, checkpoint)"},
    {.type = OPT_CHOICE,
     .name = "from",
     .placeholder = "KIND",
     .target = O from,
     .choices = KINDS,
     .given = O from_given,
     .help = "what INPUT is (so far: checkpoint)"},
    {.type = OPT_CHOICE,
     .name = "dtype",
     .placeholder = "TYPE",
     .target = O dtype,
     .choices = "fp32|bf16|fp16",
     .fallback = "fp32",
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
     .help = "for token formats (not supported yet)"},
    {.type = OPT_STRING,
     .name = "eos",
     .placeholder = "TOKEN|ID|none",
     .target = O eos,
     .help = "for token formats (not supported yet)"},

    {.type = OPT_GROUP, .help = "Description"},
    {.type = OPT_FLAG,
     .name = "info",
     .target = O info,
     .help = "say what INPUT is and what is in it"},
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

enum dtype
options_dtype(void)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    return types[options.dtype];
}

static const char *
kind_name(int kind)
{
    static const char *const names[] = {"hf",    "checkpoint", "gguf", "shard",   "megatron",
                                        "llm.c", "nanogpt",    "ds",   "llama2.c"};
    return names[kind];
}

static void
check_conversion(char **operands)
{
    bool checkpoint = options.from_given && options.from == KIND_CHECKPOINT;
    if (options.to_given && options.to != KIND_HF && options.to != KIND_CHECKPOINT)
        die(STATUS_USAGE,
            "--to %s is not supported in this version (supported: hf, checkpoint)",
            kind_name(options.to));
    if (options.to_given && options.to == KIND_CHECKPOINT && options.dtype != 0)
        die(STATUS_USAGE, "--dtype: a checkpoint is in fp32");
    if (options.from_given && !checkpoint)
        die(STATUS_USAGE, "--from %s is not supported in this version (supported: checkpoint)",
            kind_name(options.from));
    if (options.tokenizer || options.eos)
        die(STATUS_USAGE, "%s is for token formats, which are not supported in this version",
            options.tokenizer ? "--tokenizer" : "--eos");
    if (str_ends(operands[0], ".gguf") || str_ends(operands[1], ".gguf"))
        die(STATUS_USAGE, "GGUF is not supported in this version");
    if (options.json)
        die(STATUS_USAGE, "--json needs --info");
    if (options.max_shard_size == 0)
        die(STATUS_USAGE, "--max-shard-size: expected more than nothing");
}

void
options_check(char **operands, int count)
{
    if (common.on_error_given && common.on_error == ON_ERROR_SKIP)
        die(STATUS_USAGE, "--on-error skip: half a model is of no use");
    if (options.info && count != 1)
        die(STATUS_USAGE, "--info describes one INPUT");
    if (!options.info && count != 2)
        die(STATUS_USAGE, "expected INPUT and OUTPUT");
    if (!options.info)
        check_conversion(operands);
}

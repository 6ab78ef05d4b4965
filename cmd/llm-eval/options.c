/* The option table of llm-eval, and what is refused. */
#include "cmd/llm-eval/eval.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "cmd/version.h"
#include "parallel/mpi_comm.h"

struct eval_options options;

#define O &options.

static const struct opt table[] = {
    {.type = OPT_GROUP, .help = "Loss on shards"},
    {.type = OPT_INT,
     .name = "seq-length",
     .placeholder = "N",
     .target = O seq_length,
     .fallback = "0",
     .min = 0,
     .max = 1 << 24,
     .help = "tokens a sequence (0: as trained, else the model's positions)"},
    {.type = OPT_FLAG,
     .flags = OPT_YESNO,
     .name = "document-mask",
     .placeholder = "yes|no",
     .target = O document_mask,
     .fallback = "yes",
     .given = O document_mask_given,
     .help = "attend within documents (default: as trained)"},
    {.type = OPT_FLAG,
     .name = "rolling",
     .target = O rolling,
     .help = "score each document apart, with a window that moves on"},
    {.type = OPT_INT,
     .name = "stride",
     .placeholder = "N",
     .target = O stride,
     .fallback = "0",
     .min = 0,
     .max = 1 << 24,
     .help = "tokens that a window of --rolling moves on (0: its length)"},
    {.type = OPT_STRING,
     .name = "json",
     .placeholder = "FILE",
     .target = O json,
     .help = "write the results as JSON lines"},

    {.type = OPT_GROUP, .help = "Generation"},
    {.type = OPT_STRING,
     .name = "generate",
     .placeholder = "TEXT",
     .target = O generate,
     .help = "continue TEXT"},
    {.type = OPT_STRING,
     .name = "prompts",
     .placeholder = "FILE",
     .target = O prompts,
     .help = "continue each line of FILE"},
    {.type = OPT_INT,
     .name = "max-new",
     .placeholder = "N",
     .target = O max_new,
     .fallback = "128",
     .min = 1,
     .max = 1 << 24,
     .help = "most tokens to add"},
    {.type = OPT_REAL,
     .name = "temperature",
     .placeholder = "X",
     .target = O temperature,
     .fallback = "0",
     .min = 0,
     .max = 100,
     .help = "0 is greedy"},
    {.type = OPT_REAL,
     .name = "top-p",
     .placeholder = "X",
     .target = O top_p,
     .fallback = "1",
     .min = 0,
     .max = 1,
     .help = "draw from the likeliest tokens that reach this probability"},
    {.type = OPT_INT,
     .name = "top-k",
     .placeholder = "N",
     .target = O top_k,
     .fallback = "0",
     .min = 0,
     .max = 1 << 24,
     .help = "draw from the N likeliest tokens (0: all)"},
    {.type = OPT_LIST,
     .name = "stop",
     .placeholder = "TEXT",
     .target = O stop,
     .help = "end before this text (repeatable)"},
    {.type = OPT_REAL,
     .name = "repetition-penalty",
     .placeholder = "X",
     .target = O repetition_penalty,
     .fallback = "1",
     .min = 0.01,
     .max = 100,
     .help = "divide the logits of tokens that have been by X"},
    {.type = OPT_INT,
     .name = "batch",
     .placeholder = "N",
     .target = O batch,
     .fallback = "0",
     .min = 0,
     .max = 1 << 16,
     .help = "texts that are written together (0: as many as pay)"},
    {.type = OPT_FLAG,
     .name = "chat",
     .target = O chat,
     .help = "prompts are a user's messages, in the model's chat template"},
    {.type = OPT_STRING,
     .name = "system",
     .placeholder = "TEXT",
     .target = O system,
     .help = "the system message of --chat"},
    {.type = OPT_FLAG,
     .name = "interactive",
     .target = O interactive,
     .help = "talk with the model in the terminal"},
    {.type = OPT_STRING,
     .name = "mt-bench",
     .placeholder = "FILE",
     .target = O mt_bench,
     .help = "answer MT-Bench questions into the --json file"},

    {.type = OPT_GROUP, .help = "Run"},
    {.type = OPT_CHOICE,
     .name = "precision",
     .placeholder = "NAME",
     .target = O precision,
     .choices = "fp32|bf16",
     .given = O precision_given,
     .help = "arithmetic (default: as trained; fp32 for a Hugging Face directory)"},
    {.type = OPT_INT,
     .name = "ranks",
     .placeholder = "N",
     .target = O ranks,
     .fallback = "1",
     .min = 1,
     .max = 1 << 20,
     .help = "share the sequences among N ranks started by mpiexec"},
    {.type = OPT_INT,
     .name = "tensor-parallel",
     .placeholder = "N",
     .target = O tensor_parallel,
     .fallback = "1",
     .min = 1,
     .max = 1 << 16,
     .help = "ranks that hold one copy of the weights together"},
    {.type = OPT_STRING,
     .name = "hosts",
     .placeholder = "FILE",
     .target = O hosts,
     .help = "hosts for mpiexec"},

    {.type = OPT_GROUP, .help = "Benchmark tasks"},
    {.type = OPT_LIST,
     .name = "task",
     .placeholder = "NAME|FILE",
     .target = O task,
     .help = "score a task"},
    {.type = OPT_FLAG, .name = "info", .target = O info, .help = "say which files a task wants"},
    {.type = OPT_STRING,
     .name = "data",
     .placeholder = "DIR",
     .target = O data,
     .help = "where they are"},
    {.type = OPT_INT,
     .name = "shots",
     .placeholder = "N",
     .target = O shots,
     .given = O shots_given,
     .min = 0,
     .max = 1e6,
     .help = "examples before each question"},
    {.type = OPT_INT,
     .name = "limit",
     .placeholder = "N",
     .target = O limit,
     .given = O limit_given,
     .min = 0,
     .max = 1e12,
     .help = "only the first N documents"},
    {.type = OPT_STRING,
     .name = "log-samples",
     .placeholder = "FILE",
     .target = O log_samples,
     .help = "write each sample's result"},
    {.type = OPT_STRING,
     .name = "make-requests",
     .placeholder = "FILE",
     .target = O make_requests,
     .help = "write a task's requests"},
    {.type = OPT_STRING,
     .name = "requests",
     .placeholder = "FILE|-",
     .target = O requests,
     .help = "score requests"},
    {.type = OPT_STRING,
     .name = "results",
     .placeholder = "FILE",
     .target = O results,
     .help = "compute metrics from results"},
    {.type = OPT_STRING,
     .name = "words-command",
     .placeholder = "CMD",
     .target = O words_command,
     .help = "how ROUGE and BLEU get words"},
    {.type = OPT_STRING,
     .name = "markdown",
     .placeholder = "FILE",
     .target = O markdown,
     .help = "write the scores as a table in Markdown"},
    {.type = OPT_LIST,
     .name = "compare",
     .placeholder = "JSON",
     .target = O compare,
     .help = "put a --json file of another model beside the scores"},
    {.type = OPT_LIST,
     .name = "min-score",
     .placeholder = "TASK=X",
     .target = O min_score,
     .help = "exit with 4 when a score is below"},
    OPT_COMMON,
    OPT_END,
};

static void
print_version(void)
{
    version_facts(VERSION_KERNELS, mpi_version());
}

const struct opt_tool llm_eval = {
    .name = "llm-eval",
    .usage = "[options] MODEL [SHARD…|-]",
    .purpose = "loss of a language model on shards, and text that it writes",
    .options = table,
    .version = print_version,
};

/* What CLI.md promises and a later release brings: refused, never ignored. */
static void
refuse_unsupported(void)
{
    const struct {
        bool asked;
        const char *name;
    } later[] = {
        {common.on_error_given && common.on_error == ON_ERROR_SKIP, "--on-error skip"},
    };
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (later[i].asked)
            die(STATUS_USAGE, "%s is not supported in this version", later[i].name);
}

/* What asks for text, or NULL. */
static const char *
text_option(void)
{
    return options.generate      ? "--generate"
           : options.prompts     ? "--prompts"
           : options.interactive ? "--interactive"
           : options.mt_bench    ? "--mt-bench"
                                 : NULL;
}

enum eval_mode
options_mode(void)
{
    if (options.info)
        return MODE_INFO;
    if (options.make_requests)
        return MODE_MAKE_REQUESTS;
    if (options.results)
        return MODE_RESULTS;
    if (options.requests)
        return MODE_REQUESTS;
    if (options.task.len)
        return MODE_TASKS;
    return text_option() ? MODE_TEXT : MODE_SHARDS;
}

/* Options that belong to some modes only. */
static void
check_modes(void)
{
    enum {
        SHARDS = 1 << MODE_SHARDS,
        TEXT = 1 << MODE_TEXT,
        TASKS = 1 << MODE_TASKS,
        INFO = 1 << MODE_INFO,
        MAKE = 1 << MODE_MAKE_REQUESTS,
        REQUESTS = 1 << MODE_REQUESTS,
        RESULTS = 1 << MODE_RESULTS,
        SCORES = TASKS | RESULTS,
        DOCUMENTS = SCORES | MAKE
    };
    const struct {
        bool asked;
        const char *name;
        int modes;
        const char *needs;
    } rules[] = {
        {options.generate != NULL, "--generate", TEXT, "no benchmark task"},
        {options.prompts != NULL, "--prompts", TEXT, "no benchmark task"},
        {options.interactive, "--interactive", TEXT, "no benchmark task"},
        {options.mt_bench != NULL, "--mt-bench", TEXT, "no benchmark task"},
        {options.chat, "--chat", TEXT, "--generate, --prompts or --interactive"},
        {options.system != NULL, "--system", TEXT, "--chat"},
        {options.rolling, "--rolling", SHARDS, "shards"},
        {options.tensor_parallel > 1, "--tensor-parallel", SHARDS | TASKS | REQUESTS,
         "shards, --requests, or --task and a model"},
        {options.document_mask_given, "--document-mask", SHARDS, "shards"},
        {options.make_requests != NULL, "--make-requests", MAKE, "no --info"},
        {options.results != NULL, "--results", RESULTS, "neither --info nor --make-requests"},
        {options.requests != NULL, "--requests", REQUESTS,
         "neither --info, --make-requests nor --results"},
        {options.task.len > 0, "--task", DOCUMENTS | INFO, "no --requests"},
        {options.data != NULL, "--data", DOCUMENTS, "--task"},
        {options.shots_given, "--shots", DOCUMENTS, "--task"},
        {options.limit_given, "--limit", DOCUMENTS, "--task"},
        {options.log_samples != NULL, "--log-samples", SCORES, "--task and a model or --results"},
        {options.words_command != NULL, "--words-command", SCORES, "--task"},
        {options.min_score.len > 0, "--min-score", SCORES, "--task and a model or --results"},
        {options.markdown != NULL, "--markdown", SCORES, "--task and a model or --results"},
        {options.compare.len > 0, "--compare", SCORES, "--task and a model or --results"},
        {options.json != NULL, "--json", SHARDS | TEXT | SCORES, "something to write"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].asked && !(rules[i].modes & (1 << options_mode())))
            die(STATUS_USAGE, "%s needs %s", rules[i].name, rules[i].needs);
}

/* What goes with which kind of text. */
static void
check_text(void)
{
    int kinds = !!options.generate + !!options.prompts + options.interactive + !!options.mt_bench;
    if (kinds > 1)
        die(STATUS_USAGE, "--generate, --prompts, --interactive and --mt-bench exclude each other");
    if (options.chat && options.mt_bench)
        die(STATUS_USAGE, "--mt-bench is always a chat");
    if (options.system && !options.chat && !options.mt_bench)
        die(STATUS_USAGE, "--system needs --chat");
    if (options.interactive && options.json)
        die(STATUS_USAGE, "--interactive writes no --json");
    if (options.mt_bench && !options.json)
        die(STATUS_USAGE, "--mt-bench needs --json FILE, for the answers");
}

/* How many operands a mode takes: MODEL, and shards. */
static void
check_operands(char **operands, int count)
{
    enum eval_mode mode = options_mode();
    bool optional = mode == MODE_INFO || mode == MODE_MAKE_REQUESTS || mode == MODE_RESULTS;
    if (count == 0 && !optional)
        die(STATUS_USAGE, "no model: expected a Hugging Face directory or a checkpoint");
    if (mode == MODE_SHARDS && count == 1)
        die(STATUS_USAGE, "nothing to do: expected shards (- for standard input), --generate, "
                          "--prompts, --task or --requests");
    if (mode == MODE_TEXT && count > 1)
        die(STATUS_USAGE, "%s takes no shards", text_option());
    if (mode != MODE_SHARDS && count > 1)
        die(STATUS_USAGE, "a benchmark takes a model and no shards: %s", operands[1]);
}

void
options_check(char **operands, int count)
{
    enum eval_mode mode = options_mode();
    refuse_unsupported();
    check_modes();
    check_text();
    check_operands(operands, count);
    if ((mode == MODE_MAKE_REQUESTS || mode == MODE_RESULTS) && options.task.len == 0)
        die(STATUS_USAGE, "%s needs --task",
            mode == MODE_RESULTS ? "--results" : "--make-requests");
    if (mode == MODE_TEXT && options.ranks > 1)
        die(STATUS_USAGE, "text is generated by one rank: --ranks is for shards and tasks");
    if (options.ranks > 1 && count == 2 && strcmp(operands[1], "-") == 0)
        die(STATUS_USAGE, "standard input is for one rank: give files with --ranks");
    if (options.ranks > 1 && options.requests && strcmp(options.requests, "-") == 0)
        die(STATUS_USAGE, "standard input is for one rank: give a file with --ranks");
    if (options.rolling && options.ranks > 1)
        die(STATUS_USAGE, "--rolling runs on one rank");
    if (options.rolling && options.tensor_parallel > 1)
        die(STATUS_USAGE, "--rolling runs on one rank, without --tensor-parallel");
    if (options.stride && !options.rolling)
        die(STATUS_USAGE, "--stride needs --rolling");
}

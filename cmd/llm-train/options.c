/* The command line of llm-train: its option table, and what is refused. */
#include "cmd/llm-train/train.h"

#include <math.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmd/llm-train/precision.h"
#include "cmd/llm-train/preset.h"
#include "cmd/llm-train/spike.h"
#include "cmd/llm-train/version.h"
#include "parallel/pipeline_table.h"

struct train_options options;

#define OPT(kind, field, ...) {.type = OPT_##kind, .target = &options.field, __VA_ARGS__}
#define GROUP(text) {.type = OPT_GROUP, .help = text}

static const struct opt table[] = {
    GROUP("Start"),
    OPT(STRING, model, .name = "model", .placeholder = "FILE", .help = "config.json of a new model"),
    OPT(STRING, init, .name = "init", .placeholder = "DIR", .help = "weights of a Hugging Face directory or checkpoint"),
    OPT(STRING, resume, .name = "resume", .placeholder = "DIR", .help = "go on from the newest checkpoint below DIR"),
    OPT(STRING, branch, .name = "branch", .placeholder = "DIR", .help = "decay from it in a run of its own"),
    OPT(STRING, tokenizer, .name = "tokenizer", .placeholder = "FILE", .help = "the tokenizer of the shards"),
    OPT(STRING, extend_vocabulary, .name = "extend-vocabulary", .placeholder = "FILE", .help = "with --init: a tokenizer with more tokens"),
    OPT(INT, ranks, .name = "ranks", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "start N ranks by mpiexec"),
    OPT(STRING, hosts, .name = "hosts", .placeholder = "FILE", .help = "hosts for mpiexec"),
    GROUP("Checkpoints"),
    OPT(STRING, save, .name = "save", .placeholder = "DIR", .help = "write checkpoints below DIR"),
    OPT(INT, save_every, .name = "save-every", .placeholder = "N", .fallback = "500", .min = 0, .max = 1e12, .help = "steps between checkpoints (0: the last only)"),
    OPT(INT, keep_last, .name = "keep-last", .placeholder = "N", .fallback = "2", .min = 1, .max = 1e9, .help = "newest checkpoints to keep"),
    OPT(INT, keep_every, .name = "keep-every", .placeholder = "M", .fallback = "0", .min = 0, .max = 1e12, .help = "keep those at multiples of M, too"),
    GROUP("Validation"),
    OPT(STRING, valid, .name = "valid", .placeholder = "SHARD", .help = "validation shard"),
    OPT(INT, valid_every, .name = "valid-every", .placeholder = "N", .fallback = "100", .min = 0, .max = 1e12, .help = "steps between validations (0: at the end)"),
    OPT(COUNT, valid_tokens, .name = "valid-tokens", .placeholder = "N", .fallback = "0", .help = "tokens of it to score (0: all)"),
    GROUP("Length and batch"),
    OPT(INT, seq_length, .name = "seq-length", .placeholder = "N", .fallback = "0", .min = 0, .max = 1 << 24, .help = "tokens a sequence (0: the model's)"),
    OPT(INT, micro_batch, .name = "micro-batch", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "sequences at once on a rank"),
    OPT(INT, global_batch, .name = "global-batch", .placeholder = "N", .fallback = "0", .min = 0, .max = 1 << 24, .help = "sequences a step"),
    OPT(COUNT, steps, .name = "steps", .placeholder = "N", .fallback = "0", .help = "optimizer steps of the whole run"),
    OPT(COUNT, tokens, .name = "tokens", .placeholder = "N", .fallback = "0", .help = "tokens of the whole run"),
    OPT(COUNT, stop_at, .name = "stop-at", .placeholder = "N", .fallback = "0", .help = "stop behind step N, to be resumed"),
    OPT(INT, epochs, .name = "epochs", .placeholder = "E", .fallback = "1", .min = 1, .max = 1e6, .help = "times to read the shards"),
    OPT(STRING, ramp_batch, .name = "ramp-batch", .placeholder = "S:I:T", .help = "batch ramp-up"),
    OPT(STRING, skip, .name = "skip", .placeholder = "A-B[,…]", .help = "steps whose data is dropped"),
    OPT(CHOICE, on_spike, .name = "on-spike", .placeholder = "WHAT", .fallback = "stop", .choices = "stop|skip|rewind", .help = "on a bad loss or gradient norm"),
    OPT(REAL, spike_threshold, .name = "spike-threshold", .placeholder = "F", .fallback = "0", .min = 0, .max = 1e9, .help = "deviations that are bad (0: NaN, Inf)"),
    OPT(INT, spike_window, .name = "spike-window", .placeholder = "N", .fallback = "128", .min = 2, .max = 1 << 20, .help = "good steps to compare with"),
    OPT(INT, spike_limit, .name = "spike-limit", .placeholder = "N", .fallback = "10", .min = 0, .max = 1e9, .help = "bad steps in a row, or rewinds"),
    GROUP("Optimizer"),
    OPT(REAL, lr, .name = "lr", .placeholder = "X", .fallback = "0", .min = 0, .max = 1e6, .help = "peak learning rate"),
    OPT(REAL, min_lr, .name = "min-lr", .placeholder = "X", .fallback = "-1", .min = -1, .max = 1e6, .help = "last learning rate (-1: lr/10)"),
    OPT(STRING, warmup, .name = "warmup", .placeholder = "N|Ntok", .fallback = "0", .help = "warm-up in steps or tokens"),
    OPT(CHOICE, schedule, .name = "schedule", .placeholder = "NAME", .fallback = "cosine", .choices = "cosine|linear|constant|wsd", .help = "learning-rate schedule"),
    OPT(STRING, decay, .name = "decay", .placeholder = "N|Ntok", .help = "length of the decay (run − warm-up)"),
    OPT(CHOICE, wsd_decay_style, .name = "wsd-decay-style", .placeholder = "NAME", .fallback = "linear", .choices = "linear|cosine|1-sqrt", .help = "shape of wsd's decay"),
    OPT(REAL, weight_decay, .name = "weight-decay", .placeholder = "X", .fallback = "0.1", .min = 0, .max = 1e3, .help = "decoupled weight decay"),
    OPT(REAL, beta1, .name = "beta1", .placeholder = "X", .fallback = "0.9", .min = 0, .max = 0.9999999, .help = "first moment's decay"),
    OPT(REAL, beta2, .name = "beta2", .placeholder = "X", .fallback = "0.95", .min = 0, .max = 0.9999999, .help = "second moment's decay"),
    OPT(REAL, eps, .name = "eps", .placeholder = "X", .fallback = "1e-8", .min = 0, .max = 1, .help = "AdamW's epsilon"),
    OPT(REAL, clip, .name = "clip", .placeholder = "X", .fallback = "1.0", .min = 0, .max = 1e9, .help = "gradient norm limit (0: none)"),
    OPT(REAL, z_loss, .name = "z-loss", .placeholder = "X", .fallback = "0", .min = 0, .max = 1e3, .help = "coefficient of log²Z"),
    OPT(REAL, moe_aux_loss_coeff, .name = "moe-aux-loss-coeff", .placeholder = "X", .fallback = "-1", .min = -1, .max = 1e3, .help = "routers' balance (-1: the model's)"),
    OPT(REAL, moe_z_loss_coeff, .name = "moe-z-loss-coeff", .placeholder = "X", .fallback = "0", .min = 0, .max = 1e3, .help = "routers' log²Z"),
    OPT(REAL, init_std, .name = "init-std", .placeholder = "X", .fallback = "0", .min = 0, .max = 1e3, .help = "initial deviation (0: the model's)"),
    OPT(CHOICE, init_method, .name = "init-method", .placeholder = "NAME", .fallback = "model", .choices = "model|standard|depth-scaled", .help = "initial deviation of residual outputs"),
    OPT(STRING, weight_decay_skip, .name = "weight-decay-skip", .placeholder = "NAME[,…]", .help = "tensors without weight decay"),
    OPT(STRING, freeze, .name = "freeze", .placeholder = "NAME[,…]", .help = "tensors that stay as they are"),
    OPT(REAL, dropout, .name = "dropout", .placeholder = "P", .fallback = "-1", .min = -1, .max = 1, .help = "0: train without the model's dropout"),
    GROUP("Fine-tuning"),
    OPT(INT, lora, .name = "lora", .placeholder = "R", .fallback = "0", .min = 0, .max = 4096, .help = "train adapters of rank R (0: the weights)"),
    OPT(REAL, lora_alpha, .name = "lora-alpha", .placeholder = "X", .fallback = "0", .min = 0, .max = 1e6, .help = "adapters count X/R times (0: once)"),
    OPT(STRING, lora_targets, .name = "lora-targets", .placeholder = "NAME[,…]", .fallback = "all-linear", .help = "which products have adapters"),
    {.type = OPT_FLAG, .name = "dpo", .target = &options.dpo, .help = "direct preference optimization on pairs"},
    OPT(REAL, dpo_beta, .name = "dpo-beta", .placeholder = "X", .fallback = "0.1", .min = 0, .max = 1e6, .help = "how far from the reference is allowed"),
    GROUP("Precision and memory"),
    OPT(STRING, precision, .name = "precision", .placeholder = "NAME", .fallback = "bf16", .help = "fp32, bf16, fp8-hybrid or a schedule"),
    OPT(CHOICE, fp8_recipe, .name = "fp8-recipe", .placeholder = "NAME", .fallback = "delayed", .choices = "delayed|tensorwise", .help = "how FP8 scales are found"),
    OPT(INT, fp8_margin, .name = "fp8-margin", .placeholder = "N", .fallback = "0", .min = 0, .max = 32, .help = "powers of two below the FP8 maximum"),
    OPT(INT, fp8_amax_history_len, .name = "fp8-amax-history-len", .placeholder = "N", .fallback = "1024", .min = 1, .max = 65536, .help = "steps that FP8 scales remember"),
    OPT(CHOICE, fp8_amax_compute_algo, .name = "fp8-amax-compute-algo", .placeholder = "NAME", .fallback = "max", .choices = "max|most_recent", .help = "which amax of the history counts"),
    OPT(STRING, recompute, .name = "recompute", .placeholder = "WHAT[,…]", .fallback = "none", .help = "recompute activations: none, selective, full"),
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "document-mask", .placeholder = "yes|no", .target = &options.document_mask, .fallback = "yes", .help = "attend within documents"},
    GROUP("Parallelism"),
    OPT(INT, reduce_groups, .name = "reduce-groups", .placeholder = "G", .fallback = "0", .min = 0, .max = 1 << 20, .help = "leaves of the sum (0: data-parallel)"),
    OPT(INT, tensor_parallel, .name = "tensor-parallel", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "tensor-parallel ranks"),
    {.type = OPT_FLAG, .flags = OPT_NEGATABLE, .name = "sequence-parallel", .target = &options.sequence_parallel, .help = "with tensor parallelism"},
    OPT(INT, pipeline_parallel, .name = "pipeline-parallel", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "pipeline stages"),
    OPT(STRING, pipeline_schedule, .name = "pipeline-schedule", .placeholder = "NAME", .help = "schedule of the stages"),
    OPT(INT, virtual_stages, .name = "virtual-stages", .placeholder = "N", .fallback = "2", .min = 2, .max = 1 << 10, .help = "pieces a stage, interleaved"),
    OPT(INT, context_parallel, .name = "context-parallel", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "context-parallel ranks"),
    OPT(INT, expert_parallel, .name = "expert-parallel", .placeholder = "N", .fallback = "1", .min = 1, .max = 1 << 20, .help = "expert-parallel ranks"),
    {.type = OPT_FLAG, .name = "grad-reduce-in-bf16", .target = &options.grad_reduce_in_bf16, .help = "gradients between hosts in BF16"},
    OPT(INT, zero, .name = "zero", .placeholder = "0..3", .fallback = "-1", .min = -1, .max = 3, .help = "ZeRO stage (-1: 1, with FP8 0)"),
    OPT(STRING, rank_order, .name = "rank-order", .placeholder = "ORDER", .help = "order of the axes"),
    GROUP("Run"),
    OPT(INT, log_every, .name = "log-every", .placeholder = "N", .fallback = "1", .min = 1, .max = 1e9, .help = "steps between step events"),
    OPT(INT, health_every, .name = "health-every", .placeholder = "N", .fallback = "100", .min = 0, .max = 1e12, .help = "steps between health events (0: none)"),
    OPT(STRING, tensorboard, .name = "tensorboard", .placeholder = "DIR", .help = "event files for TensorBoard"),
    OPT(STRING, time_limit, .name = "time-limit", .placeholder = "T", .help = "stop with a checkpoint after T"),
    OPT(REAL, timeout, .name = "timeout", .placeholder = "S", .fallback = "1800", .min = 0, .max = 1e9, .help = "give up a wait between ranks"),
    OPT(CHOICE, plan, .flags = OPT_OPTIONAL, .name = "plan", .placeholder = "[best]", .choices = "no|yes|best", .help = "print memory, FLOPs and time, do not run; best: of layouts"),
    OPT(STRING, machine, .name = "machine", .placeholder = "FILE|NAME", .help = "machine to plan for"),
    OPT(REAL, compute, .name = "compute", .placeholder = "F", .fallback = "0", .min = 0, .max = 1e40, .help = "operations of the planned run"),
    OPT(STRING, rank_map, .name = "rank-map", .placeholder = "FILE", .help = "write where each rank is to run"),
    OPT(STRING, topology, .name = "topology", .placeholder = "SHAPE", .help = "torus 4x6x4 or tree 16: the job's nodes"),
    {.type = OPT_FLAG, .name = "json", .target = &options.json, .help = "the plan as JSON"},
    OPT(STRING, report, .name = "report", .placeholder = "FILE", .help = "write a page of the logs LOG…, do not run"),
    {.type = OPT_FLAG, .name = "curve", .target = &options.curve, .help = "draw the loss of the logs LOG…, do not run"},
    {.type = OPT_FLAG, .name = "profile", .target = &options.profile, .help = "print where the time of the steps went"},
    {.type = OPT_FLAG, .name = "self-check", .target = &options.self_check, .help = "check every kernel thoroughly, then exit"},
    OPT_COMMON,
    OPT_END,
};

const struct opt_tool llm_train = {
    .name = "llm-train",
    .usage = "--ranks N [options] SHARD…|-",
    .purpose = "train a language model on token shards",
    .options = table,
    .version = train_version,
    .preset = preset_config,
};

const char *const recorded_options[] = {
    "seq-length",   "micro-batch", "global-batch", "steps",         "tokens",     "epochs",
    "lr",           "min-lr",      "warmup",       "schedule",      "decay",      "wsd-decay-style", "weight-decay",
    "beta1",        "beta2",       "eps",          "clip",          "z-loss",     "init-std",
    "init-method",  "weight-decay-skip", "freeze",   "dropout",       "lora",       "lora-alpha",
    "lora-targets", "dpo",         "dpo-beta",     "ramp-batch",
    "moe-aux-loss-coeff", "moe-z-loss-coeff",
    "precision",    "fp8-recipe",  "fp8-margin",   "fp8-amax-history-len", "fp8-amax-compute-algo", "recompute",   "document-mask", "reduce-groups", "skip",      "seed",
    "on-spike",     "spike-threshold", "spike-window", "spike-limit",
    "save-every",   "keep-last",   "keep-every",   "valid-every",   "valid-tokens", "log-every", "health-every",
    NULL,
};

/* The next "A-B" or "A" of a list; false at its end. A malformed one sets *bad. */
static bool
next_range(const char **s, uint64_t *from, uint64_t *to, bool *bad)
{
    char *end;

    if (**s == '\0')
        return false;
    *from = *to = strtoull(*s, &end, 10);
    *bad = end == *s || **s == '-';
    if (!*bad && *end == '-') {
        const char *second = end + 1;
        *to = strtoull(second, &end, 10);
        *bad = end == second || *to < *from;
    }
    if (*end == ',' && end[1] != '\0')
        end++;
    else if (*end != '\0')
        *bad = true;
    *s = end;
    return !*bad;
}

bool
step_is_skipped(const char *ranges, uint64_t step)
{
    uint64_t from, to;
    bool bad = false;

    for (const char *s = ranges ? ranges : ""; next_range(&s, &from, &to, &bad);)
        if (from <= step && step <= to)
            return true;
    return false;
}

static void
check_skip(const char *ranges)
{
    uint64_t from, to;
    bool bad = false;
    const char *s = ranges ? ranges : "";

    while (next_range(&s, &from, &to, &bad))
        ;
    if (bad)
        die(STATUS_USAGE, "--skip %s: expected steps as A-B[,C-D…]", ranges);
}

int
parse_length(const char *text, double *value, bool *in_tokens)
{
    size_t n = strlen(text);
    char number[32];
    uint64_t count;

    *in_tokens = n > 3 && strcmp(text + n - 3, "tok") == 0;
    n -= *in_tokens ? 3 : 0;
    if (n == 0 || n >= sizeof number)
        return -1;
    memcpy(number, text, n);
    number[n] = '\0';
    if (parse_count(number, &count) < 0)
        return -1;
    *value = (double)count;
    return 0;
}

int
parse_duration(const char *text, double *seconds)
{
    static const struct {
        char suffix;
        double factor;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int h, m, s, used = 0;
    size_t n = strlen(text);
    char number[32];
    double factor = 1;

    if (sscanf(text, "%d:%d:%d%n", &h, &m, &s, &used) == 3 && text[used] == '\0' && h >= 0 &&
        m >= 0 && m < 60 && s >= 0 && s < 60) {
        *seconds = h * 3600.0 + m * 60.0 + s;
        return 0;
    }
    for (size_t i = 0; n > 0 && i < sizeof units / sizeof *units; i++)
        if (text[n - 1] == units[i].suffix) {
            factor = units[i].factor;
            n--;
            break;
        }
    if (n == 0 || n >= sizeof number)
        return -1;
    memcpy(number, text, n);
    number[n] = '\0';
    if (parse_double(number, seconds) < 0 || !isfinite(*seconds) || *seconds <= 0)
        return -1;
    *seconds *= factor;
    return 0;
}

static void
check_precision(void)
{
    struct precision_schedule schedule;

    if (precision_parse(options.precision, &schedule) < 0)
        die(STATUS_USAGE, "--precision %s: %s", options.precision, err_text());
}

static void
check_lengths(void)
{
    double value;
    bool in_tokens;

    if (parse_length(options.warmup, &value, &in_tokens) < 0)
        die(STATUS_USAGE, "--warmup %s: expected a number of steps, or of tokens as 4Gtok", options.warmup);
    if (options.decay && parse_length(options.decay, &value, &in_tokens) < 0)
        die(STATUS_USAGE, "--decay %s: expected a number of steps, or of tokens as 4Gtok", options.decay);
    if (options.time_limit && parse_duration(options.time_limit, &value) < 0)
        die(STATUS_USAGE, "--time-limit %s: expected a time such as 90s, 15m, 2h or 01:30:00", options.time_limit);
}

static void
check_schedule_name(void)
{
    const char *name = options.pipeline_schedule;
    bool known = !name;

    for (int i = 0; i < PIPELINE_SCHEDULES && !known; i++)
        known = strcmp(name, pipeline_schedule_name((enum pipeline_schedule)i)) == 0;
    if (!known)
        die(STATUS_USAGE, "--pipeline-schedule %s: expected gpipe, 1f1b, interleaved or zero-bubble", name);
    if (name && options.pipeline_parallel == 1 && options.plan != PLAN_BEST)
        die(STATUS_USAGE, "--pipeline-schedule %s needs --pipeline-parallel above 1", name);
    if (opt_given(&llm_train, "virtual-stages") && !opt_from_config(&llm_train, "virtual-stages") && (!name || strcmp(name, "interleaved") != 0))
        die(STATUS_USAGE, "--virtual-stages is for --pipeline-schedule interleaved");
}

static const char *const recompute_names[] = {"none", "selective", "full"};

const char *
recompute_name(unsigned recompute)
{
    return recompute_names[recompute];
}

/* The k-th name of "none,full,…", the last one for all behind it; -1: not one of them. */
int
recompute_of_stage(const char *list, int stage)
{
    const char *at = list;

    for (int i = 0; i < stage && strchr(at, ','); i++)
        at = strchr(at, ',') + 1;
    size_t n = strcspn(at, ",");
    for (int i = 0; i < 3; i++)
        if (strlen(recompute_names[i]) == n && memcmp(recompute_names[i], at, n) == 0)
            return i;
    return -1;
}

static void
check_recompute(void)
{
    int names = 1;

    for (const char *s = options.recompute; (s = strchr(s, ',')); s++)
        names++;
    for (int i = 0; i < names; i++)
        if (recompute_of_stage(options.recompute, i) < 0)
            die(STATUS_USAGE, "--recompute %s: expected none, selective or full, one for each stage or for all", options.recompute);
    if (names > 1 && names != options.pipeline_parallel)
        die(STATUS_USAGE, "--recompute %s: %d names for %lld pipeline stages", options.recompute, names,
            (long long)options.pipeline_parallel);
}

/* A branch takes everything from its trunk but its schedule and the directory it is saved in. */
static void
check_branch(void)
{
    const struct {
        bool given;
        const char *name;
    } own[] = {
        {options.resume != NULL, "resume"}, {options.model != NULL, "model"},
        {options.init != NULL, "init"},     {options.steps != 0, "steps"},
        {options.tokens != 0, "tokens"},    {opt_given(&llm_train, "schedule"), "schedule"},
    };

    if (!options.branch)
        return;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (own[i].given)
            die(STATUS_USAGE, "--branch and --%s exclude each other: the trunk and --decay say it", own[i].name);
    if (!options.decay || !options.save)
        die(STATUS_USAGE, "--branch needs --decay N and --save DIR, a directory of its own");
    if (strcmp(options.save, options.branch) == 0)
        die(STATUS_USAGE, "--save %s: is the trunk of --branch; the branch needs a directory of its own", options.save);
}

/*
 * What a --config says about a layout, length or start that the command line overrides gives way with
 * it: a preset must not need to be taken apart first.
 */
static void
let_config_yield(void)
{
    const bool from_config = opt_from_config(&llm_train, "tokens");

    if (options.init && opt_from_config(&llm_train, "model"))
        options.model = NULL;
    if (options.steps && options.tokens && from_config != opt_from_config(&llm_train, "steps"))
        *(from_config ? &options.tokens : &options.steps) = 0;
    if (options.tensor_parallel == 1 && opt_from_config(&llm_train, "sequence-parallel"))
        options.sequence_parallel = false;
    if (options.pipeline_parallel == 1 && opt_from_config(&llm_train, "pipeline-schedule"))
        options.pipeline_schedule = NULL;
    if (opt_from_config(&llm_train, "recompute") && !opt_from_config(&llm_train, "pipeline-parallel"))
        options.recompute = mem_strndup(options.recompute, strcspn(options.recompute, ","));
}

/* The extended tokenizer is the run's. */
static void
check_extension(void)
{
    if (!options.extend_vocabulary)
        return;
    if (!options.init)
        die(STATUS_USAGE, "--extend-vocabulary needs --init DIR, the model that it extends");
    if (options.tokenizer && strcmp(options.tokenizer, options.extend_vocabulary) != 0)
        die(STATUS_USAGE, "--extend-vocabulary %s and --tokenizer %s: the extended one is the run's", options.extend_vocabulary,
            options.tokenizer);
    options.tokenizer = options.extend_vocabulary;
}

static void
check_plan(void)
{
    if (options.machine && !options.plan)
        die(STATUS_USAGE, "--machine needs --plan");
    if (options.plan == PLAN_BEST && !options.machine)
        die(STATUS_USAGE, "--plan best needs --machine: NAME, FILE or local");
    if (options.topology && (!options.plan || !options.machine))
        die(STATUS_USAGE, "--topology needs --plan and --machine");
    if (options.plan == PLAN_BEST && options.rank_map)
        die(STATUS_USAGE, "--plan best has no one layout to write a --rank-map for: plan the one that is chosen");
    if (options.json && !options.plan)
        die(STATUS_USAGE, "--json needs --plan");
    if (options.compute > 0 && !options.plan)
        die(STATUS_USAGE, "--compute needs --plan");
    if (options.compute > 0 && (options.steps || options.tokens))
        die(STATUS_USAGE, "--compute says the run's length, as --steps and --tokens do: give one of them");
    if (options.rank_map && (!options.plan || !options.machine))
        die(STATUS_USAGE, "--rank-map needs --plan and --machine");
}

void
options_check(int operands)
{
    let_config_yield();
    check_schedule_name();
    check_recompute();
    check_skip(options.skip);
    check_precision();
    check_lengths();
    if (common.on_error == ON_ERROR_SKIP)
        die(STATUS_USAGE, "--on-error skip: corrupt data always stops a training run");
    check_plan();
    if (options.report || options.curve) {
        if (options.report && options.curve)
            die(STATUS_USAGE, "--report and --curve exclude each other");
        if (operands == 0)
            die(STATUS_USAGE, "--%s: expected the logs of runs (--log)", options.report ? "report" : "curve");
        return;
    }
    if (options.self_check)
        return;
    if (options.init && options.model)
        die(STATUS_USAGE, "--model and --init exclude each other: --init brings its own config.json");
    check_extension();
    if (options.init && opt_given(&llm_train, "init-method"))
        die(STATUS_USAGE, "--init-method is for the new weights of --model; --init brings its own");
    check_branch();
    if (options.plan == PLAN_YES && options.compute > 0 && options.machine && !options.model && !options.init && !options.resume)
        return; /* of a machine alone */
    if (!options.init && !options.model && !options.resume && !options.branch)
        die(STATUS_USAGE, "nothing to train: expected --model config.json, --init DIR or --resume DIR");
    if (!options.plan && operands == 0)
        die(STATUS_USAGE, "no shards: expected files, or - for standard input");
    if (options.plan && options.model == NULL && options.init == NULL && options.resume == NULL && options.branch == NULL)
        die(STATUS_USAGE, "--plan: expected --model config.json or --init DIR");
    if (options.min_lr > options.lr && opt_given(&llm_train, "lr"))
        die(STATUS_USAGE, "--min-lr %g is above --lr %g", options.min_lr, options.lr);
    if (options.min_lr < 0 && options.min_lr != -1)
        die(STATUS_USAGE, "--min-lr %g: expected 0 or more", options.min_lr);
    if (options.on_spike == ON_SPIKE_REWIND && !options.save && !options.resume)
        die(STATUS_USAGE, "--on-spike rewind needs checkpoints to go back to: --save DIR");
    if (options.steps && options.tokens)
        die(STATUS_USAGE, "--steps and --tokens exclude each other");
}

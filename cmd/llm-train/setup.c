/* From the command line to a trainer that can step. */
#include "cmd/llm-train/trainer.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/writer.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/gradients.h"
#include "cmd/llm-train/dpo.h"
#include "cmd/llm-train/losses.h"
#include "cmd/llm-train/experts.h"
#include "cmd/llm-train/lora.h"
#include "cmd/llm-train/machine.h"
#include "cmd/llm-train/plan_best.h"
#include "cmd/llm-train/plan_time.h"
#include "cmd/llm-train/probe.h"
#include "cmd/llm-train/preset.h"
#include "cmd/llm-train/tensor_health.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "parallel/block_sums.h"
#include "parallel/launch.h"

void
trainer_agree_or_die(struct trainer *t, int result)
{
    if (comm_agree(t->world, result < 0 ? (int)err_status() : 0) < 0)
        die_err();
}

char *
trainer_init_path(void)
{
    char *config = file_join(options.init, "config.json");
    bool itself = !checkpoint_is(options.init) && file_exists(config);

    free(config);
    return itself ? mem_strdup(options.init) : checkpoint_find_newest(options.init);
}

static void
load_config(struct trainer *t)
{
    char *directory = NULL, *path = NULL;
    int result;

    if (t->from) {
        result = config_parse(&t->config, t->from->path, t->from->config.json, strlen(t->from->config.json));
    } else if (options.model) {
        result = preset_model(&t->config, options.model);
    } else {
        directory = trainer_init_path();
        path = directory ? file_join(directory, "config.json") : NULL;
        result = path ? config_load(&t->config, path) : -1;
    }
    free(directory);
    free(path);
    trainer_agree_or_die(t, result);
    lora_choose(t);
    if (params_init(&t->whole, &t->config) < 0)
        die_err();
    tensors_choose(t);
}

static void
resolve_shape(struct trainer *t)
{
    int64_t limit = t->config.max_position_embeddings;

    t->seq_length = options.seq_length ? options.seq_length : limit;
    if (t->config.position == POSITION_LEARNED && t->seq_length > limit)
        die(STATUS_INPUT, "--seq-length %lld: the model has %lld positions (max_position_embeddings)",
            (long long)t->seq_length, (long long)limit);
    if (options.global_batch == 0)
        die(STATUS_USAGE, "--global-batch is required: sequences a step");
    t->global_batch = t->batch = options.global_batch;
    t->micro_batch = options.micro_batch;
    t->groups = options.reduce_groups;
    if (t->from && !opt_given(&llm_train, "reduce-groups"))
        t->groups = t->from->manifest.state.reduce_groups;
    if (ramp_parse(&t->length.ramp, options.ramp_batch, t->global_batch, t->seq_length) < 0)
        die_err();
}

/*
 * FP8 rounds matrices from their whole master weights, tensor by tensor in the order of work. Delayed scales
 * are agreed on by all ranks behind a step, so that tensors may be cut; those of the tensor in hand are not.
 */
const char *
trainer_misfit(const struct trainer *t, const struct layout *l)
{
    bool fp8 = precision_has_fp8(&t->precisions), wise = fp8 && options.fp8_recipe == FP8_TENSORWISE;

    if (fp8 && (l->zero > 0 || l->size[AXIS_CONTEXT] > 1 || l->size[AXIS_EXPERT] > 1))
        return "fp8-hybrid goes with data, tensor and pipeline parallelism and --zero 0 alone";
    if (wise && l->size[AXIS_TENSOR] > 1)
        return "--fp8-recipe tensorwise does not go with tensor parallelism";
    if (wise && l->schedule == PIPELINE_ZERO_BUBBLE)
        return "--fp8-recipe tensorwise does not go with --pipeline-schedule zero-bubble: scales would change between "
               "a micro-batch's passes";
    if (l->zero > 0 && precision_mask(&t->precisions) != 1u << PRECISION_FP32 &&
        precision_mask(&t->precisions) & 1u << PRECISION_FP32)
        return "fp32 beside another precision goes with --zero 0 alone";
    return NULL;
}

/* What a run may not be, a plan of another machine's may: other programs do it. */
static void
check_precision_fits(const struct trainer *t)
{
    const char *why = trainer_misfit(t, &t->layout);

    if (why && !t->machine)
        die(STATUS_USAGE, "--precision %s: %s", options.precision, why);
    if (why)
        warn("--precision %s: planned, but not run by this version: %s", options.precision, why);
}

/* This rank's part of model and data. */
static void
set_layout(struct trainer *t, int ranks, int rank)
{
    layout_make(&t->layout, &t->config, ranks, rank, t->seq_length, t->groups);
    t->groups = t->layout.groups;
    layout_deal(&t->layout, t->global_batch, t->micro_batch);
    trainer_check_ramp(t);
    check_precision_fits(t);
    experts_check(t);
    if (tensors_init_part(t, &t->params, &t->layout.part) < 0)
        die_err();
}

static void
load_tokenizer(struct trainer *t)
{
    const char *path = options.tokenizer;
    char *init = NULL;
    int result = 0;

    if (!path && t->from)
        path = t->from->path;
    if (!path && options.init)
        path = init = trainer_init_path();
    if (path) {
        t->tokenizer = tokenizer_load(path);
        result = t->tokenizer ? 0 : -1;
    } else if (t->save) {
        die(STATUS_USAGE, "--tokenizer is required with --save: checkpoints hold it");
    }
    free(init);
    trainer_agree_or_die(t, result);
    if (t->tokenizer)
        tokenizer_fingerprint(t->tokenizer, t->fingerprint);
    trainer_agree_or_die(t, trainer_grow_vocabulary(t));
}

/* The data, the tokenizer and the model must belong together. */
static void
check_fit(const struct trainer *t, const char *name)
{
    const struct shard_head *h = &t->feed.head;

    if (t->tokenizer && memcmp(h->fingerprint, t->fingerprint, sizeof t->fingerprint) != 0)
        die(STATUS_INPUT, "%s: was made with another tokenizer than %s", name,
            options.tokenizer ? options.tokenizer : "the model's");
    if ((int64_t)h->vocabulary > t->config.vocab_size)
        die(STATUS_INPUT, "%s: vocabulary %lu, but the model's vocab_size is %lld", name,
            (unsigned long)h->vocabulary, (long long)t->config.vocab_size);
}

static void
open_data(struct trainer *t, char **shards, int count)
{
    bool pipe = count == 1 && strcmp(shards[0], "-") == 0;
    struct feed_options o = {
        .paths = (const char *const *)shards,
        .path_count = (size_t)count,
        .fd = -1,
        .epochs = options.epochs,
        .seq_length = t->seq_length,
        .global_batch = t->global_batch,
        .document_mask = options.document_mask,
    };
    int result = 0;

    for (int i = 0; i < count && count > 1; i++)
        if (strcmp(shards[i], "-") == 0)
            die(STATUS_USAGE, "- (standard input) cannot be joined with other shards");
    o.first = t->layout.first;
    o.sequences = t->layout.sequences;
    if (pipe && t->world->rank == 0) {
        o.fd = launch_stdin();
        result = o.fd < 0 ? -1 : 0;
    }
    trainer_agree_or_die(t, result);
    o.pipe = pipe || (file_exists(shards[0]) && !file_is_regular(shards[0]));
    if (o.pipe && options.epochs > 1)
        die(STATUS_USAGE, "--epochs %lld: a pipe can be read only once", (long long)options.epochs);
    if (feed_open(&t->feed, t->world, &o) < 0)
        die_err();
    check_fit(t, shards[0]);
    dpo_check(t);
}

/* --memory is a promise: the plan must keep it. */
static void
check_memory(const struct trainer *t)
{
    struct memory_plan plan;
    char need[32], have[32];

    memory_plan(t, &t->layout, &t->params, &plan);
    if (common.memory && plan.resident > common.memory)
        die(STATUS_FAILED, "this run needs %s a rank by its plan, --memory allows %s (--plan lists it)",
            human_bytes((double)plan.resident, need), human_bytes((double)common.memory, have));
}

/* What the norm of the gradient is made of. */
static int
make_sums(struct trainer *t)
{
    int n, trained = 0;
    int64_t count;
    struct reduced_run *runs = trainer_runs(t, false, &n);
    struct block_range *own = mem_zarray((size_t)n + 1, sizeof *own);

    for (int i = 0; i < n; i++)
        if (!trainer_run_is_frozen(t, &runs[i]))
            own[trained++] = (struct block_range){runs[i].block, runs[i].block_end};
    t->block_sums = block_sums_new(t->world, &t->params, own, trained);
    free(own);
    free(runs);
    if (!t->block_sums)
        return -1;
    count = block_sums_count(t->block_sums);
    t->sum_of = mem_zarray((size_t)count + 1, sizeof *t->sum_of);
    t->sums = mem_zarray((size_t)count + 1, sizeof *t->sums);
    return 0;
}

/* Weights, moments, decoder and reduction: all the memory of the run. */
static void
take_memory(struct trainer *t)
{
    struct decoder_options o;

    trainer_agree_or_die(t, layout_connect(&t->layout, t->world, t->whole.tied));
    o = trainer_decoder_options(t, &t->layout);
    trainer_agree_or_die(t, trainer_make_reducers(t));
    trainer_agree_or_die(t, arrays_make(t));
    t->decoder = decoder_new(&t->config, &t->params, &o);
    trainer_agree_or_die(t, t->decoder ? 0 : -1);
    trainer_agree_or_die(t, trainer_make_pipeline(t));
    trainer_begin_phase(t);
    trainer_agree_or_die(t, make_sums(t));
    t->tensor_health = tensor_health_new(t);
    trainer_agree_or_die(t, trainer_make_writer(t));
    t->mine = mem_zarray((size_t)t->layout.sequences + 1, sizeof *t->mine);
    t->losses = losses_new(t->world, &t->layout, t->global_batch);
}

static void
say_start(struct trainer *t, const struct memory_plan *plan)
{
    char size[32], have[32];
    const char *blas = machine_blas(t);

    note("%lld parameters, %lld × %lld tokens a step, %d rank%s × %d thread%s, %s, %s%s%s",
         (long long)t->whole.parameters, (long long)t->global_batch, (long long)t->seq_length,
         t->world->size, t->world->size == 1 ? "" : "s", t->threads, t->threads == 1 ? "" : "s",
         t->phase->name, t->kernels->name, *blas ? ", " : "", blas);
    if (t->length.ramp.sizes > 0)
        note("batch: from %lld sequences by %lld to %lld, whole behind step %llu", (long long)t->length.ramp.start,
             (long long)t->length.ramp.increment, (long long)t->global_batch,
             (unsigned long long)ramp_steps_for(&t->length.ramp, t->length.ramp.tokens));
    if (tensors_trained(t) < t->whole.parameters)
        note("%lld parameters are trained, the others are frozen", (long long)tensors_trained(t));
    lora_note(t);
    note("memory: %s a rank by the plan, %s available", human_bytes((double)plan->resident, size),
         human_bytes((double)sys_memory_available(), have));
    if (t->world->size > 1)
        note("layout: %s%s", layout_text(&t->layout), reducer_shared(t->reducer) ? ", shared memory" : "");
    if (t->layout.size[AXIS_PIPELINE] > 1)
        note("pipeline: %d micro-batches, %.1f %% idle is to be expected", t->layout.micros, 100 * t->layout.bubble);
    note("bits: the same for %s (%lld, %lld)", layout_promise(&t->layout), (long long)t->groups,
         (long long)t->micro_batch);
}

static void
start_report(struct trainer *t)
{
    struct memory_plan plan;
    struct flops f;

    tensors_flops(t, &f);
    t->report = (struct report){
        .steps = t->length.steps,
        .flops_per_token = (f.forward + f.backward) / (double)t->seq_length,
        .hardware_flops_per_token = (f.forward + f.backward + f.recompute) / (double)t->seq_length,
        .log_every = options.log_every,
        .peak = t->report.peak,
    };
    memory_plan(t, &t->layout, &t->params, &plan);
    t->predicted = memory_kinds(&plan);
    if (machine_log_start(t) < 0 || health_begin(&t->health, t->world, t->layout.coordinate[AXIS_PIPELINE]) < 0)
        die_err();
    if (t->world->rank != 0)
        return;
    say_start(t, &plan);
    plan_log(&plan, t);
    if (options.tensorboard && !(t->report.board = tensorboard_open(options.tensorboard, t->step + 1)))
        die_err();
    report_start(&t->report, common.progress_given ? common.progress : -1, t->step);
}

static void
set_deadline(struct trainer *t)
{
    double seconds;

    if (options.time_limit && parse_duration(options.time_limit, &seconds) == 0)
        t->deadline = sys_seconds() + seconds;
}

static void
begin(struct trainer *t, struct comm *world)
{
    *t = (struct trainer){.world = world, .memory_before = sys_memory_resident()};
    set_deadline(t);
    comm_set_timeout(options.timeout);
    if (common.log && world->rank == 0 && log_open(common.log) < 0)
        die_err();
}

/* What a step of this run will take, by a short look at this machine: told beside what it took. */
static void
plan_steps(struct trainer *t)
{
    static const double most_seconds = 1.5;
    struct machine_file here;

    t->report.peak = machine_peak(t);
    trainer_agree_or_die(t, probe_machine(t, most_seconds, &here));
    t->planned = mem_zalloc(sizeof *t->planned);
    plan_time_of(t, &t->layout, &here, t->planned);
    machine_file_release(&here);
}

void
trainer_setup(struct trainer *t, struct comm *world, char **shards, int shard_count)
{
    begin(t, world);
    trainer_find_checkpoint(t);
    trainer_check_save_dir(t);
    load_config(t);
    trainer_check_dropout(t);
    resolve_shape(t);
    machine_setup(t);
    load_tokenizer(t);
    set_layout(t, world->size, world->rank);
    machine_check(t);
    open_data(t, shards, shard_count);
    if (t->from)
        ramp_go_on(&t->length.ramp, (uint64_t)t->from->manifest.state.step,
                   feed_trained(&t->feed, t->from->manifest.state.position));
    trainer_place_branch(t);
    run_length_resolve(&t->length, t->world->size == 1 || !t->feed.o.pipe ? feed_trainable(&t->feed) : UINT64_MAX);
    plan_steps(t);
    memory_measure_program(t);
    check_memory(t);
    take_memory(t);
    trainer_init_weights(t);
    spike_init(&t->spikes, options.spike_window, options.spike_threshold);
    trainer_agree_or_die(t, dpo_begin(t));
    if (trainer_restore(t) < 0)
        die_err();
    trainer_publish_weights(t);
    if (dpo_measure_reference(t) < 0)
        die_err();
    start_report(t);
}

/* With all ranks; what is planned by it is the first one's business. */
static void
measure_machine(struct trainer *t)
{
    static const double most_seconds = 15;
    static struct machine_file here;

    t->report.peak = machine_peak(t);
    trainer_agree_or_die(t, probe_machine(t, most_seconds, &here));
    t->machine = &here;
}

void
trainer_plan(struct trainer *t, struct comm *world, int ranks, const struct machine_file *machine)
{
    static struct plan_search search;

    begin(t, world);
    t->machine = machine;
    trainer_find_checkpoint(t);
    load_config(t);
    resolve_shape(t);
    if (machine)
        machine_setup_planned(t);
    else
        machine_setup(t);
    if (options.tokenizer)
        load_tokenizer(t);
    if (options.plan == PLAN_BEST)
        plan_best_begin(&search, t, ranks);
    set_layout(t, ranks, 0);
    if (!machine)
        machine_check(t);
    memory_measure_program(t);
    if (probe_is_local(options.machine))
        measure_machine(t);
    if (world->rank == 0 && options.plan == PLAN_BEST)
        plan_best(&search);
    else if (world->rank == 0)
        plan_print(t, ranks);
    trainer_release(t);
}

void
trainer_release(struct trainer *t)
{
    checkpoint_writer_free(t->writer);
    trainer_free_reducers(t);
    decoder_free(t->decoder);
    feed_close(&t->feed);
    arrays_release(t);
    tensor_health_free(t->tensor_health);
    block_sums_free(t->block_sums);
    losses_free(t->losses);
    dpo_free(t->dpo);
    layout_release(&t->layout);
    params_release(&t->whole);
    new_tokens_release(&t->new_tokens);
    tokenizer_free(t->tokenizer);
    params_release(&t->params);
    config_release(&t->config);
    threads_free(t->pool);
    if (t->state)
        training_state_release(t->state);
    free(t->state);
    spike_release(&t->spikes);
    health_release(&t->health);
    free(t->planned);
    free(t->sum_of);
    free(t->sums);
    free(t->mine);
}

/* One optimizer step: forward and backward of this rank's groups, reduction, clip, AdamW. */
#include "cmd/llm-train/trainer.h"

#include <math.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "checkpoint/manifest.h"
#include "checkpoint/writer.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/dpo.h"
#include "cmd/llm-train/gradients.h"
#include "cmd/llm-train/losses.h"
#include "cmd/llm-train/on_spike.h"
#include "cmd/llm-train/tensor_health.h"
#include "cmd/llm-train/train.h"
#include "comm/progress.h"
#include "parallel/block_sums.h"

/* The gradient's norm over all blocks in table order; flags: ORed over the ranks. */
static int
gradient_norm(struct trainer *t, uint64_t *flags, double *norm)
{
    const struct ops *ops = &t->kernels->ops[t->precision];
    int64_t n = block_sums_count(t->block_sums);
    double sum;

    for (int64_t i = 0; i < n; i++) {
        struct param_block b;
        params_block(&t->params, block_sums_block(t->block_sums, i), &b);
        t->sum_of[i] = (struct block_sum){trainer_gradient_sum(t, b.param, b.offset), b.size};
    }
    optimizer_block_sums(t->pool, ops, t->sum_of, n, t->sums);
    if (block_sums_add(t->block_sums, t->sums, flags, &sum) < 0)
        return -1;
    *norm = sqrt(sum);
    return 0;
}

static int
update(struct trainer *t, double lr, double factor)
{
    struct state *s = &t->state_arrays;
    double n = (double)(t->step + 1);
    struct adamw h = {
        .lr = lr,
        .beta1 = options.beta1,
        .beta2 = options.beta2,
        .eps = options.eps,
        .weight_decay = options.weight_decay,
        .correction1 = 1 - pow(options.beta1, n),
        .correction2 = 1 - pow(options.beta2, n),
        .grad_scale = factor,
    };

    if (t->writer)
        checkpoint_guard(t->writer);
    if (arrays_begin_update(t) < 0)
        return -1;
    tensor_health_measure(t, &h);
    for (int i = 0; i < s->runs; i++) {
        struct param_block b;
        if (trainer_run_is_frozen(t, &s->at[i]))
            continue;
        params_block(&t->params, s->run[i].first, &b);
        s->run[i].grads = trainer_gradient_sum(t, b.param, b.offset);
        optimizer_step(t->pool, &t->kernels->ops[t->precision], &t->params, &s->run[i], &h);
    }
    return arrays_end_update(t);
}

/* Reads the step's data; all ranks learn how many targets are scored and whether to stop behind it. */
static int
read_data(struct trainer *t, uint64_t *scored, bool *stop)
{
    int got = feed_next(&t->feed);
    uint64_t sums[2];

    if (got <= 0)
        return got;
    sums[0] = layout_counts(&t->layout, t->world->rank) ? (uint64_t)t->feed.scored : 0;
    sums[1] = sys_stop_signal() != 0 || (t->deadline > 0 && sys_seconds() > t->deadline);
    if (comm_all_reduce(t->world, sums, 2, COMM_U64, COMM_SUM) < 0)
        return -1;
    *scored = sums[0];
    *stop = sums[1] != 0;
    return 1;
}

static double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

enum step_result
trainer_step(struct trainer *t, bool *stop)
{
    double start = sys_seconds(), cpu = cpu_seconds(), waited = comm_waited(), norm;
    uint64_t scored, saturated, flags = 0, allocations;
    struct sequence_loss total;
    struct dpo_figures preference;
    struct step_figures f;
    enum step_result verdict;
    int got;

    measured_begin(t);
    got = trainer_set_batch(t) < 0 ? -1 : read_data(t, &scored, stop);
    if (got <= 0)
        return got < 0 ? STEP_NOT_READ : STEP_DATA_ENDED;
    trainer_change_phase(t);
    allocations = mem_allocations();
    if (scored == 0 || step_is_skipped(options.skip, t->step + 1)) {
        t->step++;
        training_state_skip(t->state, (int64_t)t->step, scored ? "--skip" : "no target is scored");
        if (t->world->rank == 0 &&
            report_skip(&t->report, t->step, t->feed.position, scored ? "--skip" : "no target is scored") < 0)
            return STEP_FAILED;
        return STEP_SKIPPED;
    }
    tensor_health_begin(t);
    measured_mark(t, STEP_OTHER);
    if (trainer_accumulate(t, t->dpo ? 2.0 / (double)t->batch : 1.0 / (double)scored) < 0 ||
        gradient_norm(t, &flags, &norm) < 0 || losses_add(t->losses, t->mine, &total) < 0 ||
        (t->dpo && dpo_add(t, &preference) < 0))
        return STEP_FAILED;
    measured_mark(t, STEP_NORM);
    f = (struct step_figures){
        .step = t->step + 1,
        .position = t->feed.position,
        .batch = t->batch,
        .tokens = (uint64_t)(t->batch * t->seq_length),
        .scored = (int64_t)scored,
        .loss = t->dpo ? preference.loss : total.loss / (double)scored,
        .preference = t->dpo ? &preference : NULL,
        .z_loss = total.z_loss / (double)scored,
        .router_aux_loss = t->config.num_experts ? total.router_aux_loss / (double)scored : -1,
        .router_z_loss = total.router_z_loss / (double)scored,
        .lr = run_length_lr(&t->length, t->step + 1),
        .grad_norm = norm,
    };
    verdict = trainer_judge_step(t, &f);
    if (verdict != STEP_DONE)
        return verdict;
    tensor_health_operands(t);
    if (trainer_end_fp8_step(t, &saturated) < 0)
        return STEP_FAILED;
    f.saturated = t->phase->fp8 ? (int64_t)saturated : -1;
    if (update(t, f.lr, optimizer_clip(norm, options.clip)) < 0)
        return STEP_FAILED;
    measured_mark(t, STEP_UPDATE);
    t->step++;
    t->scored += scored;
    if (tensor_health_collect(t) < 0)
        return STEP_FAILED;
    if (t->later.started)
        t->later.allocations += mem_allocations() - allocations;
    f.seconds = sys_seconds() - start;
    f.cpu_seconds = cpu_seconds() - cpu;
    f.wait_seconds = comm_waited() - waited;
    if (t->world->rank == 0 && (report_step(&t->report, &f) < 0 || tensor_health_report(t, norm) < 0))
        return STEP_FAILED;
    if (t->later.started && health_step(&t->health, t->step, f.seconds, f.wait_seconds,
                                        t->step % (uint64_t)options.log_every == 0) < 0)
        return STEP_FAILED;
    axes_step(t);
    measured_end(t);
    if (!t->later.started)
        t->later.heap = sys_heap_used();
    t->later.started = true;
    return STEP_DONE;
}

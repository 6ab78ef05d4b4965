/* One optimizer step: forward and backward of this rank's groups, reduction, clip, AdamW. */
#include "cmd/llm-train/trainer.h"

#include <math.h>
#include <time.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cmd/llm-train/on_spike.h"
#include "cmd/llm-train/train.h"
#include "comm/progress.h"
#include "parallel/reduce.h"

int
trainer_make_reducer(struct trainer *t)
{
    struct reducer_options o = {
        .comm = t->world,
        .params = &t->params,
        .groups = (int)t->groups,
        .pool = t->pool,
    };

    t->reducer = reducer_new(&o);
    return t->reducer ? 0 : -1;
}

void
trainer_free_reducer(struct trainer *t)
{
    reducer_free(t->reducer);
    t->reducer = NULL;
}

/* The sequences of a step that belong to this rank's groups. */
void
trainer_my_sequences(const struct trainer *t, int64_t *first, int64_t *count)
{
    struct tree_run run = tree_share((int)t->groups, t->world->size, t->world->rank);
    int64_t each = t->global_batch / t->groups;

    *first = run.begin * each;
    *count = (run.end - run.begin) * each;
}

/* Where decoder_backward_piece puts a group's gradients. */
struct group {
    struct reducer *reducer;
    int number;
};

static void *
group_at(void *arg, int param, bool *fresh)
{
    const struct group *g = arg;

    return reducer_at(g->reducer, g->number, param, fresh);
}

static void
group_ready(void *arg, int param)
{
    const struct group *g = arg;

    reducer_ready(g->reducer, g->number, param);
}

/* Forward and backward of all this rank's groups; losses of its sequences into t->mine. */
static int
accumulate(struct trainer *t, double scale)
{
    int64_t each = t->global_batch / t->groups, done = 0;
    struct tree_run run = reducer_groups(t->reducer);

    for (int number = run.begin; number < run.end; number++, done += each)
        for (int64_t at = 0; at < each; at += t->micro_batch) {
            struct batch b = feed_batch(&t->feed, done + at, t->micro_batch);
            struct group group = {t->reducer, number};
            bool last = at + t->micro_batch == each;
            struct gradients g = {&group, group_at, last ? group_ready : NULL, last};
            if (decoder_forward_piece(t->decoder, 0, 0, &b, NULL, NULL) < 0 ||
                decoder_backward_piece(t->decoder, 0, 0, &b, &g, scale, options.z_loss, NULL, NULL,
                                       t->mine + done + at) < 0)
                return -1;
        }
    return 0;
}

/* The gradient's norm over all blocks in table order; flags: ORed over the ranks. */
static int
gradient_norm(struct trainer *t, uint64_t *flags, double *norm)
{
    const struct ops *ops = &t->kernels->ops[t->precision];
    int64_t blocks = optimizer_blocks(&t->params);
    double sum = 0;
    int count;
    const struct reduced_run *run = reducer_runs(t->reducer, t->world->rank, &count);

    for (int i = 0; i < count; i++)
        optimizer_block_sums(t->pool, ops, &t->params,
                             reducer_sum(t->reducer, run[i].begin) - run[i].begin, run[i].block,
                             run[i].block_end, t->block_sums + run[i].block);
    if (reducer_gather_sums(t->reducer, t->block_sums, flags) < 0)
        return -1;
    for (int64_t b = 0; b < blocks; b++)
        sum += t->block_sums[b];
    *norm = sqrt(sum);
    return 0;
}

static void
update(struct trainer *t, double lr, double factor)
{
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

    for (int rank = 0, count; rank < t->world->size; rank++) {
        const struct reduced_run *run = reducer_runs(t->reducer, rank, &count);
        for (int i = 0; i < count; i++)
            optimizer_step(t->pool, &t->kernels->ops[t->precision], &t->params, &t->optimizer,
                           reducer_sum(t->reducer, run[i].begin) - run[i].begin, run[i].block,
                           run[i].block_end, &h);
    }
    decoder_set_weights(t->decoder, t->optimizer.act ? t->optimizer.act : t->optimizer.master, t->optimizer.master);
}

/* Reads the step's data; all ranks learn how many targets are scored and whether to stop behind it. */
static int
read_data(struct trainer *t, uint64_t *scored, bool *stop)
{
    int got = feed_next(&t->feed);
    uint64_t sums[2];

    if (got <= 0)
        return got;
    sums[0] = (uint64_t)t->feed.scored;
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
    struct step_figures f;
    enum step_result verdict;
    int got = read_data(t, &scored, stop);

    if (got <= 0)
        return got < 0 ? STEP_NOT_READ : STEP_DATA_ENDED;
    trainer_change_phase(t);
    allocations = mem_allocations();
    if (scored == 0 || step_is_skipped(options.skip, t->step + 1)) {
        t->step++;
        if (t->world->rank == 0 &&
            report_skip(&t->report, t->step, t->feed.position, scored ? "--skip" : "no target is scored") < 0)
            return STEP_FAILED;
        return STEP_SKIPPED;
    }
    if (accumulate(t, 1.0 / (double)scored) < 0 || reducer_finish(t->reducer) < 0 ||
        gradient_norm(t, &flags, &norm) < 0 ||
        reduce_losses(t->reducer, t->global_batch, t->mine, t->all, &total) < 0)
        return STEP_FAILED;
    f = (struct step_figures){
        .step = t->step + 1,
        .position = t->feed.position,
        .tokens = (uint64_t)(t->global_batch * t->seq_length),
        .scored = (int64_t)scored,
        .loss = total.loss / (double)scored,
        .z_loss = total.z_loss / (double)scored,
        .lr = run_length_lr(&t->length, t->step + 1),
        .grad_norm = norm,
    };
    verdict = trainer_judge_step(t, &f);
    if (verdict != STEP_DONE)
        return verdict;
    if (trainer_end_fp8_step(t, &saturated) < 0)
        return STEP_FAILED;
    f.saturated = t->phase->fp8 ? (int64_t)saturated : -1;
    update(t, f.lr, optimizer_clip(norm, options.clip));
    t->step++;
    t->scored += scored;
    if (t->later.started)
        t->later.allocations += mem_allocations() - allocations;
    f.seconds = sys_seconds() - start;
    f.cpu_seconds = cpu_seconds() - cpu;
    f.wait_seconds = comm_waited() - waited;
    if (t->world->rank == 0 && report_step(&t->report, &f) < 0)
        return STEP_FAILED;
    if (t->later.started && health_step(&t->health, t->step, f.seconds, f.wait_seconds,
                                        t->step % (uint64_t)options.log_every == 0) < 0)
        return STEP_FAILED;
    if (!t->later.started)
        t->later.heap = sys_heap_used();
    t->later.started = true;
    return STEP_DONE;
}

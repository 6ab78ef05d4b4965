/* What all ranks took of memory and how long their stages were idle, told when the run ends. */
#include "cmd/llm-train/trainer.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/die.h"
#include "base/str.h"
#include "base/sys.h"
#include "parallel/pipeline.h"

struct rank_figures {
    struct measured_memory plan, real; /* bytes */
    struct step_time mean, least;
    double busy, waiting;                             /* seconds */
};

static uint64_t
larger(uint64_t most, double bytes)
{
    return bytes > (double)most ? (uint64_t)bytes : most;
}

/* One figure of all ranks as a JSON list. */
static void
log_list(const char *key, const struct rank_figures *all, int ranks, size_t offset)
{
    struct str text = {0};

    for (int r = 0; r < ranks; r++)
        str_addf(&text, "%s%.0f", r ? "," : "[",
                 *(const double *)(const void *)((const char *)&all[r] + offset));
    str_addf(&text, "]");
    log_json(key, text.data);
    str_release(&text);
}

/* The largest of each, and what the steps allocated. */
static int
say_memory(const struct trainer *t, const struct rank_figures *all)
{
    struct memory_figures f = {
        .step_allocations = t->later.allocations,
        .heap_growth = t->later.started ? (int64_t)(sys_heap_used() - t->later.heap) : 0,
    };

    for (int r = 0; r < t->world->size; r++) {
        f.arenas = larger(f.arenas, all[r].real.total);
        f.planned = larger(f.planned, all[r].plan.resident);
        f.measured = larger(f.measured, all[r].real.resident);
    }
    return report_memory(&f);
}

static int
log_memory(const struct rank_figures *all, int ranks)
{
    log_begin("ranks");
    log_list("planned_arenas", all, ranks, offsetof(struct rank_figures, plan.total));
    log_list("arenas", all, ranks, offsetof(struct rank_figures, real.total));
    log_list("planned", all, ranks, offsetof(struct rank_figures, plan.resident));
    log_list("measured", all, ranks, offsetof(struct rank_figures, real.resident));
    return log_end();
}

/*
 * The share of all stages' time in which they do nothing: a stage that is done before the others
 * is idle, too.
 */
static double
bubble(const struct rank_figures *all, int ranks)
{
    double busy = 0, longest = 0;

    for (int r = 0; r < ranks; r++) {
        double seconds = all[r].busy + all[r].waiting;
        longest = seconds > longest ? seconds : longest;
        busy += all[r].busy;
    }
    return longest > 0 ? 1 - busy / (longest * ranks) : 0;
}

static int
log_pipeline(const struct trainer *t, const struct rank_figures *all)
{
    double measured = bubble(all, t->world->size);

    note("pipeline: %.1f %% idle, %.1f %% by the plan", 100 * measured, 100 * t->layout.bubble);
    log_begin("pipeline");
    log_real("predicted_bubble", t->layout.bubble);
    log_real("measured_bubble", measured);
    return log_end();
}

static double
computed(const struct rank_figures *f)
{
    return f->mean.products + f->mean.attention + f->mean.elementwise + f->mean.update;
}

/* The step time of the rank that computes longest, and the memory of the one that takes most. */
static int
say_measured(const struct trainer *t, const struct rank_figures *all)
{
    int slow = 0, large = 0;

    for (int r = 1; r < t->world->size; r++) {
        slow = computed(&all[r]) > computed(&all[slow]) ? r : slow;
        large = all[r].real.resident > all[large].real.resident ? r : large;
    }
    struct measured_run run = {
        .rank = slow,
        .steps = t->measured.steps,
        .mean = all[slow].mean,
        .least = all[slow].least,
        .planned = all[large].plan,
        .measured = all[large].real,
    };
    return measured_report(t, &run);
}

int
trainer_report_ranks(const struct trainer *t)
{
    int ranks = t->world->size, result;
    struct rank_figures *all = mem_zarray((size_t)ranks, sizeof *all);
    struct rank_figures mine = {
        .plan = t->predicted,
        .real = memory_taken(t),
        .mean = measured_mean(&t->measured),
        .least = t->measured.least,
    };

    pipeline_seconds(t->pipeline, &mine.busy, &mine.waiting);
    result = comm_all_gather(t->world, &mine, all, sizeof mine);
    if (result == 0 && t->world->rank == 0) {
        result = say_memory(t, all);
        if (result == 0)
            result = log_memory(all, ranks);
        if (result == 0)
            result = say_measured(t, all);
        if (result == 0 && t->layout.size[AXIS_PIPELINE] > 1 && mine.busy > 0)
            result = log_pipeline(t, all);
    }
    free(all);
    return result;
}

/* What the machine gives a run: kernels, threads, peak rates. */
#include "cmd/llm-train/machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/version.h"
#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/train.h"
#include "json/write.h"
#include "kernels/blas.h"
#include "kernels/check.h"
#include "kernels/profile.h"
#include "parallel/mpi_comm.h"
#include "parallel/place.h"
#include "parallel/reduce.h"

enum { MAX_SHAPES = 32 };

/* All ranks take the least table of all. */
static void
pick_kernels(struct trainer *t)
{
    int32_t level;

    kernels_flush_denormals();
    t->kernels = kernels_pick(NULL);
    trainer_agree_or_die(t, t->kernels ? 0 : -1);
    level = kernels_level(t->kernels->name);
    if (comm_all_reduce(t->world, &level, 1, COMM_I32, COMM_MIN) < 0)
        die_err();
    if (level != kernels_level(t->kernels->name))
        t->kernels = kernels_pick(kernels_level_name(level));
    trainer_agree_or_die(t, t->kernels ? 0 : -1);
    t->kernels = profile_kernels(t->kernels);
}

void
machine_setup(struct trainer *t)
{
    int share = 1, place = 0;

    pick_kernels(t);
    trainer_set_precisions(t);
    if (sched_getaffinity(0, sizeof t->cpus, &t->cpus) < 0)
        CPU_ZERO(&t->cpus);
    if (place_share(t->world, &share, &place) < 0)
        die_err();
    t->threads = common.threads ? (int)common.threads : threads_default(share);
    t->pool = threads_new(t->threads);
    if (place_ranks(t->world, t->pool, &t->pinned) < 0)
        die_err();
}

void
machine_setup_planned(struct trainer *t)
{
    enum { MOST = 256 };
    uint64_t threads = t->machine->cores / t->machine->domains;

    pick_kernels(t);
    trainer_set_precisions(t);
    t->threads = common.threads ? (int)common.threads : threads < 1 ? 1 : threads > MOST ? MOST : (int)threads;
    t->pool = threads_new(t->threads);
}

/* The products of this rank's part of the model. */
static int
shapes_of_part(const struct trainer *t, struct gemm shapes[MAX_SHAPES])
{
    int64_t tensor = t->layout.size[AXIS_TENSOR], kv = t->config.num_key_value_heads;
    struct config part = t->config;

    part.num_attention_heads /= tensor;
    part.num_key_value_heads = kv > tensor ? kv / tensor : 1;
    part.intermediate_size /= tensor;
    part.vocab_size = (part.vocab_size + tensor - 1) / tensor;
    return decoder_gemm_shapes(&part, t->micro_batch * t->seq_length / t->layout.size[AXIS_CONTEXT],
                               shapes, MAX_SHAPES);
}

/* A plan, perhaps for another machine, computes nothing: all it needs is what kernels take of memory. */
static void
cut_shapes(struct gemm *shapes, int n)
{
    enum { MOST = 256 };

    for (int i = 0; i < n; i++) {
        shapes[i].m = shapes[i].m < MOST ? shapes[i].m : MOST;
        shapes[i].n = shapes[i].n < MOST ? shapes[i].n : MOST;
        shapes[i].k = shapes[i].k < MOST ? shapes[i].k : MOST;
    }
}

void
machine_check(struct trainer *t)
{
    struct gemm shapes[MAX_SHAPES];
    struct kernel_check found;
    int n = shapes_of_part(t, shapes);

    if (options.plan)
        cut_shapes(shapes, n);
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        if (!(precision_mask(&t->precisions) & 1u << p))
            continue;
        trainer_agree_or_die(t, kernels_check(t->kernels, p, shapes, n, false, &found));
        if (found.note[0] && t->world->rank == 0)
            warn("%s", found.note);
    }
}

/* Each operation: the largest error beside what is allowed, and why that much is. */
static void
print_errors(const struct kernel_check *found)
{
    for (int i = 0; i < found->errors; i++) {
        const struct kernel_error *e = &found->error[i];
        char allowed[32] = "-";
        if (e->allowed > 0)
            snprintf(allowed, sizeof allowed, "%.1e", e->allowed);
        printf("    %-34s %6d checks  bound %-8s error %.2f of it  %s\n", e->name, e->checked,
               allowed, e->ratio, kernel_bound_reason(e->name));
    }
}

int
machine_self_check(void)
{
    const struct kernels *k = kernels_pick(NULL);

    if (!k)
        die_err();
    for (enum precision p = PRECISION_FP32; p <= PRECISION_BF16; p++) {
        struct kernel_check found;
        if (kernels_check(k, p, NULL, 0, true, &found) < 0)
            die_err();
        printf("%s %s: %d checks passed, nearest to its bound %s (%.2f of it)%s%s\n", k->name,
               precision_name(p), found.checked, found.worst, found.worst_ratio, found.note[0] ? "; " : "",
               found.note);
        print_errors(&found);
    }
    return STATUS_OK;
}

const char *
machine_blas(const struct trainer *t)
{
    return t->kernels->blas && blas_loaded() ? blas_describe() : "";
}

double
machine_peak(const struct trainer *t)
{
    double peak = t->world->rank == 0 ? t->kernels->peak(t->precision, 0.05) : 0;

    if (comm_broadcast(t->world, &peak, sizeof peak, 0) < 0)
        die_err();
    return peak * t->threads * t->world->size;
}

struct rank_line {
    char host[64];
    int32_t pid, pinned;
};

static void
log_ranks(const struct rank_line *ranks, int n)
{
    struct str s = {0};
    struct json_writer w = {.out = &s};

    json_begin_array(&w, NULL);
    for (int i = 0; i < n; i++) {
        json_begin_object(&w, NULL);
        json_put_int(&w, "rank", i);
        json_put_string(&w, "host", ranks[i].host);
        json_put_int(&w, "pid", ranks[i].pid);
        json_put_bool(&w, "pinned", ranks[i].pinned != 0);
        json_end_object(&w);
    }
    json_end_array(&w);
    log_json("ranks", s.data);
    str_release(&s);
}

int
machine_log_start(struct trainer *t)
{
    struct rank_line mine = {.pid = (int32_t)getpid(), .pinned = t->pinned}, *all;
    int result = 0;

    snprintf(mine.host, sizeof mine.host, "%s", sys_hostname());
    all = mem_zarray((size_t)t->world->size, sizeof *all);
    if (comm_all_gather(t->world, &mine, all, sizeof mine) < 0) {
        free(all);
        return -1;
    }
    if (t->world->rank == 0 && log_enabled()) {
        log_begin("start");
        log_str("version", version_string);
        log_int("step", (int64_t)t->step);
        log_int("tokens", (int64_t)t->feed.position);
        log_int("parameters", t->whole.parameters);
        log_str("precision", t->phase->name);
        if (t->precisions.count > 1)
            log_str("precision_schedule", options.precision);
        log_str("kernels", t->kernels->name);
        log_str("blas", machine_blas(t));
        log_str("mpi", t->world->size > 1 ? mpi_version() : "none");
        log_int("size", t->world->size);
        log_int("threads", t->threads);
        log_int("seq_length", t->seq_length);
        log_int("micro_batch", t->micro_batch);
        log_int("global_batch", t->global_batch);
        log_int("reduce_groups", t->groups);
        log_bool("shared_memory_reduction", t->world->size > 1 && reducer_shared(t->reducer));
        log_real("peak_tflops", t->report.peak / 1e12);
        log_str("layout", layout_text(&t->layout));
        log_int("tensor_parallel", t->layout.size[AXIS_TENSOR]);
        log_int("context_parallel", t->layout.size[AXIS_CONTEXT]);
        log_int("expert_parallel", t->layout.size[AXIS_EXPERT]);
        log_int("data_parallel", t->layout.size[AXIS_DATA]);
        log_int("pipeline_parallel", t->layout.size[AXIS_PIPELINE]);
        log_int("zero", t->layout.zero);
        log_real("pipeline_bubble", t->layout.bubble);
        log_str("same_bits", layout_promise(&t->layout));
        log_ranks(all, t->world->size);
        result = log_end();
    }
    free(all);
    return result;
}

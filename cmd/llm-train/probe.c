/* Measures the rates that a step's time is planned by. */
#include "cmd/llm-train/probe.h"

#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "cmd/llm-train/plan_work.h"
#include "cmd/llm-train/probe_piece.h"
#include "cmd/llm-train/probe_rates.h"

/* ---- what the plan counts ---- */

/* Operations, operations and bytes; as struct probe_seconds has them in seconds. */
static struct probe_seconds
count(const struct trainer *t, const struct layout *l, struct model_piece piece, enum recompute recompute)
{
    struct machine_file unit = {.domains = 1, .links = 1, .stream = 1, .update = 1};
    struct plan_rank r;
    struct passes p;

    for (int i = 0; i < MACHINE_PRECISIONS; i++)
        unit.rate[i] = (struct machine_rate){1, 1, 1};
    plan_rank_init(&r, t, l, &unit);
    plan_piece(&r, &piece, recompute, &p);
    return (struct probe_seconds){
        .products = p.forward.products + p.input.products + p.weight.products,
        .attention = p.forward.attention + p.input.attention + p.weight.attention,
        .elementwise = p.forward.elementwise + p.input.elementwise + p.weight.elementwise,
    };
}

static struct model_piece
layer_alone(int i)
{
    return (struct model_piece){i, i + 1, false, false};
}

/* ---- a piece ---- */

/* A rank's part of the model, as a model of its own. */
static struct config
part_of(const struct trainer *t)
{
    int64_t tensor = t->layout.size[AXIS_TENSOR];
    struct config c = t->config;

    c.num_attention_heads /= tensor;
    c.num_key_value_heads = c.num_key_value_heads > tensor ? c.num_key_value_heads / tensor : 1;
    c.intermediate_size /= tensor;
    c.moe_intermediate_size /= tensor;
    c.shared_intermediate_size /= tensor;
    c.vocab_size = (c.vocab_size + tensor - 1) / tensor;
    return c;
}

static struct probe_seconds
count_bench(const struct trainer *t, const struct probe_piece *w)
{
    struct trainer as = *t;
    struct layout alone = t->layout;
    int i = w->layer;

    for (int a = 0; a < AXES; a++)
        alone.size[a] = 1;
    alone.ranks = 1;
    alone.sequence_parallel = false;
    as.config = *w->config;
    as.micro_batch = w->sequences;
    as.seq_length = w->length;
    return count(&as, &alone, w->ends ? (struct model_piece){i, i, true, true} : layer_alone(i), w->recompute);
}

/* Bytes of weights and gradients that a bench takes, roughly. */
static double
bench_bytes(const struct probe_piece *w)
{
    const struct config *c = w->config;
    double hidden = (double)c->hidden_size, inner = (double)c->intermediate_size;

    if (config_sparse(c, w->layer))
        inner = (double)(c->num_experts * c->moe_intermediate_size + c->shared_intermediate_size);
    double layer = hidden * (4 * hidden + 3 * inner), ends = 2 * hidden * (double)c->vocab_size;
    return 10 * (layer + (w->ends ? ends : 0));
}

/* No more than a part of what is there, and of what the run itself is going to take. */
static double
memory_to_spare(const struct trainer *t)
{
    double free = 0.3 * (double)sys_memory_available() / t->world->size;
    struct memory_plan plan;

    memory_plan(t, &t->layout, &t->params, &plan);
    return fmin(free, 0.7 * (double)plan.total);
}

/*
 * Makes what is to be measured small enough: fewer sequences, then fewer tokens, down to some that
 * still fill the kernels' blocks; and where weights do not fit, narrower.
 */
static void
shrink(const struct trainer *t, struct probe_piece *w, struct config *c, double seconds)
{
    enum { LEAST = 128 };
    double room = memory_to_spare(t), rate = t->report.peak / t->world->size;

    for (; bench_bytes(w) > room && c->vocab_size > 4096; c->vocab_size /= 2)
        continue;
    for (; bench_bytes(w) > room && c->intermediate_size > 1024; c->intermediate_size /= 2)
        c->moe_intermediate_size = (c->moe_intermediate_size + 1) / 2;
    /* One pass to warm up and two to measure, at half of the peak. */
    for (;;) {
        struct probe_seconds n = count_bench(t, w);
        if (3 * (n.products + n.attention) / (0.5 * rate) <= seconds)
            return;
        if (w->sequences > 1)
            w->sequences = (w->sequences + 1) / 2;
        else if (w->length >= 2 * LEAST)
            w->length /= 2;
        else if (w->ends && c->vocab_size > 8192)
            c->vocab_size /= 2;
        else
            return;
    }
}

/* Seconds of each unit that the plan counts. */
static int
measure(const struct trainer *t, struct probe_piece *w, struct config *c, double seconds, struct probe_seconds *each)
{
    struct probe_seconds n, s;

    shrink(t, w, c, seconds);
    if (probe_piece(t, w, seconds, &s) < 0)
        return -1;
    /* A step waits for the slowest. */
    if (comm_all_reduce(t->world, &s, sizeof s / sizeof(double), COMM_F64, COMM_MAX) < 0)
        return -1;
    n = count_bench(t, w);
    *each = (struct probe_seconds){
        .products = n.products > 0 ? s.products / n.products : 0,
        .attention = n.attention > 0 ? s.attention / n.attention : 0,
        .elementwise = n.elementwise > 0 ? s.elementwise / n.elementwise : 0,
    };
    return 0;
}

/* ---- the model ---- */

enum { KINDS = 4 }; /* of layers: with experts or not, with a window or not */

struct kind {
    bool known;
    struct probe_seconds each;
};

static int
kind_of(const struct config *c, int layer)
{
    return 2 * config_sparse(c, layer) + config_windowed(c, layer);
}

static int
measure_layers(const struct trainer *t, double seconds, struct kind kinds[KINDS])
{
    int different = 1 + (t->config.num_experts > 0) + config_mixed_windows(&t->config);

    for (int i = 0; i < t->config.num_hidden_layers; i++) {
        struct kind *k = &kinds[kind_of(&t->config, i)];
        struct config c = part_of(t);
        struct probe_piece w = {
            .config = &c,
            .layer = i,
            .sequences = t->micro_batch,
            .length = t->seq_length / t->layout.size[AXIS_CONTEXT],
            .recompute = t->layout.recompute[0],
            .fresh = t->layout.micros == 1,
        };
        if (k->known)
            continue;
        k->known = true;
        if (measure(t, &w, &c, seconds / different, &k->each) < 0)
            return -1;
    }
    return 0;
}

/* The head works chunk by chunk: two of them are as good as all. */
static int
measure_ends(const struct trainer *t, double seconds, struct probe_seconds *each)
{
    enum { CHUNKS = 512 }; /* tokens */
    struct config c = part_of(t);
    int64_t length = t->seq_length / t->layout.size[AXIS_CONTEXT];
    struct probe_piece w = {
        .config = &c,
        .ends = true,
        .sequences = 1,
        .length = length < CHUNKS ? length : CHUNKS,
        .recompute = RECOMPUTE_NONE,
        .fresh = t->layout.micros == 1,
    };

    if (length * t->micro_batch < 2 * CHUNKS && length < CHUNKS)
        w.sequences = t->micro_batch;
    return measure(t, &w, &c, seconds, each);
}

static void
add(struct probe_seconds *to, const struct probe_seconds *count, const struct probe_seconds *each)
{
    to->products += count->products * each->products;
    to->attention += count->attention * each->attention;
    to->elementwise += count->elementwise * each->elementwise;
}

/* Of all pieces of the model: what the plan counts, and how long that takes one rank of each kind. */
static void
extrapolate(const struct trainer *t, const struct kind kinds[KINDS], const struct probe_seconds *ends,
            struct probe_seconds *counts, struct probe_seconds *seconds)
{
    static const struct probe_seconds one = {1, 1, 1};
    const struct layout *l = &t->layout;

    *counts = *seconds = (struct probe_seconds){0};
    for (int i = 0; i < l->stages.stages * l->chunks; i++) {
        struct model_piece piece = l->stages.piece[i];
        enum recompute recompute = l->recompute[i % l->stages.stages];
        for (int k = piece.begin; k < piece.end; k++) {
            struct probe_seconds n = count(t, l, layer_alone(k), recompute);
            add(counts, &n, &one);
            add(seconds, &n, &kinds[kind_of(&t->config, k)].each);
        }
        piece.begin = piece.end;
        struct probe_seconds n = count(t, l, piece, recompute);
        add(counts, &n, &one);
        add(seconds, &n, ends);
    }
}

static double
rate_of(double counted, double seconds, double otherwise)
{
    return counted > 0 && seconds > 0 ? counted / seconds : otherwise;
}

int
probe_machine(const struct trainer *t, double seconds, struct machine_file *m)
{
    struct kind kinds[KINDS] = {0};
    struct probe_seconds ends, counts, taken;
    double ranks = t->world->size, peak = t->report.peak / ranks, stream;
    bool thorough = seconds > 5;

    *m = (struct machine_file){
        .name = mem_strdup("local"),
        .nodes = 1,
        .cores = (uint64_t)(ranks * t->threads),
        .domains = (uint64_t)t->world->size,
        .memory = sys_memory_available(),
        .links = 1,
        .overlap = 0, /* who reduces does not compute meanwhile: these are one host's cores */
    };
    if (measure_layers(t, 0.45 * seconds, kinds) < 0 || measure_ends(t, 0.35 * seconds, &ends) < 0 ||
        probe_update(t, 0.1 * seconds, &m->update) < 0 || probe_ways(t, 0.1 * seconds, m) < 0)
        return -1;
    extrapolate(t, kinds, &ends, &counts, &taken);
    if (thorough)
        m->bandwidth = ranks * t->threads * profile_read_rate(0.02 * seconds);
    stream = rate_of(counts.elementwise, taken.elementwise, m->update);
    m->stream = ranks * stream;
    m->update *= ranks;
    for (int i = 0; i < MACHINE_PRECISIONS; i++) {
        double products = rate_of(counts.products, taken.products, peak);
        m->rate[i] = (struct machine_rate){
            .peak = ranks * peak,
            .products = ranks * products,
            .attention = ranks * rate_of(counts.attention, taken.attention, products),
        };
    }
    return 0;
}

bool
probe_is_local(const char *machine)
{
    return machine && strcmp(machine, "local") == 0;
}

/* How much memory and arithmetic a run takes, before it starts. */
#include "cmd/llm-train/trainer.h"

#include <malloc.h>
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "base/sys.h"
#include "cmd/llm-train/train.h"
#include "parallel/reduce.h"

struct decoder_options
trainer_decoder_options(const struct trainer *t)
{
    return (struct decoder_options){
        .kernels = t->kernels,
        .precision = t->precision,
        .precisions = precision_mask(&t->precisions),
        .fp8 = precision_has_fp8(&t->precisions) ? &t->fp8 : NULL,
        .pool = t->pool,
        .micro_batch = t->micro_batch,
        .seq_length = t->seq_length,
        .recompute = (enum recompute)options.recompute,
        .training = true,
    };
}

uint64_t
trainer_carve_state(const struct trainer *t, struct arena *a, struct optimizer_state *s, void **act)
{
    size_t n = (size_t)t->params.elements;

    s->master = arena_take_array(a, n, sizeof *s->master);
    s->m = arena_take_array(a, n, sizeof *s->m);
    s->v = arena_take_array(a, n, sizeof *s->v);
    *act = NULL;
    if (precision_mask(&t->precisions) != 1u << PRECISION_FP32)
        *act = arena_take_array(a, n, t->kernels->ops[PRECISION_BF16].act_size);
    return a->used;
}

/* What the heap holds beside the arenas once the steps go: data, sums and losses. */
static uint64_t
heap_bytes(const struct trainer *t, int64_t sequences)
{
    enum { BLOCK = 65536, BLOCKS = 4, TOKEN = 7 }; /* what a token stream keeps of a shard */
    uint64_t blocks = (uint64_t)optimizer_blocks(&t->params);

    return feed_bytes(sequences, t->seq_length, 0) +
           (uint64_t)BLOCK * BLOCKS * TOKEN * (options.valid ? 2 : 1) +
           2 * blocks * sizeof(double) +
           (uint64_t)(sequences + t->global_batch) * sizeof(struct sequence_loss);
}

void
memory_measure_program(struct trainer *t)
{
    malloc_trim(0);
    t->memory_program = sys_memory_resident() - t->memory_before;
    t->memory_checked = sys_memory_peak() - t->memory_before;
}

void
memory_plan(const struct trainer *t, int ranks, int rank, struct memory_plan *m)
{
    struct decoder_options o = trainer_decoder_options(t);
    struct decoder_memory d;
    struct reducer_memory r;
    struct optimizer_state s;
    struct arena state = {0};
    void *act;
    uint64_t n = (uint64_t)t->params.elements;
    int64_t groups = (t->groups + ranks - 1) / ranks;

    decoder_plan(&t->config, &t->params, &o, &d);
    reducer_plan(&(struct reducer_options){.params = &t->params, .groups = (int)t->groups}, ranks,
                 rank, options.hosts == NULL, &r);
    *m = (struct memory_plan){
        .weights = n * sizeof *s.master,
        .moments = n * (sizeof *s.m + sizeof *s.v),
        .act_weights = trainer_carve_state(t, &state, &s, &act),
        .gradients = r.gradients + r.staging,
        .activations = d.activations,
        .logits = d.logits,
        .scratch = d.scratch,
        .tables = d.tables,
        .program = t->memory_program + heap_bytes(t, groups * (t->global_batch / t->groups)),
        .mapped = r.mapped,
    };
    m->act_weights -= m->weights + m->moments;
    m->total = m->weights + m->act_weights + m->moments + m->gradients + m->activations + m->logits +
               m->scratch + m->tables;
    m->resident = m->total + m->program + m->mapped;
    if (m->resident < t->memory_checked)
        m->resident = t->memory_checked;
}

uint64_t
memory_taken(const struct trainer *t)
{
    struct reducer_memory r;

    reducer_memory(t->reducer, &r);
    return t->arena.size + decoder_bytes(t->decoder) + r.gradients + r.staging;
}

static void
line(const char *what, uint64_t bytes)
{
    char text[32];

    if (bytes)
        printf("  %-22s %10s\n", what, human_bytes((double)bytes, text));
}

void
plan_log(const struct memory_plan *m, const struct trainer *t)
{
    struct flops f;

    decoder_flops(&t->config, t->seq_length, (enum recompute)options.recompute, &f);
    log_begin("plan");
    log_int("parameters", t->params.parameters);
    log_real("flops_per_token", (f.forward + f.backward) / (double)t->seq_length);
    log_int("memory_per_rank_bytes", (int64_t)m->total);
    log_int("resident_bytes", (int64_t)m->resident);
    log_int("weights", (int64_t)(m->weights + m->act_weights));
    log_int("moments", (int64_t)m->moments);
    log_int("gradients", (int64_t)m->gradients);
    log_int("activations", (int64_t)m->activations);
    log_int("logits", (int64_t)m->logits);
    log_int("scratch", (int64_t)(m->scratch + m->tables));
    log_int("program", (int64_t)m->program);
    log_int("mapped", (int64_t)m->mapped);
    (void)log_end();
}

void
plan_print(const struct trainer *t, int ranks)
{
    struct memory_plan m;
    struct flops f;

    memory_plan(t, ranks, -1, &m);
    decoder_flops(&t->config, t->seq_length, (enum recompute)options.recompute, &f);
    printf("parameters              %lld\n", (long long)t->params.parameters);
    printf("precision               %s\n", options.precision);
    printf("flops per token         %.6g (forward %.6g, backward %.6g)\n",
           (f.forward + f.backward) / (double)t->seq_length, f.forward / (double)t->seq_length,
           f.backward / (double)t->seq_length);
    if (f.recompute > 0)
        printf("recomputed per token    %.6g\n", f.recompute / (double)t->seq_length);
    printf("tokens per step         %lld\n", (long long)(t->global_batch * t->seq_length));
    printf("memory per rank, %d rank%s, micro-batch %lld, %lld reduce groups\n", ranks, ranks == 1 ? "" : "s",
           (long long)t->micro_batch, (long long)t->groups);
    line("master weights", m.weights);
    line("bf16 weights", m.act_weights);
    line("moments", m.moments);
    line("gradients", m.gradients);
    line("activations", m.activations);
    line("logits", m.logits);
    line("scratch", m.scratch);
    line("tables", m.tables);
    line("total", m.total);
    line("program and data", m.program);
    line("of other ranks, mapped", m.mapped);
    line("resident", m.resident);
    plan_log(&m, t);
}

/* How much memory and arithmetic a run takes, before it starts. */
#include "cmd/llm-train/trainer.h"

#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "cmd/llm-train/train.h"

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

void
memory_plan(const struct trainer *t, int ranks, struct memory_plan *m)
{
    bool copy = precision_mask(&t->precisions) != 1u << PRECISION_FP32;
    struct decoder_options o = trainer_decoder_options(t);
    struct decoder_memory d;
    uint64_t n = (uint64_t)t->params.elements;

    decoder_plan(&t->config, &t->params, &o, &d);
    *m = (struct memory_plan){
        .weights = n * 4,
        .act_weights = copy ? n * t->kernels->ops[PRECISION_BF16].act_size : 0,
        .moments = n * 8,
        .gradients = trainer_reducer_bytes(&t->params, t->groups, ranks),
        .activations = d.activations,
        .logits = d.logits,
        .scratch = d.scratch,
        .tables = d.tables,
    };
    m->total = m->weights + m->act_weights + m->moments + m->gradients + m->activations + m->logits +
               m->scratch + m->tables;
}

static void
line(const char *what, uint64_t bytes)
{
    char text[32];

    if (bytes)
        printf("  %-22s %10s\n", what, human_bytes((double)bytes, text));
}

void
plan_print(const struct trainer *t, int ranks)
{
    struct memory_plan m;
    struct flops f;

    memory_plan(t, ranks, &m);
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
    log_int("weights", (int64_t)(m->weights + m->act_weights));
    log_int("moments", (int64_t)m->moments);
    log_int("gradients", (int64_t)m->gradients);
    log_int("activations", (int64_t)m->activations);
    log_int("logits", (int64_t)m->logits);
    log_int("scratch", (int64_t)(m->scratch + m->tables));
    (void)log_end();
}

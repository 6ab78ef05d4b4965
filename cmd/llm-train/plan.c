/* How much memory and arithmetic a run takes, before it starts. */
#include "cmd/llm-train/trainer.h"

#include <malloc.h>

#include "base/log.h"
#include "base/sys.h"
#include "cmd/llm-train/arrays.h"
#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/tensor_health.h"
#include "cmd/llm-train/plan_time.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "parallel/pipeline.h"

struct decoder_options
trainer_decoder_options(const struct trainer *t, const struct layout *l)
{
    return (struct decoder_options){
        .kernels = t->kernels,
        .precision = t->precision,
        .precisions = precision_mask(&t->precisions),
        .fp8 = precision_has_fp8(&t->precisions) ? &t->fp8 : NULL,
        .pool = t->pool,
        .micro_batch = t->micro_batch,
        .seq_length = t->seq_length,
        .recompute = l->recompute[l->coordinate[AXIS_PIPELINE]],
        .training = true,
        .router_aux_loss = options.moe_aux_loss_coeff < 0 ? t->config.router_aux_loss_coef : options.moe_aux_loss_coeff,
        .router_z_loss = options.moe_z_loss_coeff,
        .part = &l->part,
        .slots = l->slots,
        .weight_slots = l->weight_slots,
        .tensor = l->tensor,
        .context = l->context,
        .context_size = l->size[AXIS_CONTEXT], /* a plan has no groups */
        .expert = l->expert,
        .sequence_parallel = l->sequence_parallel,
    };
}

/* What the heap holds beside the arenas once the steps go: data, sums and losses. */
static uint64_t
heap_bytes(const struct trainer *t, const struct layout *l, const struct params *p)
{
    enum { BLOCK = 65536, BLOCKS = 4, TOKEN = 7 }; /* what a token stream keeps of a shard */
    uint64_t blocks = (uint64_t)params_blocks(p);

    return feed_bytes(l->sequences, t->seq_length, 0) +
           (uint64_t)BLOCK * BLOCKS * TOKEN * (options.valid ? 2 : 1) +
           4 * blocks * sizeof(double) + tensor_health_bytes(t, blocks) +
           (uint64_t)(l->sequences + t->global_batch * l->size[AXIS_CONTEXT]) * sizeof(struct sequence_loss);
}

/* Borders of pieces in buffers of the pipeline. */
static uint64_t
message_bytes(const struct trainer *t, const struct layout *l)
{
    int64_t rows = t->micro_batch * t->seq_length / l->size[AXIS_CONTEXT];
    size_t sums = decoder_border_sums(&t->config), size = t->kernels->ops[t->precision].act_size;

    if (l->sequence_parallel)
        rows /= l->size[AXIS_TENSOR];
    uint64_t elements = (uint64_t)(rows * t->config.hidden_size) + (sums + size - 1) / size;
    return (uint64_t)pipeline_buffers(&l->table, l->coordinate[AXIS_PIPELINE]) *
           ((elements * size + 63) & ~(uint64_t)63);
}

void
memory_measure_program(struct trainer *t)
{
    malloc_trim(0);
    t->memory_program = sys_memory_resident() - t->memory_before;
    t->memory_checked = sys_memory_peak() - t->memory_before;
}

static bool
on_one_host(const struct trainer *t, const struct layout *l)
{
    return t->machine ? (uint64_t)l->ranks <= t->machine->domains : options.hosts == NULL;
}

void
memory_plan(const struct trainer *t, const struct layout *l, const struct params *p,
            struct memory_plan *m)
{
    struct decoder_options o = trainer_decoder_options(t, l);
    struct decoder_memory d;
    struct reducer_memory r;
    struct array_memory a;

    decoder_plan(&t->config, p, &o, &d);
    trainer_plan_reducers(t, l, p, on_one_host(t, l), &r);
    arrays_plan(t, l, p, &a);
    *m = (struct memory_plan){
        .weights = a.master,
        .moments = a.moments,
        .act_weights = a.act,
        .gradients = r.gradients + r.staging,
        .activations = d.activations,
        .logits = d.logits,
        .scratch = d.scratch + message_bytes(t, l),
        .tables = d.tables,
        .program = t->memory_program + heap_bytes(t, l, p),
        .mapped = r.mapped + a.mapped,
    };
    m->total = m->weights + m->act_weights + m->moments + m->gradients + m->activations + m->logits +
               m->scratch + m->tables;
    m->resident = m->total + m->program + m->mapped;
    if (m->resident < t->memory_checked)
        m->resident = t->memory_checked;
}

struct measured_memory
memory_kinds(const struct memory_plan *m)
{
    return (struct measured_memory){
        .state = (double)(m->weights + m->act_weights + m->moments),
        .gradients = (double)m->gradients,
        .activations = (double)(m->activations + m->logits + m->scratch + m->tables),
        .total = (double)m->total,
        .resident = (double)m->resident,
    };
}

struct measured_memory
memory_taken(const struct trainer *t)
{
    struct reducer_memory r, e = {0};
    struct measured_memory m;

    reducer_memory(t->reducer, &r);
    if (t->expert_reducer)
        reducer_memory(t->expert_reducer, &e);
    m.state = (double)arrays_bytes(t);
    m.gradients = (double)(r.gradients + r.staging + e.gradients + e.staging);
    m.activations = (double)decoder_bytes(t->decoder) +
                    (double)pipeline_bytes(t->decoder, &t->layout.table, t->layout.coordinate[AXIS_PIPELINE],
                                           t->micro_batch);
    m.total = m.state + m.gradients + m.activations;
    m.resident = (double)sys_memory_peak() - (double)t->memory_before;
    return m;
}

void
plan_log(const struct memory_plan *m, const struct trainer *t)
{
    struct flops f;

    tensors_flops(t, &f);
    log_begin("plan");
    log_int("parameters", t->whole.parameters);
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
    if (t->planned)
        measured_log_plan(t->planned);
    (void)log_end();
}

/* Remembers the rank with the largest need. */
static int
look_at(const struct trainer *t, struct layout *l, int rank, struct memory_plan *most)
{
    struct params p;
    struct memory_plan m;

    if (layout_move(l, rank, t->global_batch, t->micro_batch) < 0 ||
        tensors_init_part(t, &p, &l->part) < 0)
        return -1;
    memory_plan(t, l, &p, &m);
    if (m.total > most->total)
        *most = m;
    params_release(&p);
    return 0;
}

/*
 * Ranks at the ends of each axis: rows, heads, groups and slices are dealt out so that those in
 * between have as much as one of them. The stages all differ.
 */
static int
look_at_ends(const struct trainer *t, struct layout *l, struct memory_plan *most)
{
    static const enum axis ends[] = {AXIS_TENSOR, AXIS_CONTEXT, AXIS_EXPERT, AXIS_DATA};
    int at[AXES];

    for (unsigned corner = 0; corner < 16; corner++) {
        bool real = true;
        for (unsigned i = 0; i < 4; i++) {
            at[ends[i]] = corner & 1u << i ? l->size[ends[i]] - 1 : 0;
            real = real && (l->size[ends[i]] > 1 || !(corner & 1u << i));
        }
        for (int stage = 0; real && stage < l->size[AXIS_PIPELINE]; stage++) {
            at[AXIS_PIPELINE] = stage;
            if (look_at(t, l, grid_rank(l->size, l->order, at), most) < 0)
                return -1;
        }
    }
    return 0;
}

int
plan_memory(const struct trainer *t, int ranks, struct memory_plan *most)
{
    enum { FEW = 64 };
    struct layout l;
    int result = 0;

    *most = (struct memory_plan){0};
    if (layout_try(&l, &t->config, ranks, t->seq_length, t->groups, t->global_batch, t->micro_batch) < 0)
        return -1;
    if (ranks > FEW)
        result = look_at_ends(t, &l, most);
    for (int rank = 0; ranks <= FEW && rank < ranks && result == 0; rank++)
        result = look_at(t, &l, rank, most);
    layout_release(&l);
    return result;
}

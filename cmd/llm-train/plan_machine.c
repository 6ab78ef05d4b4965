/* --plan --machine: a run beside the machine it is for. */
#include "cmd/llm-train/plan_machine.h"

#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/str.h"
#include "cmd/llm-train/machine_file.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "parallel/rank_map.h"

/* ---- bytes ---- */

/*
 * Bytes that a rank hands to its group in a step, by axis. What goes over wires is, where n ranks
 * share the work, (n - 1)/n of it for each pass: once to sum or to send, once more to spread a sum.
 */
struct traffic {
    double tensor, context, expert, pipeline, gradients, weights;
};

static int64_t
layers_of(const struct layout *l, bool with_experts, const struct config *c)
{
    int64_t n = 0;

    for (int i = 0; i < l->chunks; i++)
        for (int k = l->piece[i].begin; k < l->piece[i].end; k++)
            n += !with_experts || config_sparse(c, k);
    return n;
}

/* A piece hands on its output, but for the last one; and its input's gradient, but for the first. */
static int64_t
messages_of(const struct layout *l)
{
    int64_t n = 0;

    for (int i = 0; i < l->chunks; i++)
        n += !l->piece[i].head + !l->piece[i].embedding;
    return n;
}

static void
traffic_of(const struct trainer *t, const struct layout *l, const struct params *p, struct traffic *out)
{
    const struct config *c = &t->config;
    const struct ops *ops = &t->kernels->ops[t->precision];
    double micros = l->micros, context = l->size[AXIS_CONTEXT];
    double tokens = (double)(t->micro_batch * t->seq_length) / context;
    double rows = tokens * (double)c->hidden_size * (double)ops->act_size;
    double layers = (double)layers_of(l, false, c), split = (double)l->size[AXIS_TENSOR];
    double kv = 2 * tokens * (double)(c->num_key_value_heads * c->head_dim) / split;

    *out = (struct traffic){0};
    /* Attention's and the MLP's output, and the gradients of their inputs (Shoeybi et al., 2019). */
    if (split > 1)
        out->tensor = micros * rows * (4 * layers + l->part.piece[0].embedding + l->part.piece[l->chunks - 1].head);
    /* Keys and values go round twice, their gradients once and home (model/ring.c). */
    if (context > 1)
        out->context = micros * layers * kv *
                       (2 * (context - 1) * (double)ops->act_size + context * (double)ops->wide_size);
    /* Out and back, forward and backward, were all experts chosen alike. */
    if (l->size[AXIS_EXPERT] > 1)
        out->expert = micros * (double)layers_of(l, true, c) * rows * 4 * (double)c->num_experts_per_tok *
                      (l->size[AXIS_EXPERT] - 1) / l->size[AXIS_EXPERT];
    if (l->size[AXIS_PIPELINE] > 1)
        out->pipeline = micros * rows / (l->sequence_parallel ? split : 1) * (double)messages_of(l);
    if (l->deal_size * l->size[AXIS_CONTEXT] > 1) {
        out->gradients = (double)p->elements * (double)ops->wide_size;
        out->weights = l->zero == 0 ? 0 : (double)p->elements * (double)ops->act_size * (l->zero == 3 ? 2 * micros : 1);
    }
}

static void
keep_most(double *most, double value)
{
    if (value > *most)
        *most = value;
}

/* The largest of all stages. */
static void
traffic_of_all(const struct trainer *t, int ranks, struct traffic *most)
{
    int at[AXES] = {0};

    *most = (struct traffic){0};
    for (; at[AXIS_PIPELINE] < t->layout.size[AXIS_PIPELINE]; at[AXIS_PIPELINE]++) {
        struct layout l;
        struct params p;
        struct traffic one;

        layout_make(&l, &t->config, ranks, grid_rank(t->layout.size, t->layout.order, at), t->seq_length, t->groups);
        layout_deal(&l, t->global_batch, t->micro_batch);
        if (tensors_init_part(t, &p, &l.part) < 0)
            die_err();
        traffic_of(t, &l, &p, &one);
        keep_most(&most->tensor, one.tensor);
        keep_most(&most->context, one.context);
        keep_most(&most->expert, one.expert);
        keep_most(&most->pipeline, one.pipeline);
        keep_most(&most->gradients, one.gradients);
        keep_most(&most->weights, one.weights);
        params_release(&p);
        layout_release(&l);
    }
}

/* link: bytes/s, or 0 */
static void
print_bytes(const char *what, double bytes, double link)
{
    char text[32];

    if (bytes <= 0)
        return;
    printf("  %-22s %10s", what, human_bytes(bytes, text));
    if (link > 0)
        printf(", %.3g s on one link", bytes / link);
    printf("\n");
}

static void
print_traffic(const struct trainer *t, int ranks, double link)
{
    struct traffic m;

    if (ranks == 1)
        return;
    traffic_of_all(t, ranks, &m);
    printf("handed on by a rank in a step\n");
    print_bytes("tensor, sums", m.tensor, link);
    print_bytes("context, keys, values", m.context, link);
    print_bytes("expert, tokens", m.expert, link);
    print_bytes("pipeline, borders", m.pipeline, link);
    print_bytes("data, gradients", m.gradients, link);
    print_bytes("data, weights", m.weights, link);
}

/* ---- the machine ---- */

static void
print_machine(const struct trainer *t, const struct machine_file *f, int ranks, const struct memory_plan *most)
{
    double nodes = (double)ranks / (double)f->domains, need = (double)most->resident * (double)f->domains;
    double peak = f->rate[t->precision == PRECISION_FP32 ? MACHINE_FP32 : MACHINE_BF16].peak;
    double share = (double)ranks < (double)f->domains ? (double)ranks / (double)f->domains : 1, seconds;
    char a[32], b[32];
    struct flops flops;

    if (nodes < 1)
        nodes = 1;
    need *= share;
    layout_flops(&t->layout, &t->config, t->seq_length, &flops);
    seconds = (flops.forward + flops.backward) * (double)t->global_batch / (nodes * share * peak);
    printf("machine                 %s, %.0f node%s × %llu ranks\n", f->name ? f->name : "(no name)", nodes,
           nodes == 1 ? "" : "s", (unsigned long long)f->domains);
    printf("  %-22s %10s of %s: %s\n", "memory of a node", human_bytes(need, a), human_bytes((double)f->memory, b),
           need <= (double)f->memory ? "fits" : "does not fit");
    printf("  %-22s %9.3g s\n", "a step at its peak", seconds);
    /* Master weights and moments read and written, gradients read. */
    if (f->bandwidth > 0)
        printf("  %-22s %9.3g s\n", "its update, at memory's", 3.5 * (double)most->moments * (double)f->domains * share / f->bandwidth);
    if (options.steps)
        printf("  %-22s %9.3g days\n", "the run at its peak", seconds * (double)options.steps / 86400);
}

static void
print_map(const struct rank_map *m)
{
    printf("links between neighbours  in rank order  by the map\n");
    for (int a = 0; a < AXES; a++)
        if (m->naive[a] > 0 || m->hops[a] > 0)
            printf("  %-22s %14lld %11lld\n", axis_name((enum axis)a), (long long)m->naive[a], (long long)m->hops[a]);
}

/* The index-th word-only line of a host file; "" behind its end. */
static void
host_name(const struct str *hosts, int index, struct str *out)
{
    const char *at = hosts->data;

    for (; at && *at; at += strcspn(at, "\n"), at += *at == '\n') {
        size_t n = strcspn(at, " \t:#\r\n");
        if (n > 0 && index-- == 0) {
            str_add(out, at, n);
            return;
        }
    }
    die(STATUS_USAGE, "--hosts %s: has fewer hosts than the map has nodes", options.hosts);
}

/* A line a rank: its node's coordinate, or its host. */
static void
write_map(const struct rank_map *m, const struct network *n)
{
    struct str out = {0}, hosts = {0};

    if (options.hosts && n->kind == NETWORK_TREE && file_load(options.hosts, 1 << 26, &hosts) < 0)
        die_err();
    for (int r = 0; r < m->ranks; r++) {
        if (hosts.data)
            host_name(&hosts, m->node[r], &out);
        else
            network_name(n, m->node[r], &out);
        str_addc(&out, '\n');
    }
    if (file_store(options.rank_map, out.data, out.len) < 0)
        die_err();
    str_release(&out);
    str_release(&hosts);
}

void
plan_machine(const struct trainer *t, int ranks, const struct memory_plan *most)
{
    struct machine_file f;
    struct rank_map m;

    if (machine_file_load(&f, options.machine) < 0)
        die_err();
    print_machine(t, &f, ranks, most);
    print_traffic(t, ranks, f.link);
    if (f.network.kind != NETWORK_NONE) {
        if (rank_map_make(&m, &f.network, t->layout.size, t->layout.order, (int)f.domains) < 0)
            die(STATUS_USAGE, "--machine %s: %s", options.machine, err_text());
        print_map(&m);
        if (options.rank_map)
            write_map(&m, &f.network);
        rank_map_release(&m);
    } else if (options.rank_map) {
        die(STATUS_USAGE, "--rank-map: %s names no topology", options.machine);
    }
    machine_file_release(&f);
}

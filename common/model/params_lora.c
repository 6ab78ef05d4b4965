#include <string.h>

#include "model/params_impl.h"

/* Adapters in the parameter table: for each linear map that has targets, an A and a B. */

/* Rows of our tensor that belong to a target. */
struct target_rows {
    unsigned target;
    int64_t rows;
};

/* The name of the map's weight without ".weight", with `end` behind it. */
static void
name_of(char *out, size_t size, const char *map, const char *end)
{
    snprintf(out, size, "%s.%s", map, end);
}

/* The targets' rows of the whole weight; returns how many targets there are. */
static int
ranges_of(const struct config *c, const struct target_rows *t, int n, struct row_range *out)
{
    int ranges = 0;

    for (int64_t i = 0, row = 0; i < n; row += t[i++].rows)
        if (c->lora.targets & t[i].target)
            out[ranges++] = (struct row_range){row, t[i].rows};
    return ranges;
}

/* Where the part's rows of the targets are, in the weight and in B. */
static void
set_parts(struct adapters *l, const struct param *weight, const struct row_range *range, int ranges)
{
    int64_t at = 0;

    for (int k = 0; k < ranges; k++) {
        l->part[k].rows = rows_within(weight, &range[k], &l->part[k].row);
        l->part[k].at = at;
        at += l->part[k].rows;
    }
    l->parts = ranges;
}

/*
 * The adapters of one linear map, whose weight is tensor `weight` of the part. Where tensor ranks
 * have rows of it, each has those rows of B, and all have A; where they have columns, the columns of
 * A, and all have B: what all have gets a part of its gradient on each (tensor.c).
 */
static void
add(struct making *m, bool held, int i, int weight, const char *map, const struct target_rows *t,
    int n, int64_t columns, bool cut_columns)
{
    struct row_range range[ADAPTER_PARTS];
    struct adapters l = {0};
    char a[48], b[48];
    int64_t rank = m->c->lora.rank;
    int ranges = ranges_of(m->c, t, n, range);

    if (ranges == 0)
        return;
    name_of(a, sizeof a, map, "lora_a");
    name_of(b, sizeof b, map, "lora_b");
    if (cut_columns) {
        l.a = making_columns(m, held, i, a, rank, columns);
        l.b = making_same(m, held, PARAM_MATRIX, i, b, range[0].rows, rank);
    } else {
        l.a = making_same(m, held, PARAM_MATRIX, i, a, ranges * rank, columns);
        l.b = making_rows_of(m, held, i, b, weight, range, ranges, rank);
    }
    if (!held)
        return;
    set_parts(&l, &m->p->param[weight], range, ranges);
    m->p->param[l.a].adapter = 'a';
    m->p->param[l.b].adapter = 'b';
    m->p->param[weight].adapters = l;
}

static void
add_to_mlp(struct making *m, bool held, int i)
{
    const struct config *c = m->c;
    const struct layer_params *p = &m->p->layer[i];
    int64_t hidden = c->hidden_size, inner = c->intermediate_size;
    const struct target_rows gate_up[] = {{LORA_GATE, inner}, {LORA_UP, inner}};
    bool gated = c->mlp == MLP_SWIGLU;

    add(m, held, i, p->up, gated ? "mlp.gate_up" : "mlp.up", gated ? gate_up : gate_up + 1,
        gated ? 2 : 1, hidden, false);
    add(m, held, i, p->down, "mlp.down", &(struct target_rows){LORA_DOWN, hidden}, 1, inner, true);
}

void
making_adapters(struct making *m, bool held, int i)
{
    const struct config *c = m->c;
    const struct layer_params *p = &m->p->layer[i];
    int64_t query = c->num_attention_heads * c->head_dim, kv = c->num_key_value_heads * c->head_dim;
    const struct target_rows qkv[] = {{LORA_QUERY, query}, {LORA_KEY, kv}, {LORA_VALUE, kv}};
    const struct target_rows fused = {LORA_QKV, query + 2 * kv};
    bool one = c->lora.targets & LORA_QKV;

    if (c->lora.rank == 0)
        return;
    add(m, held, i, p->qkv, "attention.qkv", one ? &fused : qkv, one ? 1 : 3, c->hidden_size,
        false);
    add(m, held, i, p->output, "attention.output",
        &(struct target_rows){LORA_OUTPUT, c->hidden_size}, 1, query, true);
    if (!config_sparse(c, i))
        add_to_mlp(m, held, i);
}

#include <string.h>

#include "model/params_impl.h"

/* Adapters in the parameter table: for each linear map that has targets, an A and a B. */

/* Rows of our tensor that belong to a target. */
struct target_rows {
    unsigned target;
    int64_t rows;
};

/* The name of the map's weight without ".weight", with `end` behind it. */
static const char *
name_of(char *out, size_t size, const char *map, const char *end)
{
    snprintf(out, size, "%s.%s", map, end);
    return out;
}

static void
set_parts(struct adapters *l, const struct config *c, const struct target_rows *t, int n)
{
    int64_t row = 0, at = 0;

    for (int i = 0; i < n; row += t[i++].rows) {
        if (!(c->lora.targets & t[i].target))
            continue;
        l->part[l->parts].row = row;
        l->part[l->parts].rows = t[i].rows;
        l->part[l->parts++].at = at;
        at += t[i].rows;
    }
}

/* The adapters of one linear map [rows][columns], whose weight is tensor `weight` of the part. */
static void
add(struct making *m, bool held, int i, int weight, const char *map, const struct target_rows *t,
    int n, int64_t columns)
{
    struct adapters l = {0};
    char name[48];
    int64_t rank = m->c->lora.rank, rows = 0;

    set_parts(&l, m->c, t, n);
    if (l.parts == 0)
        return;
    rows = l.part[l.parts - 1].at + l.part[l.parts - 1].rows;
    l.a = making_same(m, held, PARAM_MATRIX, i, name_of(name, sizeof name, map, "lora_a"),
                      l.parts * rank, columns);
    l.b = making_same(m, held, PARAM_MATRIX, i, name_of(name, sizeof name, map, "lora_b"), rows,
                      rank);
    if (!held)
        return;
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
        gated ? 2 : 1, hidden);
    add(m, held, i, p->down, "mlp.down", &(struct target_rows){LORA_DOWN, hidden}, 1, inner);
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
    add(m, held, i, p->qkv, "attention.qkv", one ? &fused : qkv, one ? 1 : 3, c->hidden_size);
    add(m, held, i, p->output, "attention.output",
        &(struct target_rows){LORA_OUTPUT, c->hidden_size}, 1, query);
    if (!config_sparse(c, i))
        add_to_mlp(m, held, i);
}

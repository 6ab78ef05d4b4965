#include "base/err.h"
#include "model/params_impl.h"

/* The tensors of a layer of experts; a part holds a run of the experts, the same in every layer. */

enum { PARAMS_BESIDE_EXPERTS = 4 };

void
making_split_experts(struct making *m)
{
    int each = (int)m->c->num_experts / m->part.expert_size;

    m->p->expert_begin = each * m->part.expert_rank;
    m->p->expert_end = m->p->expert_begin + each;
}

size_t
making_most_experts(const struct making *m)
{
    size_t held = (size_t)(m->p->expert_end - m->p->expert_begin);

    return (size_t)config_sparse_layers(m->c) * (2 * held + PARAMS_BESIDE_EXPERTS);
}

static int
check_cut(const char *key, int64_t n, const char *axis, int size)
{
    if (n % size == 0)
        return 0;
    return err_set(STATUS_INPUT, "%s (%lld) is not a multiple of %s (%d)", key, (long long)n, axis,
                   size);
}

int
making_check_experts(const struct config *c, const struct model_part *part)
{
    if (c->num_experts == 0 && part->expert_size > 1)
        return err_set(STATUS_INPUT, "expert-parallel is %d, but %s models have no experts",
                       part->expert_size, c->model_type);
    if (check_cut("num_experts", c->num_experts, "expert-parallel", part->expert_size) < 0 ||
        check_cut("moe_intermediate_size", c->moe_intermediate_size, "tensor-parallel",
                  part->tensor_size) < 0)
        return -1;
    return check_cut("shared_expert_intermediate_size", c->shared_intermediate_size,
                     "tensor-parallel", part->tensor_size);
}

int64_t
params_active(const struct params *p, const struct config *c)
{
    int64_t each = 3 * c->moe_intermediate_size * c->hidden_size;

    return p->parameters -
           config_sparse_layers(c) * (c->num_experts - c->num_experts_per_tok) * each;
}

/* Both matrices of expert e; returns the index of the first. */
static int
add_expert(struct making *m, bool held, int i, int e)
{
    const struct config *c = m->c;
    int64_t hidden = c->hidden_size, inner = c->moe_intermediate_size;
    char name[48];

    snprintf(name, sizeof name, "mlp.experts.%d.gate_up.weight", e);
    int up = making_rows(m, held, PARAM_MATRIX, i, name, 2, inner, hidden);
    snprintf(name, sizeof name, "mlp.experts.%d.down.weight", e);
    int down = making_columns(m, held, i, name, hidden, inner);
    if (held)
        m->p->param[up].expert = m->p->param[down].expert = e;
    return up;
}

void
making_experts(struct making *m, bool held, int i)
{
    const struct config *c = m->c;
    struct layer_params *l = &m->p->layer[i];
    int64_t hidden = c->hidden_size, shared = c->shared_intermediate_size;

    l->router = making_same(m, held, PARAM_MATRIX, i, "mlp.router.weight", c->num_experts, hidden);
    for (int e = 0; e < c->num_experts; e++) {
        bool mine = held && e >= m->p->expert_begin && e < m->p->expert_end;
        int up = add_expert(m, mine, i, e);

        if (mine && l->experts < 0)
            l->experts = up;
    }
    if (shared == 0)
        return;
    l->shared_up = making_rows(m, held, PARAM_MATRIX, i, "mlp.shared.gate_up.weight", 2, shared,
                               hidden);
    l->shared_down = making_columns(m, held, i, "mlp.shared.down.weight", hidden, shared);
    l->shared_gate = making_same(m, held, PARAM_MATRIX, i, "mlp.shared_gate.weight", 1, hidden);
}

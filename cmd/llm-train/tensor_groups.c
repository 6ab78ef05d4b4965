/* Which tensors are looked at together. */
#include "cmd/llm-train/tensor_groups.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* By the beginning of a tensor's name, less "layers.N." (model/params.h lists the names). */
static const struct {
    const char *begin;
    enum tensor_kind kind;
} kinds[] = {
    {"embedding.", TENSOR_EMBEDDING},   {"position.", TENSOR_EMBEDDING},
    {"attention_norm.", TENSOR_NORM},   {"mlp_norm.", TENSOR_NORM},
    {"attention.query_norm.", TENSOR_NORM}, {"attention.key_norm.", TENSOR_NORM},
    {"final_norm.", TENSOR_NORM},       {"attention.qkv.", TENSOR_QKV},
    {"attention.output.", TENSOR_OUTPUT}, {"mlp.gate_up.", TENSOR_UP},
    {"mlp.up.", TENSOR_UP},             {"mlp.down.", TENSOR_DOWN},
    {"mlp.router.", TENSOR_ROUTER},     {"mlp.experts.", TENSOR_EXPERTS},
    {"mlp.shared.", TENSOR_EXPERTS},    {"mlp.shared_gate.", TENSOR_EXPERTS},
    {"head.", TENSOR_HEAD},
};

const char *
tensor_kind_name(enum tensor_kind k)
{
    static const char *const names[] = {"embedding", "norm",   "qkv",     "output", "up",
                                        "down",      "router", "experts", "head",   "other"};

    return names[k];
}

static enum tensor_kind
kind_of(const struct param *p)
{
    const char *name = p->name;

    if (str_starts(name, "layers.")) {
        name = strchr(name + strlen("layers."), '.');
        name = name ? name + 1 : "";
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_starts(name, kinds[i].begin))
            return kinds[i].kind;
    return TENSOR_OTHER;
}

int
tensor_groups_find(const struct tensor_groups *g, int layer, enum tensor_kind kind)
{
    for (int i = 0; i < g->count; i++)
        if (g->group[i].layer == layer && g->group[i].kind == kind)
            return i;
    return -1;
}

void
tensor_groups_init(struct tensor_groups *g, const struct params *whole)
{
    *g = (struct tensor_groups){
        .group = mem_zarray((size_t)whole->count + 1, sizeof *g->group),
        .of = mem_zarray((size_t)whole->count + 1, sizeof *g->of),
    };
    for (int i = 0; i < whole->count; i++) {
        const struct param *p = &whole->param[i];
        enum tensor_kind kind = kind_of(p);
        int at = tensor_groups_find(g, p->layer, kind);

        if (at < 0) {
            at = g->count++;
            g->group[at] = (struct tensor_group){.kind = kind, .layer = p->layer};
        }
        g->group[at].elements += p->frozen ? 0 : p->size;
        g->of[i] = at;
    }
}

void
tensor_groups_release(struct tensor_groups *g)
{
    free(g->group);
    free(g->of);
    *g = (struct tensor_groups){0};
}

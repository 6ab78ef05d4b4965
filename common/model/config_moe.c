#include <string.h>

#include "model/config_read.h"

/*
 * Experts: Mixtral (all layers, of intermediate_size, weights over the chosen ones) and Qwen 2 and 3
 * (of a size of their own, in the layers that decoder_sparse_step and mlp_only_layers leave; Qwen 2
 * with a shared one).
 */

static const struct {
    const char *model_type;
    int experts, per_token, intermediate, shared;
    bool norm_topk_prob;
} families[] = {
    {"mixtral", 8, 2, 0, 0, true},
    {"qwen2_moe", 60, 4, 1408, 5632, false},
    {"qwen3_moe", 128, 8, 768, 0, false},
};
enum { FAMILIES_WITH_EXPERTS = sizeof families / sizeof families[0] };

static int
find(const char *model_type)
{
    for (int i = 0; i < FAMILIES_WITH_EXPERTS; i++)
        if (strcmp(families[i].model_type, model_type) == 0)
            return i;
    return -1;
}

bool
config_type_has_experts(const char *model_type)
{
    return find(model_type) >= 0;
}

static int
read_mlp_only(struct config *c, const struct json_doc *doc, const json_t *root)
{
    const json_t *list = NULL;

    if (json_get_array(doc, root, "mlp_only_layers", JSON_MAY, &list) < 0)
        return -1;
    for (size_t i = 0; list && i < json_array_size(list); i++) {
        int64_t layer;

        if (json_at_int(doc, list, i, 0, c->num_hidden_layers - 1, &layer) < 0)
            return -1;
        c->mlp_only[layer / 64] |= (uint64_t)1 << (layer % 64);
    }
    return 0;
}

static int
read_qwen(struct config *c, const struct json_doc *doc, const json_t *root)
{
    bool shared = c->shared_intermediate_size > 0;

    if (config_read_size(doc, root, "moe_intermediate_size", CONFIG_MAX_INTERMEDIATE,
                         &c->moe_intermediate_size) < 0 ||
        (shared && config_read_size(doc, root, "shared_expert_intermediate_size",
                                    CONFIG_MAX_INTERMEDIATE, &c->shared_intermediate_size) < 0) ||
        json_get_bool(doc, root, "norm_topk_prob", JSON_MAY, &c->norm_topk_prob) < 0 ||
        config_read_size(doc, root, "decoder_sparse_step", CONFIG_MAX_LAYERS,
                         &c->decoder_sparse_step) < 0)
        return -1;
    return read_mlp_only(c, doc, root);
}

static int
read_jitter(const struct json_doc *doc, const json_t *root)
{
    double jitter = 0;

    if (json_get_real(doc, root, "router_jitter_noise", JSON_MAY, &jitter) < 0)
        return -1;
    if (jitter != 0)
        return json_fail(doc, root, "router_jitter_noise", "%g is not supported (only 0)", jitter);
    return 0;
}

/* Old and new files differ in which of two keys says how many. */
static int
read_counts(struct config *c, const struct json_doc *doc, const json_t *root)
{
    if (config_read_size(doc, root, "num_experts", CONFIG_MAX_EXPERTS, &c->num_experts) < 0 ||
        config_read_size(doc, root, "num_local_experts", CONFIG_MAX_EXPERTS, &c->num_experts) < 0 ||
        config_read_size(doc, root, "num_experts_per_tok", CONFIG_MAX_EXPERTS,
                         &c->num_experts_per_tok) < 0)
        return -1;
    if (c->num_experts_per_tok > c->num_experts)
        return json_fail(doc, root, "num_experts_per_tok",
                         "%lld is above the number of experts (%lld)",
                         (long long)c->num_experts_per_tok, (long long)c->num_experts);
    return 0;
}

int
config_read_experts(struct config *c, const struct json_doc *doc, const json_t *root)
{
    int f = find(c->model_type);

    c->num_experts = families[f].experts;
    c->num_experts_per_tok = families[f].per_token;
    c->moe_intermediate_size = families[f].intermediate ? families[f].intermediate
                                                        : c->intermediate_size;
    c->shared_intermediate_size = families[f].shared;
    c->norm_topk_prob = families[f].norm_topk_prob;
    c->router_aux_loss_coef = 0.001;
    c->decoder_sparse_step = 1;
    if (json_get_real(doc, root, "router_aux_loss_coef", JSON_MAY, &c->router_aux_loss_coef) < 0)
        return -1;
    if (!(c->router_aux_loss_coef >= 0 && c->router_aux_loss_coef < 1e30))
        return json_fail(doc, root, "router_aux_loss_coef", "expected a number >= 0, found %g",
                         c->router_aux_loss_coef);
    if (read_counts(c, doc, root) < 0 || read_jitter(doc, root) < 0)
        return -1;
    return c->family == FAMILY_QWEN ? read_qwen(c, doc, root) : 0;
}

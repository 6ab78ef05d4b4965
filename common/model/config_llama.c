#include <string.h>

#include "base/err.h"
#include "model/config_read.h"

/*
 * Llama 1 to 3, and what was made like it: Mistral and Mixtral, Qwen 2 and 3. RMS norm, rotary
 * positions over the whole head, SwiGLU, grouped-query attention, biases where the file asks for
 * them. Rotary scaling: none, linear (Chen et al., 2023) and that of Llama 3.1.
 */

/* What a missing key stands for; 0 key/value heads: as many as heads; 0 head_dim: hidden / heads. */
struct defaults {
    const char *model_type;
    int vocab, hidden, intermediate, layers, heads, kv_heads, head_dim, positions;
    double eps, theta;
    int bos, eos;
};
static const struct defaults families[] = {
    {"llama", 32000, 4096, 11008, 32, 32, 0, 0, 2048, 1e-6, 1e4, 1, 2},
    {"mistral", 32000, 4096, 14336, 32, 32, 8, 0, 131072, 1e-6, 1e4, 1, 2},
    {"mixtral", 32000, 4096, 14336, 32, 32, 8, 0, 131072, 1e-5, 1e6, 1, 2},
    {"qwen2", 151936, 4096, 22016, 32, 32, 32, 0, 32768, 1e-6, 1e4, -1, -1},
    {"qwen2_moe", 151936, 2048, 5632, 24, 16, 16, 0, 32768, 1e-6, 1e4, -1, -1},
    {"qwen3", 151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, 1e4, -1, -1},
    {"qwen3_moe", 151936, 2048, 6144, 24, 32, 4, 0, 32768, 1e-6, 1e4, -1, -1},
};

static const struct defaults *
defaults_of(const struct config *c)
{
    const struct defaults *f = families;

    while (strcmp(f->model_type, c->model_type) != 0)
        f++;
    return f;
}

static int
read_rope_type(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    const char *type = NULL;

    if (json_get_string(doc, rope, "rope_type", JSON_MAY, &type) < 0)
        return -1;
    if (!type && json_get_string(doc, rope, "type", JSON_MAY, &type) < 0)
        return -1;
    if (!type || strcmp(type, "default") == 0)
        c->rope_scaling = ROPE_DEFAULT;
    else if (strcmp(type, "linear") == 0)
        c->rope_scaling = ROPE_LINEAR;
    else if (strcmp(type, "llama3") == 0)
        c->rope_scaling = ROPE_LLAMA3;
    else
        return json_fail(doc, rope, "rope_type",
                         "\"%s\" is not supported (known: default, linear, llama3)", type);
    return 0;
}

static int
need(const struct json_doc *doc, const json_t *rope, const char *key, double *out)
{
    if (!config_has(rope, key))
        return json_fail(doc, rope, key, "missing");
    return config_read_positive(doc, rope, key, out);
}

/* Llama 3.1: long waves are stretched, short ones kept, those between blended. */
static int
read_llama3(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    if (need(doc, rope, "factor", &c->rope_factor) < 0 ||
        need(doc, rope, "low_freq_factor", &c->rope_low_freq_factor) < 0 ||
        need(doc, rope, "high_freq_factor", &c->rope_high_freq_factor) < 0)
        return -1;
    c->rope_original_max_position = c->max_position_embeddings;
    if (config_read_size(doc, rope, "original_max_position_embeddings", CONFIG_MAX_POSITIONS,
                         &c->rope_original_max_position) < 0)
        return -1;
    if (c->rope_low_freq_factor >= c->rope_high_freq_factor)
        return json_fail(doc, rope, "high_freq_factor", "%g is not above low_freq_factor (%g)",
                         c->rope_high_freq_factor, c->rope_low_freq_factor);
    return 0;
}

/*
 * transformers 5 writes rope_parameters, which holds rope_theta; before, rope_theta stood
 * at the top and rope_scaling, when not null, beside it. Where both stand, the old one counts
 * there.
 */
static int
read_rope(struct config *c, const struct json_doc *doc, const json_t *root)
{
    const json_t *rope = NULL, *scaling = NULL;
    double partial = 1;

    if (config_read_positive(doc, root, "rope_theta", &c->rope_theta) < 0 ||
        json_get_object(doc, root, "rope_parameters", JSON_MAY, &rope) < 0 ||
        json_get_object(doc, root, "rope_scaling", JSON_MAY, &scaling) < 0)
        return -1;
    if (scaling && json_object_size(scaling) > 0)
        rope = scaling;
    if (json_get_real(doc, root, "partial_rotary_factor", JSON_MAY, &partial) < 0)
        return -1;
    if (partial != 1)
        return json_fail(doc, root, "partial_rotary_factor", "%g is not supported (only 1)",
                         partial);
    if (!rope)
        return 0;

    if (json_get_real(doc, rope, "partial_rotary_factor", JSON_MAY, &partial) < 0)
        return -1;
    if (partial != 1)
        return json_fail(doc, rope, "partial_rotary_factor", "%g is not supported (only 1)",
                         partial);
    if (config_has(rope, "full_attention") || config_has(rope, "sliding_attention"))
        return json_fail(doc, rope, NULL, "parameters per layer type are not supported");
    if (config_read_positive(doc, rope, "rope_theta", &c->rope_theta) < 0 ||
        read_rope_type(c, doc, rope) < 0)
        return -1;
    if (c->rope_scaling == ROPE_LINEAR)
        return need(doc, rope, "factor", &c->rope_factor);
    return c->rope_scaling == ROPE_LLAMA3 ? read_llama3(c, doc, rope) : 0;
}

/* Llama has no window, whatever the file says; null is none; Mistral's default is 4096. */
static int
read_window(struct config *c, const struct json_doc *doc, const json_t *root)
{
    bool mistral = strcmp(c->model_type, "mistral") == 0, wanted = false;

    if (mistral && !json_object_get(root, "sliding_window"))
        c->sliding_window = 4096;
    if (mistral || c->family == FAMILY_MIXTRAL)
        return config_read_size(doc, root, "sliding_window", CONFIG_MAX_POSITIONS,
                                &c->sliding_window);
    if (c->family != FAMILY_QWEN)
        return 0;
    if (json_get_bool(doc, root, "use_sliding_window", JSON_MAY, &wanted) < 0)
        return -1;
    return wanted ? json_fail(doc, root, "use_sliding_window", "is not supported") : 0;
}

static int
read_attention(struct config *c, const struct json_doc *doc, const json_t *root,
               const struct defaults *f)
{
    c->num_attention_heads = f->heads;
    if (config_read_size(doc, root, "num_attention_heads", CONFIG_MAX_HEADS,
                         &c->num_attention_heads) < 0)
        return -1;

    /* null means as many as there are query heads. */
    bool named = json_object_get(root, "num_key_value_heads") != NULL;
    c->num_key_value_heads = f->kv_heads && !named ? f->kv_heads : c->num_attention_heads;
    if (config_read_size(doc, root, "num_key_value_heads", CONFIG_MAX_HEADS,
                         &c->num_key_value_heads) < 0)
        return -1;

    bool divided = !config_has(root, "head_dim") && !f->head_dim;
    if (divided && c->hidden_size % c->num_attention_heads != 0)
        return err_set(STATUS_INPUT,
                       "%s: hidden_size (%lld) is not a multiple of num_attention_heads (%lld)",
                       doc->name, (long long)c->hidden_size, (long long)c->num_attention_heads);
    c->head_dim = f->head_dim ? f->head_dim : c->hidden_size / c->num_attention_heads;
    if (config_read_size(doc, root, "head_dim", CONFIG_MAX_HEAD_DIM, &c->head_dim) < 0)
        return -1;
    c->rotary_dim = c->head_dim;
    return read_window(c, doc, root);
}

/* The biases of attention and MLP. Qwen 2 has them on queries, keys and values, whatever it says. */
static int
read_biases(struct config *c, const struct json_doc *doc, const json_t *root)
{
    bool qwen2 = strncmp(c->model_type, "qwen2", 5) == 0;

    if (json_get_bool(doc, root, "attention_bias", JSON_MAY, &c->attention_bias) < 0 ||
        json_get_bool(doc, root, "mlp_bias", JSON_MAY, &c->mlp_bias) < 0)
        return -1;
    if (c->mlp_bias && c->family == FAMILY_QWEN)
        return json_fail(doc, root, "mlp_bias", "is not supported for %s", c->model_type);
    if ((c->attention_bias || c->mlp_bias) &&
        (c->family == FAMILY_MIXTRAL || qwen2 || strcmp(c->model_type, "mistral") == 0))
        return json_fail(doc, root, c->attention_bias ? "attention_bias" : "mlp_bias",
                         "is not supported for %s", c->model_type);
    c->output_bias = c->attention_bias;
    if (!qwen2)
        return 0;
    c->attention_bias = true;
    return strcmp(c->model_type, "qwen2_moe") != 0                                  ? 0
           : json_get_bool(doc, root, "qkv_bias", JSON_MAY, &c->attention_bias) < 0 ? -1
                                                                                    : 0;
}

static int
read_switches(struct config *c, const struct json_doc *doc, const json_t *root)
{
    const char *act = "silu";

    if (json_get_string(doc, root, "hidden_act", JSON_MAY, &act) < 0)
        return -1;
    if (strcmp(act, "silu") != 0 && strcmp(act, "swish") != 0)
        return json_fail(doc, root, "hidden_act", "\"%s\" is not supported (known: silu)", act);
    if (json_get_bool(doc, root, "tie_word_embeddings", JSON_MAY, &c->tie_word_embeddings) < 0)
        return -1;
    c->qk_norm = strncmp(c->model_type, "qwen3", 5) == 0;
    return read_biases(c, doc, root);
}

/* Layers of different kinds in one model. */
static int
refuse_layer_types(const struct json_doc *doc, const json_t *root, const char *allowed)
{
    const json_t *list = NULL;

    if (json_get_array(doc, root, "layer_types", JSON_MAY, &list) < 0)
        return -1;
    for (size_t i = 0; list && i < json_array_size(list); i++) {
        const char *type;

        if (json_at_string(doc, list, i, &type) < 0)
            return -1;
        if (strcmp(type, allowed) != 0)
            return json_fail_at(doc, list, i, "\"%s\" is not supported here", type);
    }
    return 0;
}

int
config_read_llama(struct config *c, const struct json_doc *doc, const json_t *root)
{
    const struct defaults *f = defaults_of(c);

    c->norm = NORM_RMS;
    c->position = POSITION_ROTARY;
    c->mlp = MLP_SWIGLU;
    c->vocab_size = f->vocab;
    c->hidden_size = f->hidden;
    c->intermediate_size = f->intermediate;
    c->num_hidden_layers = f->layers;
    c->max_position_embeddings = f->positions;
    c->norm_eps = f->eps;
    c->rope_theta = f->theta;
    c->bos_token_id = f->bos;
    c->eos_token_id = f->eos;
    if (config_read_size(doc, root, "vocab_size", CONFIG_MAX_VOCAB, &c->vocab_size) < 0 ||
        config_read_size(doc, root, "hidden_size", CONFIG_MAX_HIDDEN, &c->hidden_size) < 0 ||
        config_read_size(doc, root, "intermediate_size", CONFIG_MAX_INTERMEDIATE,
                         &c->intermediate_size) < 0 ||
        config_read_size(doc, root, "num_hidden_layers", CONFIG_MAX_LAYERS, &c->num_hidden_layers) <
            0 ||
        config_read_size(doc, root, "max_position_embeddings", CONFIG_MAX_POSITIONS,
                         &c->max_position_embeddings) < 0)
        return -1;
    if (config_read_positive(doc, root, "rms_norm_eps", &c->norm_eps) < 0 ||
        config_read_positive(doc, root, "initializer_range", &c->initializer_range) < 0 ||
        config_read_token_id(doc, root, "bos_token_id", c->vocab_size, &c->bos_token_id) < 0 ||
        config_read_token_id(doc, root, "eos_token_id", c->vocab_size, &c->eos_token_id) < 0 ||
        config_read_token_id(doc, root, "pad_token_id", c->vocab_size, &c->pad_token_id) < 0)
        return -1;
    if (read_attention(c, doc, root, f) < 0 || read_switches(c, doc, root) < 0 ||
        refuse_layer_types(doc, root, c->sliding_window ? "sliding_attention" : "full_attention") <
            0)
        return -1;
    if (config_type_has_experts(c->model_type) && config_read_experts(c, doc, root) < 0)
        return -1;
    return read_rope(c, doc, root);
}

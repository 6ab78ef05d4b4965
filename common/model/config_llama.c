#include <string.h>

#include "base/err.h"
#include "model/config_read.h"

/*
 * Llama 1 to 3, and what was made like it: Mistral and Mixtral, Qwen 2 and 3. RMS norm, rotary
 * positions over the whole head, SwiGLU, grouped-query attention, biases where the file asks for
 * them. pretraining_tp only says how products were cut once.
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

/* Does layer i of a Qwen model that uses its window have it, where layer_types does not say? */
static bool
has_window(const struct config *c, int64_t i, int64_t max_window_layers)
{
    if (strcmp(c->model_type, "qwen3_moe") == 0)
        return true;
    if (strcmp(c->model_type, "qwen2_moe") == 0)
        return i % 2 == 0 && i < max_window_layers;
    return i >= max_window_layers;
}

static void
set_full(struct config *c, int64_t i)
{
    c->full_attention[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Which layers have a window by layer_types. */
static int
read_layer_types(struct config *c, const struct json_doc *doc, const json_t *root,
                 const json_t *list)
{
    if ((int64_t)json_array_size(list) != c->num_hidden_layers)
        return json_fail(doc, root, "layer_types", "%zu layers instead of num_hidden_layers (%lld)",
                         json_array_size(list), (long long)c->num_hidden_layers);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *type;

        if (json_at_string(doc, list, i, &type) < 0)
            return -1;
        bool full = strcmp(type, "full_attention") == 0;
        if (!full && strcmp(type, "sliding_attention") != 0)
            return json_fail_at(doc, list, i, "\"%s\" is not supported", type);
        if (!full && c->sliding_window == 0)
            return json_fail_at(doc, list, i, "a sliding window, but no use_sliding_window with a "
                                              "sliding_window");
        if (full && c->sliding_window > 0 && strcmp(c->model_type, "qwen3_moe") == 0)
            return json_fail_at(doc, list, i, "qwen3_moe has its sliding window in every layer");
        if (full)
            set_full(c, (int64_t)i);
    }
    return 0;
}

/* layer_types says which layers of a Qwen model have its window, else max_window_layers. */
static int
read_qwen_window(struct config *c, const struct json_doc *doc, const json_t *root)
{
    bool wanted = false, any = false;
    int64_t window = 4096, layers = 28;
    const json_t *list = NULL, *said = json_object_get(root, "sliding_window");

    if (json_get_bool(doc, root, "use_sliding_window", JSON_MAY, &wanted) < 0 ||
        (wanted &&
         config_read_size(doc, root, "sliding_window", CONFIG_MAX_POSITIONS, &window) < 0) ||
        json_get_int(doc, root, "max_window_layers", JSON_MAY, 0, INT32_MAX, &layers) < 0 ||
        json_get_array(doc, root, "layer_types", JSON_MAY, &list) < 0)
        return -1;
    c->sliding_window = wanted && !(said && json_is_null(said)) ? window : 0;
    if (list && read_layer_types(c, doc, root, list) < 0)
        return -1;
    for (int64_t i = 0; i < c->num_hidden_layers; i++) {
        if (!list && !has_window(c, i, layers))
            set_full(c, i);
        any |= config_windowed(c, i);
    }
    if (any)
        return 0;
    c->sliding_window = 0;
    memset(c->full_attention, 0, sizeof c->full_attention);
    return 0;
}

/* Llama has no window, whatever the file says; null is none; Mistral's default is 4096. */
static int
read_window(struct config *c, const struct json_doc *doc, const json_t *root)
{
    bool mistral = strcmp(c->model_type, "mistral") == 0;

    if (c->family == FAMILY_QWEN)
        return read_qwen_window(c, doc, root);
    if (mistral && !json_object_get(root, "sliding_window"))
        c->sliding_window = 4096;
    if (mistral || c->family == FAMILY_MIXTRAL)
        return config_read_size(doc, root, "sliding_window", CONFIG_MAX_POSITIONS,
                                &c->sliding_window);
    return 0;
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
refuse_layer_types(const struct config *c, const struct json_doc *doc, const json_t *root)
{
    const char *allowed = c->sliding_window ? "sliding_attention" : "full_attention";
    const json_t *list = NULL;

    if (c->family == FAMILY_QWEN) /* read_qwen_window */
        return 0;
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
    c->rope_partial = 1;
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
        refuse_layer_types(c, doc, root) < 0)
        return -1;
    if (config_type_has_experts(c->model_type) && config_read_experts(c, doc, root) < 0)
        return -1;
    return config_read_rope(c, doc, root, "rope_theta", "partial_rotary_factor");
}

#include <string.h>

#include "base/err.h"
#include "model/config_read.h"

/*
 * GPT-2: layer norm, learned positions, GELU, a bias everywhere. Its keys have
 * names of their own; the general names are taken as well, as transformers does.
 */

/* The value under either name. */
static int
read_either(const struct json_doc *doc, const json_t *root, const char *key, const char *general,
            int64_t max, int64_t *out)
{
    if (config_read_size(doc, root, general, max, out) < 0)
        return -1;
    return config_read_size(doc, root, key, max, out);
}

int
config_read_gelu(struct config *c, const struct json_doc *doc, const json_t *root, const char *key,
                 const char *act)
{
    static const struct {
        const char *name;
        enum gelu kind;
    } known[] = {{"gelu_new", GELU_TANH},
                 {"gelu_pytorch_tanh", GELU_TANH},
                 {"gelu_fast", GELU_TANH},
                 {"gelu", GELU_ERF}};

    if (json_get_string(doc, root, key, JSON_MAY, &act) < 0)
        return -1;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(act, known[i].name) == 0) {
            c->gelu = known[i].kind;
            c->gelu_name = known[i].name;
            return 0;
        }
    return json_fail(
        doc, root, key,
        "\"%s\" is not supported (known: gelu_new, gelu_pytorch_tanh, gelu_fast, gelu)", act);
}

/* A switch that must have the value the decoder computes with. */
static int
require(const struct json_doc *doc, const json_t *root, const char *key, bool wanted)
{
    bool value = wanted;

    if (json_get_bool(doc, root, key, JSON_MAY, &value) < 0)
        return -1;
    if (value != wanted)
        return json_fail(doc, root, key, "%s is not supported", value ? "true" : "false");
    return 0;
}

int
config_read_gpt2(struct config *c, const struct json_doc *doc, const json_t *root)
{
    c->norm = NORM_LAYER;
    c->position = POSITION_LEARNED;
    c->mlp = MLP_GELU;
    c->attention_bias = c->output_bias = c->mlp_bias = c->norm_bias = true;
    c->tie_word_embeddings = true;
    c->vocab_size = 50257;
    c->hidden_size = 768;
    c->num_hidden_layers = c->num_attention_heads = 12;
    c->max_position_embeddings = 1024;
    c->norm_eps = 1e-5;
    c->bos_token_id = c->eos_token_id = 50256;
    if (config_read_size(doc, root, "vocab_size", CONFIG_MAX_VOCAB, &c->vocab_size) < 0 ||
        read_either(doc, root, "n_embd", "hidden_size", CONFIG_MAX_HIDDEN, &c->hidden_size) < 0 ||
        read_either(doc, root, "n_layer", "num_hidden_layers", CONFIG_MAX_LAYERS,
                    &c->num_hidden_layers) < 0 ||
        read_either(doc, root, "n_head", "num_attention_heads", CONFIG_MAX_HEADS,
                    &c->num_attention_heads) < 0 ||
        read_either(doc, root, "n_positions", "max_position_embeddings", CONFIG_MAX_POSITIONS,
                    &c->max_position_embeddings) < 0)
        return -1;
    c->intermediate_size = 4 * c->hidden_size;
    if (config_read_size(doc, root, "n_inner", CONFIG_MAX_INTERMEDIATE, &c->intermediate_size) <
            0 ||
        config_read_positive(doc, root, "layer_norm_epsilon", &c->norm_eps) < 0 ||
        config_read_positive(doc, root, "initializer_range", &c->initializer_range) < 0 ||
        config_read_token_id(doc, root, "bos_token_id", c->vocab_size, &c->bos_token_id) < 0 ||
        config_read_token_id(doc, root, "eos_token_id", c->vocab_size, &c->eos_token_id) < 0 ||
        config_read_token_id(doc, root, "pad_token_id", c->vocab_size, &c->pad_token_id) < 0 ||
        json_get_bool(doc, root, "tie_word_embeddings", JSON_MAY, &c->tie_word_embeddings) < 0)
        return -1;
    if (config_read_gelu(c, doc, root, "activation_function", "gelu_new") < 0 || require(doc, root, "scale_attn_weights", true) < 0 ||
        require(doc, root, "scale_attn_by_inverse_layer_idx", false) < 0 ||
        require(doc, root, "add_cross_attention", false) < 0)
        return -1;

    if (c->hidden_size % c->num_attention_heads != 0)
        return err_set(STATUS_INPUT, "%s: n_embd (%lld) is not a multiple of n_head (%lld)",
                       doc->name, (long long)c->hidden_size, (long long)c->num_attention_heads);
    c->num_key_value_heads = c->num_attention_heads;
    c->head_dim = c->hidden_size / c->num_attention_heads;
    return 0;
}

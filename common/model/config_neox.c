#include <string.h>

#include "base/err.h"
#include "model/config_read.h"

/*
 * GPT-NeoX and Pythia (Black et al., 2022): layer norm, rotary positions over a part of the head,
 * GELU, biases, attention and MLP side by side.
 */

/*
 * Newer files repeat rotary_emb_base and rotary_pct under the general names, which transformers 5
 * does not look at: they may not say something else.
 */
static int
check_general(const struct json_doc *doc, const json_t *root, const char *key, double wanted)
{
    double value = wanted;

    if (json_get_real(doc, root, key, JSON_MAY, &value) < 0)
        return -1;
    if (value != wanted)
        return json_fail(doc, root, key, "%g is not what the model has otherwise (%g)", value,
                         wanted);
    return 0;
}

static int
read_sizes(struct config *c, const struct json_doc *doc, const json_t *root)
{
    c->vocab_size = 50432;
    c->hidden_size = 6144;
    c->intermediate_size = 24576;
    c->num_hidden_layers = 44;
    c->num_attention_heads = 64;
    c->max_position_embeddings = 2048;
    if (config_read_size(doc, root, "vocab_size", CONFIG_MAX_VOCAB, &c->vocab_size) < 0 ||
        config_read_size(doc, root, "hidden_size", CONFIG_MAX_HIDDEN, &c->hidden_size) < 0 ||
        config_read_size(doc, root, "intermediate_size", CONFIG_MAX_INTERMEDIATE,
                         &c->intermediate_size) < 0 ||
        config_read_size(doc, root, "num_hidden_layers", CONFIG_MAX_LAYERS,
                         &c->num_hidden_layers) < 0 ||
        config_read_size(doc, root, "num_attention_heads", CONFIG_MAX_HEADS,
                         &c->num_attention_heads) < 0 ||
        config_read_size(doc, root, "max_position_embeddings", CONFIG_MAX_POSITIONS,
                         &c->max_position_embeddings) < 0)
        return -1;
    if (c->hidden_size % c->num_attention_heads != 0)
        return err_set(STATUS_INPUT,
                       "%s: hidden_size (%lld) is not a multiple of num_attention_heads (%lld)",
                       doc->name, (long long)c->hidden_size, (long long)c->num_attention_heads);
    c->num_key_value_heads = c->num_attention_heads;
    c->head_dim = c->hidden_size / c->num_attention_heads;
    return 0;
}

static int
read_switches(struct config *c, const struct json_doc *doc, const json_t *root)
{
    c->norm = NORM_LAYER;
    c->norm_bias = c->mlp_bias = true;
    c->mlp = MLP_GELU;
    c->position = POSITION_ROTARY;
    c->norm_eps = 1e-5;
    c->attention_bias = c->parallel_residual = true;
    c->bos_token_id = 0;
    c->eos_token_id = 2;
    if (config_read_positive(doc, root, "layer_norm_eps", &c->norm_eps) < 0 ||
        config_read_positive(doc, root, "initializer_range", &c->initializer_range) < 0 ||
        config_read_gelu(c, doc, root, "hidden_act", "gelu") < 0 ||
        json_get_bool(doc, root, "attention_bias", JSON_MAY, &c->attention_bias) < 0 ||
        json_get_bool(doc, root, "use_parallel_residual", JSON_MAY, &c->parallel_residual) < 0 ||
        json_get_bool(doc, root, "tie_word_embeddings", JSON_MAY, &c->tie_word_embeddings) < 0 ||
        config_read_token_id(doc, root, "bos_token_id", c->vocab_size, &c->bos_token_id) < 0 ||
        config_read_token_id(doc, root, "eos_token_id", c->vocab_size, &c->eos_token_id) < 0 ||
        config_read_token_id(doc, root, "pad_token_id", c->vocab_size, &c->pad_token_id) < 0)
        return -1;
    c->output_bias = c->attention_bias;
    return 0;
}

int
config_read_neox(struct config *c, const struct json_doc *doc, const json_t *root)
{
    c->rope_theta = 1e4;
    c->rope_partial = 0.25;
    if (read_sizes(c, doc, root) < 0 || read_switches(c, doc, root) < 0 ||
        config_read_rope(c, doc, root, "rotary_emb_base", "rotary_pct") < 0)
        return -1;
    return check_general(doc, root, "rope_theta", c->rope_theta) < 0 ||
                   check_general(doc, root, "partial_rotary_factor", c->rope_partial) < 0
               ? -1
               : 0;
}

#include "model/config.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "json/json.h"
#include "model/config_read.h"

/* config.json: found by its family, read by that family's reader, checked as a whole. */

enum { CONFIG_LIMIT = 1 << 20 }; /* bytes of a config.json */

static const struct {
    const char *model_type, *architecture;
    enum family family;
    int (*read)(struct config *, const struct json_doc *, const json_t *);
} models[] = {
    {"llama", "LlamaForCausalLM", FAMILY_LLAMA, config_read_llama},
    {"mistral", "MistralForCausalLM", FAMILY_LLAMA, config_read_llama},
    {"gpt2", "GPT2LMHeadModel", FAMILY_GPT2, config_read_gpt2},
    {"gpt_neox", "GPTNeoXForCausalLM", FAMILY_NEOX, config_read_neox},
    {"mixtral", "MixtralForCausalLM", FAMILY_MIXTRAL, config_read_llama},
    {"qwen2", "Qwen2ForCausalLM", FAMILY_QWEN, config_read_llama},
    {"qwen2_moe", "Qwen2MoeForCausalLM", FAMILY_QWEN, config_read_llama},
    {"qwen3", "Qwen3ForCausalLM", FAMILY_QWEN, config_read_llama},
    {"qwen3_moe", "Qwen3MoeForCausalLM", FAMILY_QWEN, config_read_llama},
};
enum { MODELS = sizeof models / sizeof models[0] };
static const char known_types[] =
    "llama, mistral, gpt2, gpt_neox, mixtral, qwen2, qwen2_moe, qwen3, qwen3_moe";

/* Features whose presence, with a value other than the neutral one, changes the model. */
static const char *const features[] = {
    "quantization_config",
    "compression_config",
    "n_routed_experts",
    "no_rope_layers",
    "attn_logit_softcapping",
    "final_logit_softcapping",
    "logit_scale",
    "embedding_multiplier",
    "residual_multiplier",
    "attention_multiplier",
    "logits_scaling",
    "kv_lora_rank",
    "cross_attention_layers",
    "vision_config",
};

/* The same, but of families with experts. */
static const char *const expert_features[] = {
    "num_local_experts",
    "num_experts",
    "moe_intermediate_size",
};

bool
config_has(const json_t *root, const char *key)
{
    const json_t *value = json_object_get(root, key);

    return value && !json_is_null(value);
}

int
config_read_size(const struct json_doc *doc, const json_t *root, const char *key, int64_t max,
                 int64_t *out)
{
    return json_get_int(doc, root, key, JSON_MAY, 1, max, out) < 0 ? -1 : 0;
}

int
config_read_positive(const struct json_doc *doc, const json_t *root, const char *key, double *out)
{
    int got = json_get_real(doc, root, key, JSON_MAY, out);

    if (got < 0)
        return -1;
    /* Not (x > 0) also catches a NaN. */
    if (got && !(*out > 0 && *out < 1e30))
        return json_fail(doc, root, key, "expected a number above 0, found %g", *out);
    return 0;
}

int
config_read_token_id(const struct json_doc *doc, const json_t *root, const char *key,
                     int64_t vocab_size, int64_t *out)
{
    const json_t *value = json_object_get(root, key);

    /* A default that the vocabulary does not hold is none. */
    if (!value) {
        *out = *out < vocab_size ? *out : -1;
        return 0;
    }
    *out = -1;
    if (json_is_null(value))
        return 0;
    if (json_is_array(value)) {
        if (json_array_size(value) == 0)
            return 0;
        return json_at_int(doc, value, 0, -1, INT32_MAX, out) < 0 ? -1 : 0;
    }
    return json_get_int(doc, root, key, JSON_MAY, -1, INT32_MAX, out) < 0 ? -1 : 0;
}

static int
find_by_type(const struct json_doc *doc, const json_t *root)
{
    const char *type = NULL;

    if (json_get_string(doc, root, "model_type", JSON_MAY, &type) < 0)
        return -1;
    if (!type)
        return MODELS;
    for (int i = 0; i < MODELS; i++)
        if (strcmp(models[i].model_type, type) == 0)
            return i;
    return json_fail(doc, root, "model_type",
                     "\"%s\" is not supported (known: %s)", type, known_types);
}

/* Which of models[] the file is; -1 and an error when it is none or contradicts itself. */
static int
find_model(const struct json_doc *doc, const json_t *root)
{
    int by_type = find_by_type(doc, root), by_architecture = MODELS;
    const json_t *list = NULL;
    const char *name = NULL;

    if (by_type < 0 || json_get_array(doc, root, "architectures", JSON_MAY, &list) < 0)
        return -1;
    if (list && json_array_size(list) > 0) {
        if (json_at_string(doc, list, 0, &name) < 0)
            return -1;
        for (int i = 0; i < MODELS; i++)
            if (strcmp(models[i].architecture, name) == 0)
                by_architecture = i;
        if (by_architecture == MODELS)
            return json_fail(doc, root, "architectures",
                             "\"%s\" is not supported (known: those of %s)", name, known_types);
    }
    if (by_type == MODELS && by_architecture == MODELS)
        return json_fail(doc, root, "model_type", "missing (known: %s)", known_types);
    if (by_type != MODELS && by_architecture != MODELS && by_type != by_architecture)
        return json_fail(doc, root, "architectures", "\"%s\" contradicts model_type \"%s\"", name,
                         models[by_type].model_type);
    return by_type != MODELS ? by_type : by_architecture;
}

static int
refuse_list(const struct json_doc *doc, const json_t *root, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (config_has(root, list[i]) && !json_is_false(json_object_get(root, list[i])))
            return json_fail(doc, root, list[i], "is not supported");
    return 0;
}

static int
refuse_features(const struct json_doc *doc, const json_t *root, bool experts)
{
    if (refuse_list(doc, root, features, sizeof features / sizeof features[0]) < 0)
        return -1;
    if (!experts && refuse_list(doc, root, expert_features,
                                sizeof expert_features / sizeof expert_features[0]) < 0)
        return -1;

    bool flag = false;
    if (json_get_bool(doc, root, "is_encoder_decoder", JSON_MAY, &flag) < 0)
        return -1;
    if (flag)
        return json_fail(doc, root, "is_encoder_decoder", "is not supported");
    return 0;
}

/* What must hold between the values, whichever family they came from. */
static int
check_shapes(const struct config *c, const char *name)
{
    if (c->num_attention_heads % c->num_key_value_heads != 0)
        return err_set(
            STATUS_INPUT,
            "%s: num_attention_heads (%lld) is not a multiple of num_key_value_heads (%lld)", name,
            (long long)c->num_attention_heads, (long long)c->num_key_value_heads);
    if (c->position == POSITION_ROTARY && c->head_dim % 2 != 0)
        return err_set(STATUS_INPUT,
                       "%s: head_dim (%lld) is odd, rotary positions need an even one", name,
                       (long long)c->head_dim);

    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{"bos_token_id", c->bos_token_id},
               {"eos_token_id", c->eos_token_id},
               {"pad_token_id", c->pad_token_id}};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        if (ids[i].id >= c->vocab_size)
            return err_set(STATUS_INPUT, "%s: %s (%lld) is not below vocab_size (%lld)", name,
                           ids[i].key, (long long)ids[i].id, (long long)c->vocab_size);
    return 0;
}

static int
read_document(struct config *c, const struct json_doc *doc)
{
    const json_t *root;
    int model;

    if (json_root_object(doc, &root) < 0 || (model = find_model(doc, root)) < 0)
        return -1;
    if (refuse_features(doc, root, config_type_has_experts(models[model].model_type)) < 0)
        return -1;
    c->family = models[model].family;
    snprintf(c->model_type, sizeof c->model_type, "%s", models[model].model_type);
    c->bos_token_id = c->eos_token_id = c->pad_token_id = -1;
    c->initializer_range = 0.02;
    c->rope_factor = 1;
    if (models[model].read(c, doc, root) < 0)
        return -1;
    if (check_shapes(c, doc->name) < 0)
        return -1;
    return config_read_lora(c, doc, root);
}

int
config_parse(struct config *c, const char *name, const char *json, size_t n)
{
    struct json_doc doc;

    memset(c, 0, sizeof *c);
    if (n > CONFIG_LIMIT)
        return err_set(STATUS_INPUT, "%s: %zu bytes are too many for a config.json", name, n);
    if (json_doc_parse(&doc, name, json, n) < 0)
        return -1;

    int result = read_document(c, &doc);
    json_doc_release(&doc);
    if (result < 0) {
        config_release(c);
        return -1;
    }
    c->json = mem_strndup(json, n);
    return 0;
}

int
config_load(struct config *c, const char *path)
{
    struct str text = {0};
    int result;

    memset(c, 0, sizeof *c);
    if (file_load(path, CONFIG_LIMIT, &text) < 0)
        return -1;
    result = config_parse(c, path, text.data ? text.data : "", text.len);
    str_release(&text);
    return result;
}

static void
add_text(const struct config *c, struct str *out)
{
    if (c->json)
        str_adds(out, c->json);
    else
        config_write(c, "float32", out);
}

int
config_copy(struct config *to, const struct config *from)
{
    struct str text = {0};
    int result;

    add_text(from, &text);
    result = config_parse(to, "config.json", text.data, text.len);
    str_release(&text);
    return result;
}

int
config_with(struct config *to, const struct config *from, const char *key, struct json_t *value)
{
    struct json_doc doc = {0};
    struct str own = {0}, text = {0};
    int result;

    add_text(from, &own);
    result = json_doc_parse(&doc, "config.json", own.data, own.len);
    if (result < 0)
        json_decref(value);
    else if (value)
        json_object_set_new(doc.root, key, value);
    else
        json_object_del(doc.root, key);
    if (result == 0) {
        json_dump(doc.root, &text);
        result = config_parse(to, "config.json", text.data, text.len);
    }
    json_doc_release(&doc);
    str_release(&own);
    str_release(&text);
    return result;
}

const char *
config_architecture(const struct config *c)
{
    int i = 0;

    while (strcmp(models[i].model_type, c->model_type) != 0)
        i++;
    return models[i].architecture;
}

bool
config_windowed(const struct config *c, int64_t i)
{
    return c->sliding_window > 0 && !(c->full_attention[i / 64] >> (i % 64) & 1);
}

bool
config_mixed_windows(const struct config *c)
{
    for (int64_t i = 1; i < c->num_hidden_layers; i++)
        if (config_windowed(c, i) != config_windowed(c, 0))
            return true;
    return false;
}

bool
config_sparse(const struct config *c, int64_t i)
{
    return c->num_experts > 0 && (i + 1) % c->decoder_sparse_step == 0 &&
           !(c->mlp_only[i / 64] >> (i % 64) & 1);
}

int64_t
config_sparse_layers(const struct config *c)
{
    int64_t n = 0;

    for (int64_t i = 0; i < c->num_hidden_layers; i++)
        n += config_sparse(c, i);
    return n;
}

void
config_release(struct config *c)
{
    free(c->json);
    free(c->rope_divisors);
    c->json = NULL;
    c->rope_divisors = NULL;
}

int
config_check_length(const struct config *c, int64_t length)
{
    if (c->position == POSITION_LEARNED && length > c->max_position_embeddings)
        return err_set(STATUS_INPUT,
                       "%lld tokens are beyond the model's max_position_embeddings (%lld)",
                       (long long)length, (long long)c->max_position_embeddings);
    if (c->rope_scaling == ROPE_DYNAMIC && length > c->max_position_embeddings)
        return err_set(STATUS_INPUT,
                       "%lld tokens: beyond max_position_embeddings (%lld) the frequencies of "
                       "rope_type dynamic depend on the text's length so far, which is not supported",
                       (long long)length, (long long)c->max_position_embeddings);
    if (c->rope_scaling == ROPE_LONGROPE && length > c->rope_original_max_position)
        return err_set(STATUS_INPUT,
                       "%lld tokens: beyond original_max_position_embeddings (%lld) the frequencies "
                       "of rope_type longrope depend on the text's length so far, which is not "
                       "supported",
                       (long long)length, (long long)c->rope_original_max_position);
    return 0;
}

/* Appends "key A instead of B" when the two differ. */
static bool
same(struct str *why, const char *key, int64_t a, int64_t b)
{
    if (a == b)
        return true;
    str_addf(why, "%s%s %lld instead of %lld", why->len ? ", " : "", key, (long long)a,
             (long long)b);
    return false;
}

bool
config_same_shape(const struct config *a, const struct config *b, struct str *why)
{
    bool all = true;

    all &= same(why, "vocab_size", a->vocab_size, b->vocab_size);
    all &= same(why, "hidden_size", a->hidden_size, b->hidden_size);
    all &= same(why, "intermediate_size", a->intermediate_size, b->intermediate_size);
    all &= same(why, "num_hidden_layers", a->num_hidden_layers, b->num_hidden_layers);
    all &= same(why, "num_attention_heads", a->num_attention_heads, b->num_attention_heads);
    all &= same(why, "num_key_value_heads", a->num_key_value_heads, b->num_key_value_heads);
    all &= same(why, "head_dim", a->head_dim, b->head_dim);
    if (a->position == POSITION_LEARNED && b->position == POSITION_LEARNED)
        all &= same(why, "max_position_embeddings", a->max_position_embeddings,
                    b->max_position_embeddings);
    all &= same(why, "norm", a->norm, b->norm);
    all &= same(why, "position", a->position, b->position);
    all &= same(why, "mlp", a->mlp, b->mlp);
    all &= same(why, "attention_bias", a->attention_bias, b->attention_bias);
    all &= same(why, "output_bias", a->output_bias, b->output_bias);
    all &= same(why, "mlp_bias", a->mlp_bias, b->mlp_bias);
    all &= same(why, "norm_bias", a->norm_bias, b->norm_bias);
    all &= same(why, "qk_norm", a->qk_norm, b->qk_norm);
    all &= same(why, "use_parallel_residual", a->parallel_residual, b->parallel_residual);
    all &= same(why, "num_experts", a->num_experts, b->num_experts);
    all &= same(why, "moe_intermediate_size", a->moe_intermediate_size, b->moe_intermediate_size);
    all &= same(why, "shared_expert_intermediate_size", a->shared_intermediate_size,
                b->shared_intermediate_size);
    for (int64_t i = 0; all && i < a->num_hidden_layers; i++)
        all &= same(why, "experts in a layer", config_sparse(a, i), config_sparse(b, i));
    all &= same(why, "tie_word_embeddings", a->tie_word_embeddings, b->tie_word_embeddings);
    return all;
}

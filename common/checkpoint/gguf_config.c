#include "checkpoint/gguf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/gguf_tokenizer.h"
#include "json/write.h"
#include "model/config.h"

/* A model's values, which have the architecture's name before them, as the keys of a config.json. */

enum layout { LLAMA, GPT2, NEOX };

static const struct architecture {
    const char *name, *model_type, *class;
    enum layout layout;
} architectures[] = {
    {"llama", "llama", "LlamaForCausalLM", LLAMA},
    {"llama", "mixtral", "MixtralForCausalLM", LLAMA}, /* with experts */
    {"llama", "mistral", "MistralForCausalLM", LLAMA}, /* with a window */
    {"qwen2", "qwen2", "Qwen2ForCausalLM", LLAMA},
    {"qwen3", "qwen3", "Qwen3ForCausalLM", LLAMA},
    {"qwen2moe", "qwen2_moe", "Qwen2MoeForCausalLM", LLAMA},
    {"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM", LLAMA},
    {"gpt2", "gpt2", "GPT2LMHeadModel", GPT2},
    {"gptneox", "gpt_neox", "GPTNeoXForCausalLM", NEOX},
};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

struct source {
    const struct gguf *g;
    const struct architecture *a;
    char key[128]; /* the last one asked for */
    int64_t layers, hidden, heads, kv_heads, head_dim, rotary, intermediate, positions, vocab;
    int64_t experts, experts_used, window;
    double eps, theta;
};

static const char *
key_of(struct source *s, const char *name)
{
    snprintf(s->key, sizeof s->key, "%s.%s", s->a->name, name);
    return s->key;
}

static int
refuse(const struct source *s, const char *key, const char *what)
{
    return err_set(STATUS_INPUT, "%s: %s: %s", s->g->path, key, what);
}

/*
 * A size, or an array of one for each layer, in which all are the same. 1, 0 (absent), -1.
 */
static int
get_size(struct source *s, const char *name, bool need, int64_t max, int64_t *out)
{
    const char *key = key_of(s, name);
    const struct gguf_value *v = gguf_find(s->g, key);
    struct gguf_items items;
    int64_t n, first = 0;
    if (!v || v->type != GGUF_ARRAY)
        return gguf_get_int(s->g, key, need, 1, max, out);
    if (gguf_get_array(s->g, key, true, GGUF_I64, &items) < 0)
        return -1;
    for (bool any = false; gguf_next_int(&items, &n); any = true) {
        if (n < 1 || n > max)
            return refuse(s, key, "a size out of range");
        if (any && n != first)
            return refuse(s, key, "layers of different sizes are not supported");
        first = n;
    }
    if (first == 0)
        return refuse(s, key, "an empty list");
    *out = first;
    return 1;
}

/* A switch or number that must have the value llama.cpp computes with when it is absent. */
static int
refuse_other(struct source *s, const char *name, double neutral, double also)
{
    const char *key = key_of(s, name);
    const struct gguf_value *v = gguf_find(s->g, key);
    double value = neutral;
    bool flag;
    if (!v)
        return 0;
    if (v->type == GGUF_BOOL && gguf_get_bool(s->g, key, true, &flag) > 0)
        value = flag;
    else if (gguf_get_real(s->g, key, true, &value) < 0)
        return -1;
    if (value == neutral || value == also)
        return 0;
    return err_set(STATUS_INPUT, "%s: %s: %g is not supported", s->g->path, key, value);
}

static int
refuse_features(struct source *s)
{
    static const struct {
        const char *name;
        double neutral, also;
    } features[] = {
        {"attention.causal", 1, 1},
        {"attention.max_alibi_bias", 0, 0},
        {"attention.clamp_kqv", 0, 0},
        {"attention.scale", 0, 0},
        {"attn_logit_softcapping", 0, 0},
        {"final_logit_softcapping", 0, 0},
        {"logit_scale", 1, 0},
        {"embedding_scale", 1, 0},
        {"residual_scale", 1, 0},
        {"expert_weights_scale", 1, 0},
        {"expert_gating_func", 1, 0}, /* softmax */
        {"expert_group_count", 0, 1},
        {"leading_dense_block_count", 0, 0},
        {"nextn_predict_layers", 0, 0},
    };
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        if (refuse_other(s, features[i].name, features[i].neutral, features[i].also) < 0)
            return -1;
    return 0;
}

/* general.architecture; "llama" is several classes. */
static int
find_architecture(struct source *s)
{
    const char *name;
    size_t n;
    if (gguf_get_string(s->g, "general.architecture", true, &name, &n) < 0)
        return -1;
    for (int i = 0; i < ARCHITECTURES && !s->a; i++)
        if (strlen(architectures[i].name) == n && memcmp(architectures[i].name, name, n) == 0)
            s->a = &architectures[i];
    if (!s->a)
        return err_set(STATUS_INPUT,
                       "%s: general.architecture: \"%.*s\" is not supported (known: llama, qwen2, "
                       "qwen3, qwen2moe, qwen3moe, gpt2, gptneox)",
                       s->g->path, (int)(n < 64 ? n : 64), name);
    return 0;
}

/* Llama with experts is Mixtral, with a window Mistral. */
static int
choose_class(struct source *s)
{
    int64_t window = 0;
    if (gguf_get_int(s->g, key_of(s, "expert_count"), false, 0, CONFIG_MAX_EXPERTS, &s->experts) <
            0 ||
        gguf_get_int(s->g, key_of(s, "attention.sliding_window"), false, 0, INT32_MAX, &window) < 0)
        return -1;
    s->window = window;
    if (strcmp(s->a->name, "llama") == 0 && s->experts > 0)
        s->a = &architectures[1];
    else if (strcmp(s->a->name, "llama") == 0 && window > 0)
        s->a = &architectures[2];
    else if (window > 0)
        return refuse(s, s->key, "is not supported");
    return 0;
}

static int
get_sizes(struct source *s)
{
    int64_t value = 0;
    const struct gguf_tensor *embedding = gguf_find_tensor(s->g, "token_embd.weight");
    if (!embedding || embedding->size[1] < 1 || embedding->size[1] > CONFIG_MAX_VOCAB)
        return err_set(STATUS_INPUT, "%s: tensor token_embd.weight is missing, or too large",
                       s->g->path);
    s->vocab = (int64_t)embedding->size[1];
    if (get_size(s, "block_count", true, CONFIG_MAX_LAYERS, &s->layers) < 0 ||
        get_size(s, "embedding_length", true, CONFIG_MAX_HIDDEN, &s->hidden) < 0 ||
        get_size(s, "context_length", true, CONFIG_MAX_POSITIONS, &s->positions) < 0 ||
        get_size(s, "feed_forward_length", s->experts == 0, CONFIG_MAX_INTERMEDIATE,
                 &s->intermediate) < 0 ||
        get_size(s, "attention.head_count", true, CONFIG_MAX_HEADS, &s->heads) < 0)
        return -1;
    s->kv_heads = s->heads;
    s->head_dim = s->hidden / s->heads ? s->hidden / s->heads : 1;
    if (get_size(s, "attention.head_count_kv", false, CONFIG_MAX_HEADS, &s->kv_heads) < 0 ||
        get_size(s, "attention.key_length", false, CONFIG_MAX_HEAD_DIM, &s->head_dim) < 0)
        return -1;
    value = s->rotary = s->head_dim;
    if (get_size(s, "attention.value_length", false, CONFIG_MAX_HEAD_DIM, &value) < 0)
        return -1;
    if (value != s->head_dim)
        return refuse(s, s->key, "another size than keys have is not supported");
    if (get_size(s, "rope.dimension_count", false, CONFIG_MAX_HEAD_DIM, &s->rotary) < 0)
        return -1;
    if (s->rotary > s->head_dim || (s->a->layout == LLAMA && s->rotary != s->head_dim))
        return refuse(s, s->key, "other than the size of a head is not supported");
    return 0;
}

/* Single precision numbers as the shortest decimal that reads back: 1e-05, not 9.99999975e-06. */
static double
shortest(double value)
{
    char text[32];
    for (int digits = 1; digits < 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        double d = strtod(text, NULL);
        if ((float)d == (float)value)
            return d;
    }
    return value;
}

static int
get_numbers(struct source *s)
{
    const char *eps = s->a->layout == LLAMA ? "attention.layer_norm_rms_epsilon"
                                            : "attention.layer_norm_epsilon";
    s->eps = 1e-5;
    s->theta = 10000;
    if (gguf_get_real(s->g, key_of(s, eps), true, &s->eps) < 0 ||
        gguf_get_real(s->g, key_of(s, "rope.freq_base"), false, &s->theta) < 0)
        return -1;
    s->eps = shortest(s->eps);
    s->theta = shortest(s->theta);
    return 0;
}

/* ---- rotary scaling ---- */

/*
 * Llama 3.1's scaling as llama.cpp stores it: rope_freqs.weight has for each frequency what it is divided
 * by, of which the rule's numbers are found again: between its two bounds the reciprocal is linear in
 * the frequency.
 */
double
gguf_llama3_divisor(const struct gguf_llama3 *r, double frequency)
{
    double turns = (double)r->original * frequency / (2 * M_PI); /* original / wavelength */
    if (turns < r->low)
        return r->factor;
    if (turns > r->high)
        return 1;
    double smooth = (turns - r->low) / (r->high - r->low);
    return 1 / ((1 - smooth) / r->factor + smooth);
}

static bool
llama3_is(const struct gguf_llama3 *r, const float *divisor, const double *frequency, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (fabs(gguf_llama3_divisor(r, frequency[i]) / (double)divisor[i] - 1) > 1e-5)
            return false;
    return r->high > r->low;
}

/* From two divisors strictly between 1 and the factor. */
static bool
llama3_fit(struct gguf_llama3 *r, const float *divisor, const double *frequency, int64_t n)
{
    int64_t first = -1, last = -1;
    for (int64_t i = 0; i < n; i++)
        if ((double)divisor[i] > 1.000001 && (double)divisor[i] < r->factor * 0.999999) {
            first = first < 0 ? i : first;
            last = i;
        }
    if (first == last)
        return false;
    double turns[2], smooth[2];
    for (int k = 0; k < 2; k++) {
        int64_t i = k ? last : first;
        turns[k] = (double)r->original * frequency[i] / (2 * M_PI);
        smooth[k] = (1 / (double)divisor[i] - 1 / r->factor) / (1 - 1 / r->factor);
    }
    double span = (turns[1] - turns[0]) / (smooth[1] - smooth[0]);
    r->low = round((turns[0] - smooth[0] * span) * 1000) / 1000;
    r->high = round((turns[0] + (1 - smooth[0]) * span) * 1000) / 1000;
    return true;
}

/* 1: *out is the rule; 0: no such tensor, or all ones; -1. */
static int
find_llama3(struct source *s, struct gguf_llama3 *out)
{
    const struct gguf_tensor *t = gguf_find_tensor(s->g, "rope_freqs.weight");
    int64_t half = s->rotary / 2;
    if (!t)
        return 0;
    if (t->elements != (uint64_t)half || half < 1)
        return err_set(STATUS_INPUT, "%s: tensor rope_freqs.weight: %llu elements, expected %lld",
                       s->g->path, (unsigned long long)t->elements, (long long)half);
    float *divisor = mem_array((size_t)half, sizeof *divisor);
    double *frequency = mem_array((size_t)half, sizeof *frequency);
    int result = gguf_read_float(s->g, t, 0, (size_t)half, divisor);
    *out = (struct gguf_llama3){.factor = 1, .low = 1, .high = 4, .original = 8192};
    for (int64_t i = 0; i < half && result == 0; i++) {
        frequency[i] = pow(s->theta, -2.0 * (double)i / (double)s->rotary);
        if ((double)divisor[i] > out->factor)
            out->factor = shortest((double)divisor[i]);
    }
    if (result == 0)
        result = gguf_get_int(s->g, key_of(s, "rope.scaling.original_context_length"), false, 1,
                              CONFIG_MAX_POSITIONS, &out->original);
    if (result >= 0) {
        bool found = llama3_is(out, divisor, frequency, half) ||
                     (llama3_fit(out, divisor, frequency, half) &&
                      llama3_is(out, divisor, frequency, half));
        result = !found ? err_set(STATUS_INPUT,
                                  "%s: tensor rope_freqs.weight: not the scaling of Llama 3.1",
                                  s->g->path)
                        : out->factor > 1;
    }
    free(divisor);
    free(frequency);
    return result;
}

static void
put_llama3(struct json_writer *w, const struct gguf_llama3 *r)
{
    json_put_string(w, "rope_type", "llama3");
    json_put_real(w, "factor", r->factor);
    json_put_real(w, "low_freq_factor", r->low);
    json_put_real(w, "high_freq_factor", r->high);
    json_put_int(w, "original_max_position_embeddings", r->original);
}

/* A value of scaling under its name there, where it stands. */
static int
put_scaling_real(struct source *s, struct json_writer *w, const char *name, const char *theirs)
{
    double value;
    int found = gguf_get_real(s->g, key_of(s, name), false, &value);
    if (found > 0)
        json_put_real(w, theirs, shortest(value));
    return found < 0 ? -1 : 0;
}

/* llama.cpp multiplies its factor with what YaRN's rule gives; there it takes the rule's place. */
static int
put_attention_factor(struct source *s, struct json_writer *w, double factor)
{
    double value;
    int found = gguf_get_real(s->g, key_of(s, "rope.scaling.attn_factor"), false, &value);
    if (found > 0)
        json_put_real(w, "attention_factor",
                      factor > 1 ? shortest(value * (0.1 * log(factor) + 1)) : value);
    return found < 0 ? -1 : 0;
}

static int
put_yarn(struct source *s, struct json_writer *w, double factor)
{
    int64_t original = 0;
    int found = gguf_get_int(s->g, key_of(s, "rope.scaling.original_context_length"), false, 1,
                             CONFIG_MAX_POSITIONS, &original);
    if (found > 0)
        json_put_int(w, "original_max_position_embeddings", original);
    if (found < 0 || put_attention_factor(s, w, factor) < 0 ||
        put_scaling_real(s, w, "rope.scaling.yarn_beta_fast", "beta_fast") < 0)
        return -1;
    return put_scaling_real(s, w, "rope.scaling.yarn_beta_slow", "beta_slow");
}

static int
put_scaling(struct source *s, struct json_writer *w)
{
    struct gguf_llama3 rule;
    const char *type = "none";
    size_t n = 4;
    double factor = 1;
    int llama3 = find_llama3(s, &rule);
    if (llama3 < 0 || gguf_get_string(s->g, key_of(s, "rope.scaling.type"), false, &type, &n) < 0 ||
        gguf_get_real(s->g, key_of(s, "rope.scale_linear"), false, &factor) < 0 ||
        gguf_get_real(s->g, key_of(s, "rope.scaling.factor"), false, &factor) < 0)
        return -1;
    bool linear = n == 6 && memcmp(type, "linear", 6) == 0;
    bool yarn = n == 4 && memcmp(type, "yarn", 4) == 0;
    bool none = n == 4 && memcmp(type, "none", 4) == 0;
    if (!linear && !yarn && !none)
        return err_set(STATUS_INPUT, "%s: %s.rope.scaling.type: \"%.*s\" is not supported",
                       s->g->path, s->a->name, (int)(n < 32 ? n : 32), type);
    if (llama3 && (linear || yarn))
        return refuse(s, "rope_freqs.weight", "with another scaling is not supported");
    if (llama3) {
        put_llama3(w, &rule);
        return 0;
    }
    if (none && !gguf_find(s->g, key_of(s, "rope.scale_linear")))
        factor = 1;
    if (factor == 1 && !yarn) {
        json_put_string(w, "rope_type", "default");
        return 0;
    }
    json_put_string(w, "rope_type", yarn ? "yarn" : "linear");
    json_put_real(w, "factor", shortest(factor));
    return yarn ? put_yarn(s, w, factor) : 0;
}

static int
put_rope(struct source *s, struct json_writer *w)
{
    json_begin_object(w, "rope_parameters");
    json_put_real(w, "rope_theta", s->theta);
    if (s->a->layout == NEOX)
        json_put_real(w, "partial_rotary_factor", (double)s->rotary / (double)s->head_dim);
    int result = put_scaling(s, w);
    json_end_object(w);
    return result;
}

/* ---- families ---- */

/* A size that a tensor of experts has. */
static int64_t
rows_of(const struct source *s, const char *tensor, int64_t otherwise)
{
    const struct gguf_tensor *t = gguf_find_tensor(s->g, tensor);
    return t && t->size[1] <= CONFIG_MAX_INTERMEDIATE ? (int64_t)t->size[1] : otherwise;
}

static int
put_experts(struct source *s, struct json_writer *w)
{
    bool mixtral = strcmp(s->a->model_type, "mixtral") == 0;
    bool qwen2 = strcmp(s->a->model_type, "qwen2_moe") == 0, norm = mixtral || !qwen2;
    if (gguf_get_int(s->g, key_of(s, "expert_used_count"), true, 1, CONFIG_MAX_EXPERTS,
                     &s->experts_used) < 0 ||
        gguf_get_bool(s->g, key_of(s, "expert_weights_norm"), false, &norm) < 0)
        return -1;
    if (mixtral && !norm)
        return refuse(s, s->key, "false is not supported");
    int64_t inner = rows_of(s, "blk.0.ffn_gate_exps.weight", 0);
    if (inner < 1)
        return err_set(STATUS_INPUT, "%s: tensor blk.0.ffn_gate_exps.weight is missing",
                       s->g->path);
    json_put_int(w, qwen2 ? "num_experts" : "num_local_experts", s->experts);
    json_put_int(w, "num_experts_per_tok", s->experts_used);
    json_put_int(w, "intermediate_size", mixtral || !s->intermediate ? inner : s->intermediate);
    if (mixtral)
        return 0;
    json_put_int(w, "moe_intermediate_size", inner);
    json_put_bool(w, "norm_topk_prob", norm);
    json_put_int(w, "decoder_sparse_step", 1);
    if (qwen2)
        json_put_int(w, "shared_expert_intermediate_size",
                     rows_of(s, "blk.0.ffn_gate_shexp.weight", inner));
    return 0;
}

static int
put_llama(struct source *s, struct json_writer *w)
{
    bool llama = strcmp(s->a->model_type, "llama") == 0;
    json_put_string(w, "hidden_act", "silu");
    json_put_int(w, "hidden_size", s->hidden);
    json_put_int(w, "num_hidden_layers", s->layers);
    json_put_int(w, "num_attention_heads", s->heads);
    json_put_int(w, "num_key_value_heads", s->kv_heads);
    json_put_int(w, "head_dim", s->head_dim);
    json_put_int(w, "max_position_embeddings", s->positions);
    json_put_real(w, "rms_norm_eps", s->eps);
    if (llama || strncmp(s->a->model_type, "qwen3", 5) == 0)
        json_put_bool(w, "attention_bias", gguf_find_tensor(s->g, "blk.0.attn_q.bias") != NULL);
    if (llama)
        json_put_bool(w, "mlp_bias", gguf_find_tensor(s->g, "blk.0.ffn_up.bias") != NULL);
    if (strcmp(s->a->model_type, "qwen2_moe") == 0)
        json_put_bool(w, "qkv_bias", gguf_find_tensor(s->g, "blk.0.attn_q.bias") != NULL);
    if (strncmp(s->a->model_type, "qwen", 4) == 0)
        json_put_bool(w, "use_sliding_window", false);
    else if (!llama && s->window > 0)
        json_put_int(w, "sliding_window", s->window);
    else if (!llama)
        json_put_null(w, "sliding_window");
    if (s->experts > 0)
        return put_experts(s, w);
    json_put_int(w, "intermediate_size", s->intermediate);
    return 0;
}

/* llama.cpp's GELU is the one of tanh. */
static void
put_gpt2(struct source *s, struct json_writer *w)
{
    json_put_string(w, "activation_function", "gelu_new");
    json_put_int(w, "n_embd", s->hidden);
    json_put_int(w, "n_inner", s->intermediate);
    json_put_int(w, "n_layer", s->layers);
    json_put_int(w, "n_head", s->heads);
    json_put_int(w, "n_positions", s->positions);
    json_put_int(w, "n_ctx", s->positions);
    json_put_real(w, "layer_norm_epsilon", s->eps);
}

/* The models were trained with the GELU of erf, which llama.cpp approximates. */
static int
put_neox(struct source *s, struct json_writer *w)
{
    bool parallel = true;
    if (gguf_get_bool(s->g, key_of(s, "use_parallel_residual"), false, &parallel) < 0)
        return -1;
    json_put_string(w, "hidden_act", "gelu");
    json_put_int(w, "hidden_size", s->hidden);
    json_put_int(w, "intermediate_size", s->intermediate);
    json_put_int(w, "num_hidden_layers", s->layers);
    json_put_int(w, "num_attention_heads", s->heads);
    json_put_int(w, "max_position_embeddings", s->positions);
    json_put_real(w, "layer_norm_eps", s->eps);
    json_put_bool(w, "use_parallel_residual", parallel);
    json_put_bool(w, "attention_bias", true);
    return 0;
}

static int
put_ids(const struct source *s, struct json_writer *w)
{
    static const char *const keys[] = {"bos_token_id", "eos_token_id"};
    int64_t id;
    for (size_t i = 0; i < 2; i++) {
        int found = gguf_token_id(s->g, keys[i], &id);
        if (found < 0)
            return -1;
        if (found && id < s->vocab)
            json_put_int(w, keys[i], id);
        else
            json_put_null(w, keys[i]);
    }
    int found = gguf_token_id(s->g, "padding_token_id", &id);
    if (found > 0 && id < s->vocab)
        json_put_int(w, "pad_token_id", id);
    return found < 0 ? -1 : 0;
}

int
gguf_config(const struct gguf *g, struct str *json)
{
    struct source s = {.g = g};
    struct json_writer w = {.out = json, .indent = 2};
    if (find_architecture(&s) < 0 || choose_class(&s) < 0 || refuse_features(&s) < 0 ||
        get_sizes(&s) < 0 || get_numbers(&s) < 0)
        return -1;
    json_begin_object(&w, NULL);
    json_begin_array(&w, "architectures");
    json_put_string(&w, NULL, s.a->class);
    json_end_array(&w);
    json_put_string(&w, "model_type", s.a->model_type);
    json_put_string(&w, "dtype", "float32");
    json_put_int(&w, "vocab_size", s.vocab);
    if (s.a->layout == GPT2)
        put_gpt2(&s, &w);
    else if ((s.a->layout == LLAMA ? put_llama(&s, &w) : put_neox(&s, &w)) < 0 ||
             put_rope(&s, &w) < 0)
        return -1;
    json_put_bool(&w, "tie_word_embeddings", !gguf_find_tensor(g, "output.weight"));
    json_put_bool(&w, "use_cache", true);
    if (put_ids(&s, &w) < 0)
        return -1;
    json_end_object(&w);
    str_addc(json, '\n');
    return 0;
}

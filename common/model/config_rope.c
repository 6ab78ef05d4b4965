#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "model/config_read.h"

/*
 * Rotary scaling, read and written: none, linear (Chen et al., 2023), Llama 3.1's, YaRN (Peng et al.,
 * 2023), LongRoPE (Ding et al., 2024), dynamic (NTK-aware) and proportional, as transformers 5 names
 * and defaults them. rotary.c makes frequencies of it.
 */

static const char *const type_names[] = {
    [ROPE_DEFAULT] = "default", [ROPE_LINEAR] = "linear",
    [ROPE_LLAMA3] = "llama3",   [ROPE_DYNAMIC] = "dynamic",
    [ROPE_YARN] = "yarn",       [ROPE_LONGROPE] = "longrope",
    [ROPE_PROPORTIONAL] = "proportional",
};
enum { TYPES = sizeof type_names / sizeof type_names[0] };

/* rope_type was called type once. */
static int
read_type(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    const char *type = NULL;

    if (json_get_string(doc, rope, "rope_type", JSON_MAY, &type) < 0)
        return -1;
    if (!type && json_get_string(doc, rope, "type", JSON_MAY, &type) < 0)
        return -1;
    c->rope_scaling = ROPE_DEFAULT;
    for (int i = 0; type && i < TYPES; i++)
        if (strcmp(type, type_names[i]) == 0) {
            c->rope_scaling = (enum rope_scaling)i;
            return 0;
        }
    return !type ? 0
                 : json_fail(doc, rope, "rope_type",
                             "\"%s\" is not supported (known: default, linear, llama3, dynamic, "
                             "yarn, longrope, proportional)", type);
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
    if (c->rope_low_freq_factor >= c->rope_high_freq_factor)
        return json_fail(doc, rope, "high_freq_factor", "%g is not above low_freq_factor (%g)",
                         c->rope_high_freq_factor, c->rope_low_freq_factor);
    return 0;
}

/* The factor that is null or (long) missing is how much longer the text became. */
static int
read_stretch(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    c->rope_factor = (double)c->max_position_embeddings / (double)c->rope_original_max_position;
    return config_read_positive(doc, rope, "factor", &c->rope_factor);
}

/* Peng et al., 2023, section 3.4: the softmax's temperature as a factor of queries and keys. */
static double
yarn_magnitude(double factor, double scale)
{
    return factor <= 1 ? 1 : 0.1 * scale * log(factor) + 1;
}

static int
read_yarn(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    double scale = 0, scale_all = 0;

    if (!json_object_get(rope, "factor"))
        return json_fail(doc, rope, "factor", "missing");
    if (c->rope_theta <= 1)
        return json_fail(doc, rope, "rope_theta", "expected a number above 1 for yarn, found %g",
                         c->rope_theta);
    c->rope_beta_fast = 32;
    c->rope_beta_slow = 1;
    c->rope_truncate = true;
    if (read_stretch(c, doc, rope) < 0 ||
        json_get_real(doc, rope, "mscale", JSON_MAY, &scale) < 0 ||
        json_get_real(doc, rope, "mscale_all_dim", JSON_MAY, &scale_all) < 0 ||
        config_read_positive(doc, rope, "beta_fast", &c->rope_beta_fast) < 0 ||
        config_read_positive(doc, rope, "beta_slow", &c->rope_beta_slow) < 0 ||
        json_get_bool(doc, rope, "truncate", JSON_MAY, &c->rope_truncate) < 0)
        return -1;
    c->rope_attention_factor = yarn_magnitude(c->rope_factor, 1);
    if (scale != 0 && scale_all != 0)
        c->rope_attention_factor = yarn_magnitude(c->rope_factor, scale) /
                                   yarn_magnitude(c->rope_factor, scale_all);
    return config_read_positive(doc, rope, "attention_factor", &c->rope_attention_factor);
}

/* One divisor a pair of elements. */
static int
read_divisors(const struct config *c, const struct json_doc *doc, const json_t *rope,
              const char *key, double *out)
{
    size_t n = (size_t)c->rotary_dim / 2;
    const json_t *list;

    if (json_get_array(doc, rope, key, JSON_NEED, &list) < 0)
        return -1;
    if (json_array_size(list) != n)
        return json_fail(doc, rope, key, "%zu numbers instead of %zu, half of the rotary dimension",
                         json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        if (json_at_real(doc, list, i, &out[i]) < 0)
            return -1;
        if (!(out[i] > 0 && out[i] < 1e30))
            return json_fail_at(doc, list, i, "expected a number above 0, found %g", out[i]);
    }
    return 0;
}

static int
read_longrope(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    int64_t original = c->rope_original_max_position;

    if (original < 2)
        return json_fail(doc, rope, "original_max_position_embeddings", "expected 2 or more");
    c->rope_divisors = mem_zarray((size_t)c->rotary_dim, sizeof *c->rope_divisors);
    if (read_stretch(c, doc, rope) < 0 ||
        read_divisors(c, doc, rope, "short_factor", c->rope_divisors) < 0 ||
        read_divisors(c, doc, rope, "long_factor", c->rope_divisors + c->rotary_dim / 2) < 0)
        return -1;
    if (c->rope_factor > 1)
        c->rope_attention_factor = sqrt(1 + log(c->rope_factor) / log((double)original));
    return config_read_positive(doc, rope, "attention_factor", &c->rope_attention_factor);
}

/* It turns a part of the pairs by the frequencies that they would have without it. */
static int
read_proportional(struct config *c, const struct json_doc *doc, const json_t *rope)
{
    if (c->rope_partial > 1)
        return json_fail(doc, rope, "partial_rotary_factor", "expected a number in (0, 1], found %g",
                         c->rope_partial);
    c->rotary_dim = c->head_dim;
    return config_read_positive(doc, rope, "factor", &c->rope_factor);
}

/* Where the model was trained before its positions were stretched: beside the scaling or in it. */
static int
read_original(struct config *c, const struct json_doc *doc, const json_t *root, const json_t *rope)
{
    static const char key[] = "original_max_position_embeddings";

    if (c->rope_scaling != ROPE_LLAMA3 && c->rope_scaling != ROPE_YARN &&
        c->rope_scaling != ROPE_LONGROPE)
        return 0;
    c->rope_original_max_position = c->max_position_embeddings;
    return config_read_size(doc, config_has(root, key) ? root : rope, key, CONFIG_MAX_POSITIONS,
                            &c->rope_original_max_position);
}

static int
read_scaling(struct config *c, const struct json_doc *doc, const json_t *root, const json_t *rope)
{
    if (read_original(c, doc, root, rope) < 0)
        return -1;
    switch (c->rope_scaling) {
    case ROPE_DEFAULT:
        return 0;
    case ROPE_LINEAR:
    case ROPE_DYNAMIC:
        return need(doc, rope, "factor", &c->rope_factor);
    case ROPE_LLAMA3:
        return read_llama3(c, doc, rope);
    case ROPE_YARN:
        return read_yarn(c, doc, rope);
    case ROPE_LONGROPE:
        return read_longrope(c, doc, rope);
    case ROPE_PROPORTIONAL:
        return read_proportional(c, doc, rope);
    }
    return 0;
}

/* How much of a head is turned: all of it but in GPT-NeoX. */
static int
set_rotary_dim(struct config *c, const struct json_doc *doc, const json_t *object, const char *key)
{
    bool part = c->family == FAMILY_NEOX;

    if (c->rope_scaling == ROPE_PROPORTIONAL)
        return 0;
    if (!part && c->rope_partial != 1)
        return json_fail(doc, object, key, "%g is not supported (only 1)", c->rope_partial);
    c->rotary_dim = (int64_t)((double)c->head_dim * c->rope_partial);
    if (c->rope_partial > 1 || c->rotary_dim < 2 || (part && c->rotary_dim % 2 != 0))
        return json_fail(doc, object, key,
                         "%g of head_dim %lld is %lld elements, not an even number of them in it",
                         c->rope_partial, (long long)c->head_dim, (long long)c->rotary_dim);
    return 0;
}

/*
 * transformers 5 writes rope_parameters, which holds rope_theta; before, rope_theta stood
 * at the top and rope_scaling, when not null, beside it. Where both stand, the old one counts
 * there.
 */
int
config_read_rope(struct config *c, const struct json_doc *doc, const json_t *root,
                 const char *theta_key, const char *partial_key)
{
    const json_t *rope = NULL, *scaling = NULL;

    c->rope_factor = c->rope_attention_factor = 1;
    if (config_read_positive(doc, root, theta_key, &c->rope_theta) < 0 ||
        config_read_positive(doc, root, partial_key, &c->rope_partial) < 0 ||
        json_get_object(doc, root, "rope_parameters", JSON_MAY, &rope) < 0 ||
        json_get_object(doc, root, "rope_scaling", JSON_MAY, &scaling) < 0)
        return -1;
    if (scaling && json_object_size(scaling) > 0)
        rope = scaling;
    if (!rope)
        return set_rotary_dim(c, doc, root, partial_key);

    if (config_has(rope, "full_attention") || config_has(rope, "sliding_attention"))
        return json_fail(doc, rope, NULL, "parameters per layer type are not supported");
    bool inside = config_has(rope, "partial_rotary_factor");
    if (config_read_positive(doc, rope, "rope_theta", &c->rope_theta) < 0 ||
        config_read_positive(doc, rope, "partial_rotary_factor", &c->rope_partial) < 0 ||
        read_type(c, doc, rope) < 0 ||
        set_rotary_dim(c, doc, inside ? rope : root,
                       inside ? "partial_rotary_factor" : partial_key) < 0)
        return -1;
    return read_scaling(c, doc, root, rope);
}

/* ---- writing ---- */

static void
write_divisors(struct json_writer *w, const struct config *c)
{
    int64_t half = c->rotary_dim / 2;

    for (int k = 0; k < 2; k++) {
        json_begin_array(w, k == 0 ? "short_factor" : "long_factor");
        for (int64_t i = 0; i < half; i++)
            json_put_real(w, NULL, c->rope_divisors[k * half + i]);
        json_end_array(w);
    }
}

static void
write_scaling(struct json_writer *w, const struct config *c)
{
    enum rope_scaling type = c->rope_scaling;

    json_put_string(w, "rope_type", type_names[type]);
    if (c->family == FAMILY_NEOX || type == ROPE_PROPORTIONAL)
        json_put_real(w, "partial_rotary_factor", c->rope_partial);
    if (type != ROPE_DEFAULT)
        json_put_real(w, "factor", c->rope_factor);
    if (type == ROPE_LLAMA3) {
        json_put_real(w, "low_freq_factor", c->rope_low_freq_factor);
        json_put_real(w, "high_freq_factor", c->rope_high_freq_factor);
    }
    if (type == ROPE_YARN) {
        json_put_real(w, "beta_fast", c->rope_beta_fast);
        json_put_real(w, "beta_slow", c->rope_beta_slow);
        json_put_bool(w, "truncate", c->rope_truncate);
    }
    if (type == ROPE_LONGROPE)
        write_divisors(w, c);
    if (type == ROPE_YARN || type == ROPE_LONGROPE)
        json_put_real(w, "attention_factor", c->rope_attention_factor);
    if (type == ROPE_LLAMA3 || type == ROPE_YARN || type == ROPE_LONGROPE)
        json_put_int(w, "original_max_position_embeddings", c->rope_original_max_position);
}

/* Both forms, of the same values: older software takes the one, newer the other. */
void
config_write_rope(struct json_writer *w, const struct config *c)
{
    bool neox = c->family == FAMILY_NEOX;

    json_begin_object(w, "rope_parameters");
    json_put_real(w, "rope_theta", c->rope_theta);
    write_scaling(w, c);
    json_end_object(w);
    json_put_real(w, neox ? "rotary_emb_base" : "rope_theta", c->rope_theta);
    if (neox)
        json_put_real(w, "rotary_pct", c->rope_partial);
    if (c->rope_scaling == ROPE_DEFAULT)
        return;
    json_begin_object(w, "rope_scaling");
    write_scaling(w, c);
    json_end_object(w);
}

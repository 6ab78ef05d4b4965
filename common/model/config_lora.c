#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "model/config_read.h"

/* Adapters in a configuration: their modules' names, and the member "lora" of a checkpoint's. */

struct module {
    const char *name;
    unsigned targets;
};

static const struct module llama[] = {
    {"q_proj", LORA_QUERY},   {"k_proj", LORA_KEY},
    {"v_proj", LORA_VALUE},   {"o_proj", LORA_OUTPUT},
    {"gate_proj", LORA_GATE}, {"up_proj", LORA_UP},
    {"down_proj", LORA_DOWN}, {NULL, 0},
};

/* One name for two modules, as PEFT takes the ends of names; the long names are one each. */
static const struct module gpt2[] = {
    {"c_attn", LORA_QKV},         {"c_fc", LORA_UP},         {"c_proj", LORA_OUTPUT | LORA_DOWN},
    {"attn.c_proj", LORA_OUTPUT}, {"mlp.c_proj", LORA_DOWN}, {NULL, 0},
};

static const struct module neox[] = {
    {"query_key_value", LORA_QKV},
    {"dense", LORA_OUTPUT},
    {"dense_h_to_4h", LORA_UP},
    {"dense_4h_to_h", LORA_DOWN},
    {NULL, 0},
};

static const struct module *
modules_of(const struct config *c)
{
    return c->family == FAMILY_GPT2 ? gpt2 : c->family == FAMILY_NEOX ? neox : llama;
}

static unsigned
all_targets(const struct config *c)
{
    unsigned all = 0;

    for (const struct module *m = modules_of(c); m->name; m++)
        all |= m->targets;
    return all;
}

static const struct module *
find(const struct config *c, const char *name, size_t n)
{
    const struct module *m = modules_of(c);

    while (m->name && (strlen(m->name) != n || memcmp(m->name, name, n) != 0))
        m++;
    return m->name ? m : NULL;
}

static int
unknown(const struct config *c, const char *name, size_t n)
{
    struct str known = {0};

    for (const struct module *m = modules_of(c); m->name; m++)
        str_addf(&known, "%s%s", known.len ? ", " : "", m->name);
    err_set(STATUS_USAGE, "'%.*s' is no linear module of a %s model (all-linear, %s)", (int)n, name,
            c->model_type, known.data);
    str_release(&known);
    return -1;
}

/* Experts are not one linear map each there: PEFT has no adapters of theirs, either. */
static int
check_experts(const struct config *c, unsigned targets)
{
    if (c->num_experts > 0 && targets & (LORA_GATE | LORA_UP | LORA_DOWN))
        return err_set(STATUS_USAGE, "adapters of experts are not supported: name modules of "
                                     "attention (q_proj,k_proj,v_proj,o_proj)");
    return 0;
}

int
lora_targets(const struct config *c, const char *names, unsigned *targets)
{
    *targets = 0;
    if (strcmp(names, "all-linear") == 0) {
        *targets = all_targets(c);
        return check_experts(c, *targets);
    }
    for (const char *at = names;; at++) {
        size_t n = strcspn(at, ",");
        const struct module *m = find(c, at, n);
        if (!m)
            return unknown(c, at, n);
        *targets |= m->targets;
        at += n;
        if (*at == '\0')
            break;
    }
    return check_experts(c, *targets);
}

const char *
lora_name(const struct config *c, unsigned targets, int k)
{
    unsigned left = targets;

    for (const struct module *m = modules_of(c); m->name; m++) {
        if (!(m->targets & left) || m->targets & ~targets)
            continue;
        left &= ~m->targets;
        if (k-- == 0)
            return m->name;
    }
    return NULL;
}

int
config_read_lora(struct config *c, const struct json_doc *doc, const json_t *root)
{
    const json_t *lora = NULL, *list;
    const char *name;

    if (json_get_object(doc, root, "lora", JSON_MAY, &lora) < 0)
        return -1;
    if (!lora)
        return 0;
    if (json_get_int(doc, lora, "r", JSON_NEED, 1, LORA_MAX_RANK, &c->lora.rank) < 0 ||
        json_get_real(doc, lora, "lora_alpha", JSON_NEED, &c->lora.alpha) < 0 ||
        json_get_array(doc, lora, "target_modules", JSON_NEED, &list) < 0)
        return -1;
    if (!(c->lora.alpha > 0 && c->lora.alpha < 1e30))
        return json_fail(doc, lora, "lora_alpha", "expected a number above 0, found %g",
                         c->lora.alpha);
    for (size_t i = 0; i < json_array_size(list); i++) {
        unsigned targets;
        if (json_at_string(doc, list, i, &name) < 0)
            return -1;
        if (strcmp(name, "all-linear") == 0 || lora_targets(c, name, &targets) < 0)
            return json_fail_at(doc, list, i, "\"%s\" is no module that can have adapters", name);
        c->lora.targets |= targets;
    }
    if (c->lora.targets == 0)
        return json_fail(doc, lora, "target_modules", "expected at least one module");
    return 0;
}

static json_t *
lora_object(const struct config *c, const struct lora *l)
{
    json_t *object = json_object(), *list = json_array();
    const char *name;

    json_object_set_new(object, "r", json_integer(l->rank));
    json_object_set_new(object, "lora_alpha", json_real(l->alpha));
    for (int k = 0; (name = lora_name(c, l->targets, k)); k++)
        json_array_append_new(list, json_string(name));
    json_object_set_new(object, "target_modules", list);
    return object;
}

int
config_set_lora(struct config *c, const struct lora *l)
{
    struct config made;

    if (config_with(&made, c, "lora", l->rank > 0 ? lora_object(c, l) : NULL) < 0)
        return -1;
    config_release(c);
    *c = made;
    return 0;
}

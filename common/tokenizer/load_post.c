#include <string.h>

#include "tokenizer/component.h"
#include "tokenizer/internal.h"

/*
 * The post_processor member of tokenizer.json: which ids stand before and behind a
 * text. Templates for pairs of texts are of no use here and not looked at.
 */

enum { PROCESSORS_MOST = 64 };

/* What the processors so far put around a text. */
struct around {
    struct tokenizer *t;
    bool apart; /* into an encoding of its own, which a further processor would wrap */
};

/* Puts ids before what is there: a later processor wraps the earlier ones. */
static void
put_before(struct ids *list, const struct ids *ids)
{
    struct ids joined = {0};
    for (size_t i = 0; i < ids->len; i++)
        vec_push(&joined, ids->data[i]);
    for (size_t i = 0; i < list->len; i++)
        vec_push(&joined, list->data[i]);
    vec_release(list);
    *list = joined;
}

static void
put_behind(struct ids *list, const struct ids *ids)
{
    for (size_t i = 0; i < ids->len; i++)
        vec_push(list, ids->data[i]);
}

static int
special_ids(const struct json_doc *doc, const json_t *tokens, const char *name, struct ids *out)
{
    const json_t *token = NULL, *ids = NULL;
    if (json_get_object(doc, tokens, name, JSON_NEED, &token) < 0 ||
        json_get_array(doc, token, "ids", JSON_NEED, &ids) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int64_t id = 0;
        if (json_at_int(doc, ids, i, 0, VOCAB_MAX - 1, &id) < 0)
            return -1;
        vec_push(out, (uint32_t)id);
    }
    return 0;
}

/* One element of a template: a special token, or the text's place. */
static int
template_item(const struct json_doc *doc, const json_t *item, const json_t *tokens, bool *text,
              struct ids *before, struct ids *behind)
{
    const json_t *special = NULL, *sequence = NULL;
    const char *id = NULL;
    if (json_only_keys(doc, item, "SpecialToken|Sequence") < 0 ||
        json_get_object(doc, item, "SpecialToken", JSON_MAY, &special) < 0 ||
        json_get_object(doc, item, "Sequence", JSON_MAY, &sequence) < 0)
        return -1;
    if (special)
        return json_get_string(doc, special, "id", JSON_NEED, &id) < 0
                   ? -1
                   : special_ids(doc, tokens, id, *text ? behind : before);
    if (!sequence || json_get_string(doc, sequence, "id", JSON_NEED, &id) < 0)
        return sequence ? -1 : json_fail(doc, item, NULL, "expected SpecialToken or Sequence");
    if (strcmp(id, "A") || *text)
        return json_fail(doc, sequence, "id", "expected the text A once");
    *text = true;
    return 0;
}

/* Hugging Face takes the parts of a template that came before for texts to be joined. */
static int
check_alone(const struct around *a, const struct json_doc *doc, const json_t *json)
{
    return a->apart ? json_fail(doc, json, NULL, "not supported behind a template") : 0;
}

static int
load_template(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    const json_t *single = NULL, *tokens = NULL, *item = NULL;
    struct around *a = owner;
    struct ids before = {0}, behind = {0};
    bool text = false;
    int rc = -1;
    (void)kind;
    if (check_alone(a, doc, json) < 0 ||
        json_get_array(doc, json, "single", JSON_NEED, &single) < 0 ||
        json_get_object(doc, json, "special_tokens", JSON_NEED, &tokens) < 0)
        goto out;
    for (size_t i = 0; i < json_array_size(single); i++)
        if (json_at_object(doc, single, i, &item) < 0 ||
            template_item(doc, item, tokens, &text, &before, &behind) < 0)
            goto out;
    if (!text) {
        json_fail(doc, json, "single", "the text's place is missing");
        goto out;
    }
    a->apart = json_array_size(single) > 1;
    put_before(&a->t->prefix, &before);
    put_behind(&a->t->suffix, &behind);
    rc = 0;
out:
    vec_release(&before);
    vec_release(&behind);
    return rc;
}

static int
pair_id(const struct json_doc *doc, const json_t *json, const char *key, uint32_t *out)
{
    const json_t *pair = NULL;
    int64_t id = 0;
    if (json_get_array(doc, json, key, JSON_NEED, &pair) < 0 ||
        json_at_int(doc, pair, 1, 0, VOCAB_MAX - 1, &id) < 0)
        return -1;
    *out = (uint32_t)id;
    return 0;
}

/* RobertaProcessing and BertProcessing: cls before, sep behind. */
static int
load_cls_sep(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct around *a = owner;
    uint32_t cls = 0, sep = 0;
    (void)kind;
    if (check_alone(a, doc, json) < 0 || pair_id(doc, json, "cls", &cls) < 0 ||
        pair_id(doc, json, "sep", &sep) < 0)
        return -1;
    put_before(&a->t->prefix, &(struct ids){&cls, 1, 1});
    put_behind(&a->t->suffix, &(struct ids){&sep, 1, 1});
    return 0;
}

/* ByteLevel changes offsets only. */
static int
load_nothing(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    (void)owner, (void)doc, (void)json, (void)kind;
    return 0;
}

static const struct component kinds[] = {
    {"ByteLevel", "type|add_prefix_space|trim_offsets|use_regex", load_nothing, 0},
    {"TemplateProcessing", "type|single|pair|special_tokens", load_template, 0},
    {"RobertaProcessing", "type|sep|cls|trim_offsets|add_prefix_space", load_cls_sep, 0},
    {"BertProcessing", "type|sep|cls|trim_offsets|add_prefix_space", load_cls_sep, 0},
};
static const struct components processors = {"processors", PROCESSORS_MOST, kinds,
                                             sizeof kinds / sizeof *kinds};

static int
check_ids(const struct tokenizer *t, const struct json_doc *doc, const json_t *json,
          const struct ids *ids)
{
    for (size_t i = 0; i < ids->len; i++)
        if (ids->data[i] >= t->vocabulary)
            return json_fail(doc, json, NULL, "id %u is outside the vocabulary", ids->data[i]);
    return 0;
}

int
load_post(struct tokenizer *t, const struct json_doc *doc, const json_t *root)
{
    const json_t *json = NULL;
    int given = json_get_object(doc, root, "post_processor", JSON_MAY, &json);
    if (given <= 0)
        return given;
    struct around around = {.t = t};
    return component_load(&processors, &around, doc, json) < 0 ||
                   check_ids(t, doc, json, &t->prefix) < 0 ||
                   check_ids(t, doc, json, &t->suffix) < 0
               ? -1
               : 0;
}

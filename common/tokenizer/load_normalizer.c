#include "base/base64.h"
#include "base/mem.h"
#include "tokenizer/component.h"
#include "tokenizer/normalizer.h"

/* The normalizer member of tokenizer.json, compiled into steps. */

enum { NORMALIZERS_MOST = 256 };

static struct normalizer_step *
add_step(struct normalizer *z, enum normalizer_kind kind)
{
    vec_push(&z->steps, ((struct normalizer_step){.kind = kind}));
    return &z->steps.data[z->steps.len - 1];
}

static int
load_plain(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    (void)doc, (void)json;
    add_step(owner, (enum normalizer_kind)kind);
    return 0;
}

static int
load_form(void *owner, const struct json_doc *doc, const json_t *json, int form)
{
    (void)doc, (void)json;
    add_step(owner, NORMALIZE_FORM)->form = (enum text_form)form;
    return 0;
}

static int
load_strip(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct normalizer_step *step = add_step(owner, (enum normalizer_kind)kind);
    return json_get_bool(doc, json, "strip_left", JSON_NEED, &step->left) < 0 ||
                   json_get_bool(doc, json, "strip_right", JSON_NEED, &step->right) < 0
               ? -1
               : 0;
}

static int
load_bert(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    bool clean = true, chinese = true, lower = true;
    (void)kind;
    if (json_get_bool(doc, json, "clean_text", JSON_NEED, &clean) < 0 ||
        json_get_bool(doc, json, "handle_chinese_chars", JSON_NEED, &chinese) < 0 ||
        json_get_bool(doc, json, "lowercase", JSON_NEED, &lower) < 0)
        return -1;
    bool accents = lower;
    if (json_get_bool(doc, json, "strip_accents", JSON_MAY, &accents) < 0)
        return -1;
    if (clean)
        add_step(owner, NORMALIZE_BERT_CLEAN);
    if (chinese)
        add_step(owner, NORMALIZE_BERT_CHINESE);
    if (accents)
        add_step(owner, NORMALIZE_BERT_ACCENTS);
    if (lower)
        add_step(owner, NORMALIZE_LOWERCASE);
    return 0;
}

static int
load_prepend(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct normalizer_step *step = add_step(owner, (enum normalizer_kind)kind);
    if (component_text(doc, json, "prepend", &step->content, &step->length) < 0)
        return -1;
    return step->length ? 0 : json_fail(doc, json, "prepend", "an empty text is not supported");
}

static int
load_replace(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct normalizer_step *step = add_step(owner, (enum normalizer_kind)kind);
    return component_text(doc, json, "content", &step->content, &step->length) < 0
               ? -1
               : matcher_load(&step->pattern, doc, json);
}

static int
load_precompiled(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    const char *s = NULL;
    size_t n = 0;
    struct str blob = {0};
    struct normalizer_step *step = add_step(owner, (enum normalizer_kind)kind);
    if (json_get_bytes(doc, json, "precompiled_charsmap", JSON_NEED, &s, &n) < 0)
        return -1;
    if (!base64_decode(s, n, &blob)) {
        str_release(&blob);
        return json_fail(doc, json, "precompiled_charsmap", "not base64");
    }
    step->map = mem_zalloc(sizeof *step->map);
    int rc = charsmap_open(step->map, doc->name, blob.data ? blob.data : "", blob.len);
    str_release(&blob);
    return rc;
}

static const struct component kinds[] = {
    {"NFC", "type", load_form, FORM_NFC},
    {"NFD", "type", load_form, FORM_NFD},
    {"NFKC", "type", load_form, FORM_NFKC},
    {"NFKD", "type", load_form, FORM_NFKD},
    {"Lowercase", "type", load_plain, NORMALIZE_LOWERCASE},
    {"StripAccents", "type", load_plain, NORMALIZE_STRIP_ACCENTS},
    {"Nmt", "type", load_plain, NORMALIZE_NMT},
    {"ByteLevel", "type", load_plain, NORMALIZE_BYTE_LEVEL},
    {"Strip", "type|strip_left|strip_right", load_strip, NORMALIZE_STRIP},
    {"Replace", "type|pattern|content", load_replace, NORMALIZE_REPLACE},
    {"Prepend", "type|prepend", load_prepend, NORMALIZE_PREPEND},
    {"BertNormalizer", "type|clean_text|handle_chinese_chars|strip_accents|lowercase", load_bert,
     0},
    {"Precompiled", "type|precompiled_charsmap", load_precompiled, NORMALIZE_PRECOMPILED},
};
static const struct components normalizers = {"normalizers", NORMALIZERS_MOST, kinds,
                                              sizeof kinds / sizeof *kinds};

int
normalizer_load(struct normalizer *z, const struct json_doc *doc, const json_t *json)
{
    return json ? component_load(&normalizers, z, doc, json) : 0;
}

void
normalizer_release(struct normalizer *z)
{
    for (size_t i = 0; i < z->steps.len; i++) {
        struct normalizer_step *step = &z->steps.data[i];
        matcher_release(&step->pattern);
        free(step->content);
        if (step->map)
            charsmap_release(step->map);
        free(step->map);
    }
    vec_release(&z->steps);
}

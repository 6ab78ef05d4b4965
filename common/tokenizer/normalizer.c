#include "tokenizer/normalizer.h"

#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/bytelevel.h"

/* ---- loading ---- */

enum { NESTING_MOST = 16, STEPS_MOST = 256 };

static struct normalizer_step *
add_step(struct normalizer *z, enum normalizer_kind kind)
{
    vec_push(&z->steps, ((struct normalizer_step){.kind = kind}));
    return &z->steps.data[z->steps.len - 1];
}

static int
load_text(struct normalizer_step *step, const struct json_doc *doc, const json_t *json,
          const char *key)
{
    const char *s = NULL;
    if (json_get_bytes(doc, json, key, JSON_NEED, &s, &step->length) < 0)
        return -1;
    step->content = mem_strndup(s, step->length);
    return 0;
}

static int
load_strip(struct normalizer *z, const struct json_doc *doc, const json_t *json)
{
    struct normalizer_step *step = add_step(z, NORMALIZE_STRIP);
    return json_only_keys(doc, json, "type|strip_left|strip_right") < 0 ||
                   json_get_bool(doc, json, "strip_left", JSON_NEED, &step->left) < 0 ||
                   json_get_bool(doc, json, "strip_right", JSON_NEED, &step->right) < 0
               ? -1
               : 0;
}

static int
load_bert(struct normalizer *z, const struct json_doc *doc, const json_t *json)
{
    bool clean = true, chinese = true, lower = true;
    if (json_only_keys(doc, json, "type|clean_text|handle_chinese_chars|strip_accents|lowercase") <
            0 ||
        json_get_bool(doc, json, "clean_text", JSON_NEED, &clean) < 0 ||
        json_get_bool(doc, json, "handle_chinese_chars", JSON_NEED, &chinese) < 0 ||
        json_get_bool(doc, json, "lowercase", JSON_NEED, &lower) < 0)
        return -1;
    bool accents = lower;
    if (json_get_bool(doc, json, "strip_accents", JSON_MAY, &accents) < 0)
        return -1;
    if (clean)
        add_step(z, NORMALIZE_BERT_CLEAN);
    if (chinese)
        add_step(z, NORMALIZE_BERT_CHINESE);
    if (accents)
        add_step(z, NORMALIZE_BERT_ACCENTS);
    if (lower)
        add_step(z, NORMALIZE_LOWERCASE);
    return 0;
}

static int
load_any(struct normalizer *z, const struct json_doc *doc, const json_t *json, int depth);

static int
load_sequence(struct normalizer *z, const struct json_doc *doc, const json_t *json, int depth)
{
    const json_t *list = NULL, *item = NULL;
    if (json_only_keys(doc, json, "type|normalizers") < 0 ||
        json_get_array(doc, json, "normalizers", JSON_NEED, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_at_object(doc, list, i, &item) < 0 || load_any(z, doc, item, depth + 1) < 0)
            return -1;
    return 0;
}

enum type {
    TYPE_NFC,
    TYPE_NFD,
    TYPE_NFKC,
    TYPE_NFKD,
    TYPE_LOWERCASE,
    TYPE_STRIP_ACCENTS,
    TYPE_NMT,
    TYPE_BYTE_LEVEL,
    TYPE_STRIP,
    TYPE_REPLACE,
    TYPE_PREPEND,
    TYPE_BERT,
    TYPE_SEQUENCE
};
#define TYPES                                                                       \
    "NFC|NFD|NFKC|NFKD|Lowercase|StripAccents|Nmt|ByteLevel|Strip|Replace|Prepend|" \
    "BertNormalizer|Sequence"

static int
load_simple(struct normalizer *z, const struct json_doc *doc, const json_t *json, int type)
{
    static const enum normalizer_kind kinds[] = {
        [TYPE_NFC] = NORMALIZE_FORM,
        [TYPE_NFD] = NORMALIZE_FORM,
        [TYPE_NFKC] = NORMALIZE_FORM,
        [TYPE_NFKD] = NORMALIZE_FORM,
        [TYPE_LOWERCASE] = NORMALIZE_LOWERCASE,
        [TYPE_STRIP_ACCENTS] = NORMALIZE_STRIP_ACCENTS,
        [TYPE_NMT] = NORMALIZE_NMT,
        [TYPE_BYTE_LEVEL] = NORMALIZE_BYTE_LEVEL,
    };
    static const enum text_form forms[] = {[TYPE_NFC] = FORM_NFC,
                                           [TYPE_NFD] = FORM_NFD,
                                           [TYPE_NFKC] = FORM_NFKC,
                                           [TYPE_NFKD] = FORM_NFKD};
    if (json_only_keys(doc, json, "type") < 0)
        return -1;
    struct normalizer_step *step = add_step(z, kinds[type]);
    if (type <= TYPE_NFKD)
        step->form = forms[type];
    return 0;
}

static int
load_any(struct normalizer *z, const struct json_doc *doc, const json_t *json, int depth)
{
    int type = 0;
    if (depth > NESTING_MOST || z->steps.len >= STEPS_MOST)
        return json_fail(doc, json, NULL, "too many normalizers");
    if (json_get_choice(doc, json, "type", JSON_NEED, TYPES, &type) < 0)
        return -1;
    if (type <= TYPE_BYTE_LEVEL)
        return load_simple(z, doc, json, type);
    if (type == TYPE_STRIP)
        return load_strip(z, doc, json);
    if (type == TYPE_BERT)
        return load_bert(z, doc, json);
    if (type == TYPE_SEQUENCE)
        return load_sequence(z, doc, json, depth);
    if (type == TYPE_PREPEND)
        return json_only_keys(doc, json, "type|prepend") < 0
                   ? -1
                   : load_text(add_step(z, NORMALIZE_PREPEND), doc, json, "prepend");
    struct normalizer_step *step = add_step(z, NORMALIZE_REPLACE);
    return json_only_keys(doc, json, "type|pattern|content") < 0 ||
                   load_text(step, doc, json, "content") < 0 ||
                   matcher_load(&step->pattern, doc, json) < 0
               ? -1
               : 0;
}

int
normalizer_load(struct normalizer *z, const struct json_doc *doc, const json_t *json)
{
    return json ? load_any(z, doc, json, 0) : 0;
}

void
normalizer_release(struct normalizer *z)
{
    for (size_t i = 0; i < z->steps.len; i++) {
        matcher_release(&z->steps.data[i].pattern);
        free(z->steps.data[i].content);
    }
    vec_release(&z->steps);
}

void
normalizer_scratch_release(struct normalizer_scratch *s)
{
    str_release(&s->buffer[0]);
    str_release(&s->buffer[1]);
    regex_scratch_free(s->regex);
    s->regex = NULL;
}

bool
normalizer_cuts_left(const struct normalizer *z)
{
    for (size_t i = 0; i < z->steps.len; i++) {
        const struct normalizer_step *step = &z->steps.data[i];
        switch (step->kind) {
        case NORMALIZE_FORM:
        case NORMALIZE_LOWERCASE:
        case NORMALIZE_PREPEND:
        case NORMALIZE_BYTE_LEVEL:
        case NORMALIZE_BERT_CHINESE: break;
        case NORMALIZE_REPLACE:
            if (step->length == 0)
                return true;
            break;
        default: return true;
        }
    }
    return false;
}

/* ---- running ---- */

/* What Nmt makes of a code point: itself, a space, or nothing (-1). */
static int32_t
nmt_point(uint32_t c)
{
    if ((c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
        c == 0x8F || c == 0x9F)
        return -1;
    if (c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
        (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
        c == 0xFFFD)
        return ' ';
    return (int32_t)c;
}

static int32_t
bert_clean_point(uint32_t c, unsigned class)
{
    bool space = c == '\t' || c == '\n' || c == '\r' || (class & CLASS_SPACE);
    if (c == 0 || c == 0xFFFD)
        return -1;
    if (!(c == '\t' || c == '\n' || c == '\r') && (class & CLASS_OTHER))
        return -1;
    return space ? ' ' : (int32_t)c;
}

static bool
is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static void
add_point(enum normalizer_kind kind, uint32_t c, struct str *out)
{
    unsigned class = text_classes()[c];
    int32_t to = (int32_t)c;
    bool apart = false;
    if (kind == NORMALIZE_NMT)
        to = nmt_point(c);
    else if (kind == NORMALIZE_BERT_CLEAN)
        to = bert_clean_point(c, class);
    else if (kind == NORMALIZE_STRIP_ACCENTS)
        to = class & CLASS_M ? -1 : to;
    else if (kind == NORMALIZE_BERT_ACCENTS)
        to = class & CLASS_MN ? -1 : to;
    else
        apart = is_chinese(c);
    if (apart)
        str_addc(out, ' ');
    if (to >= 0)
        str_add_utf8(out, (uint32_t)to);
    if (apart)
        str_addc(out, ' ');
}

static void
run_points(enum normalizer_kind kind, const char *s, size_t n, struct str *out)
{
    for (size_t at = 0, used; at < n; at += used)
        add_point(kind, text_peek(s + at, &used), out);
}

static void
run_strip(const struct normalizer_step *step, const char **text, size_t *n)
{
    const uint16_t *classes = text_classes();
    size_t used;
    while (step->left && *n > 0 && (classes[text_peek(*text, &used)] & CLASS_SPACE)) {
        *text += used;
        *n -= used;
    }
    while (step->right && *n > 0) {
        size_t at = *n - 1;
        while (at > 0 && ((unsigned char)(*text)[at] & 0xC0) == 0x80)
            at--;
        if (!(classes[text_peek(*text + at, &used)] & CLASS_SPACE))
            break;
        *n = at;
    }
}

static int
run_replace(const struct normalizer_step *step, struct regex_scratch *regex, const char *s,
            size_t n, struct str *out)
{
    struct match_cursor cursor = {0};
    size_t done = 0, begin = 0, end = 0;
    int found;
    while (n > 0 && (found = matcher_next(&step->pattern, regex, s, n, &cursor, &begin, &end))) {
        if (found < 0)
            return -1;
        str_add(out, s + done, begin - done);
        str_add(out, step->content, step->length);
        done = end;
    }
    str_add(out, s + done, n - done);
    return 0;
}

/* One step, from *text into `out`; a step that changes nothing leaves *text. */
static int
run_step(const struct normalizer_step *step, struct normalizer_scratch *s, const char **text,
         size_t *n, struct str *out)
{
    str_clear(out);
    switch (step->kind) {
    case NORMALIZE_FORM:
        if (!text_normalize(step->form, *text, *n, out))
            return 0;
        break;
    case NORMALIZE_LOWERCASE: text_lowercase(*text, *n, out); break;
    case NORMALIZE_STRIP: run_strip(step, text, n); return 0;
    case NORMALIZE_REPLACE:
        if (run_replace(step, s->regex, *text, *n, out) < 0)
            return -1;
        break;
    case NORMALIZE_PREPEND:
        if (*n == 0)
            return 0;
        str_add(out, step->content, step->length);
        str_add(out, *text, *n);
        break;
    case NORMALIZE_BYTE_LEVEL: bytes_to_chars(*text, *n, out); break;
    case NORMALIZE_BERT_ACCENTS: {
        struct str apart = {0};
        if (text_normalize(FORM_NFD, *text, *n, &apart))
            run_points(step->kind, apart.data, apart.len, out);
        else
            run_points(step->kind, *text, *n, out);
        str_release(&apart);
        break;
    }
    default: run_points(step->kind, *text, *n, out);
    }
    *text = out->data ? out->data : "";
    *n = out->len;
    return 0;
}

int
normalizer_run(const struct normalizer *z, struct normalizer_scratch *s, const char **text,
               size_t *n)
{
    if (z->steps.len && !s->regex)
        s->regex = regex_scratch_new();
    for (size_t i = 0; i < z->steps.len; i++) {
        const char *old = *text;
        struct str *out = &s->buffer[0];
        if (old >= out->data && out->data && old < out->data + out->cap)
            out = &s->buffer[1];
        if (run_step(&z->steps.data[i], s, text, n, out) < 0)
            return -1;
    }
    return 0;
}

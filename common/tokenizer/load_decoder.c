#include "base/mem.h"
#include "text/classes.h"
#include "tokenizer/decoder.h"

/* The decoder member of tokenizer.json, compiled into steps. */

enum { NESTING_MOST = 16, STEPS_MOST = 64 };

static struct decoder_step *
add_step(struct decoder *d, enum decoder_kind kind)
{
    vec_push(&d->steps, ((struct decoder_step){.kind = kind}));
    return &d->steps.data[d->steps.len - 1];
}

static int
load_character(const struct json_doc *doc, const json_t *json, const char *key, uint32_t *out)
{
    const char *s = NULL;
    size_t n = 0, used = 0;
    if (json_get_bytes(doc, json, key, JSON_NEED, &s, &n) < 0)
        return -1;
    if (n > 0)
        *out = text_peek(s, &used);
    return n > 0 && used == n ? 0 : json_fail(doc, json, key, "expected one character");
}

static int
load_text(struct decoder_step *step, const struct json_doc *doc, const json_t *json,
          const char *key)
{
    const char *s = NULL;
    if (json_get_bytes(doc, json, key, JSON_NEED, &s, &step->length) < 0)
        return -1;
    step->content = mem_strndup(s, step->length);
    return 0;
}

static int
load_replace(struct decoder *d, const struct json_doc *doc, const json_t *json)
{
    struct decoder_step *step = add_step(d, DECODE_REPLACE);
    return json_only_keys(doc, json, "type|pattern|content") < 0 ||
                   load_text(step, doc, json, "content") < 0
               ? -1
               : matcher_load(&step->pattern, doc, json);
}

static int
load_strip(struct decoder *d, const struct json_doc *doc, const json_t *json)
{
    int64_t start = 0, stop = 0;
    struct decoder_step *step = add_step(d, DECODE_STRIP);
    if (json_only_keys(doc, json, "type|content|start|stop") < 0 ||
        load_character(doc, json, "content", &step->character) < 0 ||
        json_get_int(doc, json, "start", JSON_NEED, 0, INT32_MAX, &start) < 0 ||
        json_get_int(doc, json, "stop", JSON_NEED, 0, INT32_MAX, &stop) < 0)
        return -1;
    step->start = (size_t)start;
    step->stop = (size_t)stop;
    return 0;
}

static int
load_metaspace(struct decoder *d, const struct json_doc *doc, const json_t *json)
{
    int prepend = 2;
    bool space = true, split = true;
    struct decoder_step *step = add_step(d, DECODE_METASPACE);
    if (json_only_keys(doc, json,
                       "type|replacement|add_prefix_space|prepend_scheme|split|str_rep") < 0 ||
        load_character(doc, json, "replacement", &step->character) < 0 ||
        json_get_bool(doc, json, "add_prefix_space", JSON_MAY, &space) < 0 ||
        json_get_bool(doc, json, "split", JSON_MAY, &split) < 0 ||
        json_get_choice(doc, json, "prepend_scheme", JSON_MAY, "first|never|always", &prepend) < 0)
        return -1;
    step->prepended = space && prepend != 1;
    return 0;
}

static int load_any(struct decoder *d, const struct json_doc *doc, const json_t *json, int depth);

static int
load_sequence(struct decoder *d, const struct json_doc *doc, const json_t *json, int depth)
{
    const json_t *list = NULL, *item = NULL;
    if (json_only_keys(doc, json, "type|decoders") < 0 ||
        json_get_array(doc, json, "decoders", JSON_NEED, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_at_object(doc, list, i, &item) < 0 || load_any(d, doc, item, depth + 1) < 0)
            return -1;
    return 0;
}

static int
load_any(struct decoder *d, const struct json_doc *doc, const json_t *json, int depth)
{
    int type = 0;
    bool flag = false;
    if (depth > NESTING_MOST || d->steps.len >= STEPS_MOST)
        return json_fail(doc, json, NULL, "more decoders than supported");
    if (json_get_choice(doc, json, "type", JSON_NEED,
                        "ByteLevel|Replace|ByteFallback|Fuse|Strip|Metaspace|BPEDecoder|Sequence",
                        &type) < 0)
        return -1;
    switch (type) {
    case DECODE_BYTE_LEVEL:
        add_step(d, DECODE_BYTE_LEVEL);
        return json_only_keys(doc, json, "type|add_prefix_space|trim_offsets|use_regex") < 0 ||
                       json_get_bool(doc, json, "add_prefix_space", JSON_MAY, &flag) < 0
                   ? -1
                   : 0;
    case DECODE_REPLACE: return load_replace(d, doc, json);
    case DECODE_BYTE_FALLBACK:
    case DECODE_FUSE:
        add_step(d, (enum decoder_kind)type);
        return json_only_keys(doc, json, "type");
    case DECODE_STRIP: return load_strip(d, doc, json);
    case DECODE_METASPACE: return load_metaspace(d, doc, json);
    case DECODE_SUFFIX:
        return json_only_keys(doc, json, "type|suffix") < 0
                   ? -1
                   : load_text(add_step(d, DECODE_SUFFIX), doc, json, "suffix");
    default: return load_sequence(d, doc, json, depth);
    }
}

int
decoder_load(struct decoder *d, const struct json_doc *doc, const json_t *json)
{
    d->present = json;
    return json ? load_any(d, doc, json, 0) : 0;
}

#include "base/mem.h"
#include "tokenizer/component.h"
#include "tokenizer/decoder.h"

/* The decoder member of tokenizer.json, compiled into steps. */

enum { DECODERS_MOST = 64 };

static struct decoder_step *
add_step(struct decoder *d, int kind)
{
    vec_push(&d->steps, ((struct decoder_step){.kind = (enum decoder_kind)kind}));
    return &d->steps.data[d->steps.len - 1];
}

static int
load_plain(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    (void)doc, (void)json;
    add_step(owner, kind);
    return 0;
}

static int
load_replace(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct decoder_step *step = add_step(owner, kind);
    return component_text(doc, json, "content", &step->content, &step->length) < 0
               ? -1
               : matcher_load(&step->pattern, doc, json);
}

static int
load_strip(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    int64_t start = 0, stop = 0;
    struct decoder_step *step = add_step(owner, kind);
    if (component_character(doc, json, "content", &step->character) < 0 ||
        json_get_int(doc, json, "start", JSON_NEED, 0, INT32_MAX, &start) < 0 ||
        json_get_int(doc, json, "stop", JSON_NEED, 0, INT32_MAX, &stop) < 0)
        return -1;
    step->start = (size_t)start;
    step->stop = (size_t)stop;
    return 0;
}

static int
load_metaspace(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    enum { NEVER = 1, ALWAYS };
    int prepend = ALWAYS;
    bool space = true, split = true;
    struct decoder_step *step = add_step(owner, kind);
    if (component_character(doc, json, "replacement", &step->character) < 0 ||
        json_get_bool(doc, json, "add_prefix_space", JSON_MAY, &space) < 0 ||
        json_get_bool(doc, json, "split", JSON_MAY, &split) < 0 ||
        json_get_choice(doc, json, "prepend_scheme", JSON_MAY, "first|never|always", &prepend) < 0)
        return -1;
    step->prepended = space && prepend != NEVER;
    return 0;
}

static int
load_suffix(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct decoder_step *step = add_step(owner, kind);
    return component_text(doc, json, "suffix", &step->content, &step->length);
}

static int
load_wordpiece(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct decoder_step *step = add_step(owner, kind);
    return component_text(doc, json, "prefix", &step->content, &step->length) < 0 ||
                   json_get_bool(doc, json, "cleanup", JSON_NEED, &step->cleanup) < 0
               ? -1
               : 0;
}

static int
load_ctc(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct decoder_step *step = add_step(owner, kind);
    return component_text(doc, json, "pad_token", &step->content, &step->length) < 0 ||
                   component_text(doc, json, "word_delimiter_token", &step->delimiter,
                                  &step->delimiter_length) < 0 ||
                   json_get_bool(doc, json, "cleanup", JSON_NEED, &step->cleanup) < 0
               ? -1
               : 0;
}

static const struct component kinds[] = {
    {"ByteLevel", "type|add_prefix_space|trim_offsets|use_regex", load_plain, DECODE_BYTE_LEVEL},
    {"Replace", "type|pattern|content", load_replace, DECODE_REPLACE},
    {"ByteFallback", "type", load_plain, DECODE_BYTE_FALLBACK},
    {"Fuse", "type", load_plain, DECODE_FUSE},
    {"Strip", "type|content|start|stop", load_strip, DECODE_STRIP},
    {"Metaspace", "type|replacement|add_prefix_space|prepend_scheme|split|str_rep", load_metaspace,
     DECODE_METASPACE},
    {"BPEDecoder", "type|suffix", load_suffix, DECODE_SUFFIX},
    {"WordPiece", "type|prefix|cleanup", load_wordpiece, DECODE_WORDPIECE},
    {"CTC", "type|pad_token|word_delimiter_token|cleanup", load_ctc, DECODE_CTC},
};
static const struct components decoders = {"decoders", DECODERS_MOST, kinds,
                                           sizeof kinds / sizeof *kinds};

int
decoder_load(struct decoder *d, const struct json_doc *doc, const json_t *json)
{
    d->present = json;
    return json ? component_load(&decoders, d, doc, json) : 0;
}

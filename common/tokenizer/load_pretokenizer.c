#include "tokenizer/pretokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"

/* The pre_tokenizer member of tokenizer.json, compiled into steps. */

enum { NESTING_MOST = 16 };

static struct pretokenizer_step *
add_step(struct pretokenizer *p, enum pretokenizer_kind kind)
{
    vec_push(&p->steps, ((struct pretokenizer_step){
                            .kind = kind, .behavior = SPLIT_ISOLATED, .character = UINT32_MAX}));
    return &p->steps.data[p->steps.len - 1];
}

static struct pretokenizer_step *
add_class(struct pretokenizer *p, unsigned mask, enum split_behavior behavior)
{
    struct pretokenizer_step *step = add_step(p, PRETOKENIZE_CLASS);
    step->mask = mask;
    step->behavior = behavior;
    return step;
}

/* ASCII symbols are punctuation to Punctuation and BertPreTokenizer: a bit of its own. */
enum { PUNCTUATION = CLASS_PUNCT | 1u << 16 };

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
load_byte_level(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    bool space = true, regex = true, trim;
    if (json_only_keys(doc, json, "type|add_prefix_space|trim_offsets|use_regex") < 0 ||
        json_get_bool(doc, json, "add_prefix_space", JSON_NEED, &space) < 0 ||
        json_get_bool(doc, json, "trim_offsets", JSON_MAY, &trim) < 0 ||
        json_get_bool(doc, json, "use_regex", JSON_MAY, &regex) < 0)
        return -1;
    if (space)
        add_step(p, PRETOKENIZE_SPACE);
    if (regex)
        add_step(p, PRETOKENIZE_SCAN)->scan = pattern_by_name("gpt2");
    add_step(p, PRETOKENIZE_BYTE_MAP);
    return 0;
}

#define BEHAVIORS "Removed|Isolated|MergedWithPrevious|MergedWithNext|Contiguous"

/* Built-in patterns match everything: isolating matches or removing the gaps is the same. */
static const struct pattern *
known_pattern(const struct json_doc *doc, const json_t *json, int behavior, bool invert)
{
    const char *s = NULL;
    size_t n = 0;
    const json_t *pattern = NULL;
    if (!(behavior == SPLIT_ISOLATED || (behavior == SPLIT_REMOVED && invert)))
        return NULL;
    if (json_get_object(doc, json, "pattern", JSON_NEED, &pattern) < 0 ||
        json_get_bytes(doc, pattern, "Regex", JSON_MAY, &s, &n) <= 0)
        return NULL;
    return pattern_by_regex(s, n);
}

static int
load_split(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    int behavior = 0;
    bool invert = false;
    if (json_only_keys(doc, json, "type|pattern|behavior|invert") < 0 ||
        json_get_choice(doc, json, "behavior", JSON_NEED, BEHAVIORS, &behavior) < 0 ||
        json_get_bool(doc, json, "invert", JSON_NEED, &invert) < 0)
        return -1;
    const struct pattern *known = known_pattern(doc, json, behavior, invert);
    struct pretokenizer_step *step = add_step(p, known ? PRETOKENIZE_SCAN : PRETOKENIZE_MATCH);
    step->scan = known;
    step->behavior = (enum split_behavior)behavior;
    step->invert = invert;
    return known ? 0 : matcher_load(&step->pattern, doc, json);
}

static int
load_metaspace(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    int prepend = PREPEND_ALWAYS;
    bool split = true, space = true;
    uint32_t character = 0;
    if (json_only_keys(doc, json,
                       "type|replacement|add_prefix_space|prepend_scheme|split|str_rep") < 0 ||
        load_character(doc, json, "replacement", &character) < 0 ||
        json_get_choice(doc, json, "prepend_scheme", JSON_MAY, "first|never|always", &prepend) <
            0 ||
        json_get_bool(doc, json, "split", JSON_MAY, &split) < 0)
        return -1;
    int given = json_get_bool(doc, json, "add_prefix_space", JSON_MAY, &space);
    if (given < 0)
        return -1;
    if (given && !space) {
        /* older files have this key alone; both must agree */
        if (prepend != PREPEND_NEVER && json_object_get(json, "prepend_scheme"))
            return json_fail(doc, json, "add_prefix_space", "contradicts prepend_scheme");
        prepend = PREPEND_NEVER;
    }
    struct pretokenizer_step *step = add_step(p, PRETOKENIZE_METASPACE);
    step->character = character;
    step->prepend = (enum prepend_scheme)prepend;
    if (split) {
        step = add_class(p, 0, SPLIT_MERGED_WITH_NEXT);
        step->character = character;
    }
    return 0;
}

static int
load_digits(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    bool each = false;
    if (json_only_keys(doc, json, "type|individual_digits") < 0 ||
        json_get_bool(doc, json, "individual_digits", JSON_NEED, &each) < 0)
        return -1;
    add_class(p, CLASS_N, each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
    return 0;
}

static int
load_punctuation(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    int behavior = SPLIT_ISOLATED;
    if (json_only_keys(doc, json, "type|behavior") < 0 ||
        json_get_choice(doc, json, "behavior", JSON_MAY, BEHAVIORS, &behavior) < 0)
        return -1;
    add_class(p, PUNCTUATION, (enum split_behavior)behavior);
    return 0;
}

static int
load_delimiter(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    uint32_t character = 0;
    if (json_only_keys(doc, json, "type|delimiter") < 0 ||
        load_character(doc, json, "delimiter", &character) < 0)
        return -1;
    add_class(p, 0, SPLIT_REMOVED)->character = character;
    return 0;
}

static int
load_length(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    int64_t length = 5;
    if (json_only_keys(doc, json, "type|length") < 0 ||
        json_get_int(doc, json, "length", JSON_MAY, 1, INT32_MAX, &length) < 0)
        return -1;
    add_step(p, PRETOKENIZE_LENGTH)->length = (size_t)length;
    return 0;
}

static int
load_words(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    if (json_only_keys(doc, json, "type") < 0)
        return -1;
    struct pretokenizer_step *step = add_step(p, PRETOKENIZE_WORDS);
    step->behavior = SPLIT_REMOVED;
    step->invert = true;
    return 0;
}

static int
load_white_space(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    if (json_only_keys(doc, json, "type") < 0)
        return -1;
    add_class(p, CLASS_SPACE, SPLIT_REMOVED);
    return 0;
}

static int
load_bert(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    if (load_white_space(p, doc, json) < 0)
        return -1;
    add_class(p, PUNCTUATION, SPLIT_ISOLATED);
    return 0;
}

static int
load_any(struct pretokenizer *p, const struct json_doc *doc, const json_t *json, int depth);

static int
load_sequence(struct pretokenizer *p, const struct json_doc *doc, const json_t *json, int depth)
{
    const json_t *list = NULL, *item = NULL;
    if (json_only_keys(doc, json, "type|pretokenizers") < 0 ||
        json_get_array(doc, json, "pretokenizers", JSON_NEED, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_at_object(doc, list, i, &item) < 0 || load_any(p, doc, item, depth + 1) < 0)
            return -1;
    return 0;
}

/* In the order of TYPES; Sequence, which is last, stands apart. */
static int (*const loaders[])(struct pretokenizer *, const struct json_doc *, const json_t *) = {
    load_byte_level, load_split,  load_metaspace, load_digits,      load_punctuation,
    load_delimiter,  load_length, load_words,     load_white_space, load_bert};
#define TYPES                                                                      \
    "ByteLevel|Split|Metaspace|Digits|Punctuation|CharDelimiterSplit|FixedLength|" \
    "Whitespace|WhitespaceSplit|BertPreTokenizer|Sequence"
enum { TYPE_SEQUENCE = sizeof loaders / sizeof *loaders };

static int
load_any(struct pretokenizer *p, const struct json_doc *doc, const json_t *json, int depth)
{
    int type = 0;
    if (json_get_choice(doc, json, "type", JSON_NEED, TYPES, &type) < 0)
        return -1;
    /* every loader adds at most three steps */
    if (depth > NESTING_MOST || p->steps.len + 3 > PRETOKENIZER_STEPS)
        return json_fail(doc, json, NULL, "more pre-tokenizers than supported");
    return type == TYPE_SEQUENCE ? load_sequence(p, doc, json, depth) : loaders[type](p, doc, json);
}

int
pretokenizer_load(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    p->classes = text_classes();
    if (json && load_any(p, doc, json, 0) < 0)
        return -1;
    if (p->steps.len && p->steps.data[p->steps.len - 1].kind == PRETOKENIZE_BYTE_MAP) {
        p->byte_level = true;
        p->steps.len--;
    }
    return 0;
}

void
pretokenizer_keep_byte_map(struct pretokenizer *p)
{
    p->steps.len += p->byte_level;
    p->byte_level = false;
}

void
pretokenizer_release(struct pretokenizer *p)
{
    for (size_t i = 0; i < p->steps.len; i++)
        matcher_release(&p->steps.data[i].pattern);
    vec_release(&p->steps);
}

bool
pretokenizer_asks_first(const struct pretokenizer *p)
{
    for (size_t i = 0; i < p->steps.len; i++)
        if (p->steps.data[i].kind == PRETOKENIZE_METASPACE &&
            p->steps.data[i].prepend == PREPEND_FIRST)
            return true;
    return false;
}

#include "tokenizer/pretokenizer.h"

#include "text/classes.h"
#include "tokenizer/component.h"

/* The pre_tokenizer member of tokenizer.json, compiled into steps. */

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
load_byte_level(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    bool space = true, regex = true, trim;
    if (json_get_bool(doc, json, "add_prefix_space", JSON_NEED, &space) < 0 ||
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
static void
know_pattern(struct pretokenizer_step *step, const struct json_doc *doc, const json_t *json)
{
    const char *s = NULL;
    size_t n = 0;
    const json_t *pattern = NULL;
    bool isolated = step->behavior == SPLIT_ISOLATED;
    if (!isolated && !(step->behavior == SPLIT_REMOVED && step->invert))
        return;
    if (json_get_object(doc, json, "pattern", JSON_NEED, &pattern) < 0 ||
        json_get_bytes(doc, pattern, "Regex", JSON_MAY, &s, &n) <= 0)
        return;
    step->scan = pattern_by_regex(s, n);
    if (step->scan)
        step->kind = PRETOKENIZE_SCAN;
    else if (isolated)
        step->part = pattern_deepseek3_part(s, n);
}

/* Three steps in a row that are the parts of "deepseek3" become one. */
static void
join_parts(struct pretokenizer *p)
{
    struct pretokenizer_step *step = p->steps.data;
    size_t kept = 0;
    for (size_t i = 0; i < p->steps.len; i++) {
        step[kept++] = step[i];
        if (kept < 3 || step[kept - 3].part != 1 || step[kept - 2].part != 2 ||
            step[kept - 1].part != 3)
            continue;
        for (size_t k = kept - 3; k < kept; k++)
            matcher_release(&step[k].pattern);
        kept -= 2;
        step[kept - 1] = (struct pretokenizer_step){.kind = PRETOKENIZE_SCAN,
                                                    .behavior = SPLIT_ISOLATED,
                                                    .character = UINT32_MAX,
                                                    .scan = &pattern_deepseek3};
    }
    p->steps.len = kept;
}

static int
load_split(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    int behavior = 0;
    bool invert = false;
    if (json_get_choice(doc, json, "behavior", JSON_NEED, BEHAVIORS, &behavior) < 0 ||
        json_get_bool(doc, json, "invert", JSON_NEED, &invert) < 0)
        return -1;
    struct pretokenizer_step *step = add_step(p, PRETOKENIZE_MATCH);
    step->behavior = (enum split_behavior)behavior;
    step->invert = invert;
    know_pattern(step, doc, json);
    return step->scan ? 0 : matcher_load(&step->pattern, doc, json);
}

static int
load_metaspace(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    int prepend = PREPEND_ALWAYS;
    bool split = true, space = true;
    uint32_t character = 0;
    if (component_character(doc, json, "replacement", &character) < 0 ||
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
load_digits(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    bool each = false;
    if (json_get_bool(doc, json, "individual_digits", JSON_NEED, &each) < 0)
        return -1;
    add_class(p, CLASS_N, each ? SPLIT_ISOLATED : SPLIT_CONTIGUOUS);
    return 0;
}

static int
load_punctuation(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    int behavior = SPLIT_ISOLATED;
    if (json_get_choice(doc, json, "behavior", JSON_MAY, BEHAVIORS, &behavior) < 0)
        return -1;
    add_class(p, PUNCTUATION, (enum split_behavior)behavior);
    return 0;
}

static int
load_delimiter(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    uint32_t character = 0;
    if (component_character(doc, json, "delimiter", &character) < 0)
        return -1;
    add_class(p, 0, SPLIT_REMOVED)->character = character;
    return 0;
}

static int
load_length(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    struct pretokenizer *p = owner;
    (void)kind;
    int64_t length = 5;
    if (json_get_int(doc, json, "length", JSON_MAY, 1, INT32_MAX, &length) < 0)
        return -1;
    add_step(p, PRETOKENIZE_LENGTH)->length = (size_t)length;
    return 0;
}

/* Runs that a step finds are the pieces, what lies between is dropped. */
static int
load_runs(void *owner, const struct json_doc *doc, const json_t *json, int kind)
{
    (void)doc, (void)json;
    struct pretokenizer_step *step = add_step(owner, (enum pretokenizer_kind)kind);
    step->behavior = SPLIT_REMOVED;
    step->invert = true;
    return 0;
}

static int
load_white_space(void *owner, const struct json_doc *doc, const json_t *json, int bert)
{
    (void)doc, (void)json;
    add_class(owner, CLASS_SPACE, SPLIT_REMOVED);
    if (bert)
        add_class(owner, PUNCTUATION, SPLIT_ISOLATED);
    return 0;
}

static const struct component kinds[] = {
    {"ByteLevel", "type|add_prefix_space|trim_offsets|use_regex", load_byte_level, 0},
    {"Split", "type|pattern|behavior|invert", load_split, 0},
    {"Metaspace", "type|replacement|add_prefix_space|prepend_scheme|split|str_rep", load_metaspace,
     0},
    {"Digits", "type|individual_digits", load_digits, 0},
    {"Punctuation", "type|behavior", load_punctuation, 0},
    {"CharDelimiterSplit", "type|delimiter", load_delimiter, 0},
    {"FixedLength", "type|length", load_length, 0},
    {"Whitespace", "type", load_runs, PRETOKENIZE_WORDS},
    {"UnicodeScripts", "type", load_runs, PRETOKENIZE_SCRIPTS},
    {"WhitespaceSplit", "type", load_white_space, false},
    {"BertPreTokenizer", "type", load_white_space, true},
};
/* every one adds at most three steps */
static const struct components pretokenizers = {"pretokenizers", PRETOKENIZER_STEPS / 3, kinds,
                                                sizeof kinds / sizeof *kinds};

int
pretokenizer_load(struct pretokenizer *p, const struct json_doc *doc, const json_t *json)
{
    p->classes = text_classes();
    if (json && component_load(&pretokenizers, p, doc, json) < 0)
        return -1;
    join_parts(p);
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

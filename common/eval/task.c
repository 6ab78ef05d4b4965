/* Task files: what each key says, and that nothing else is in them. */
#include "eval/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/task_definition.h"

enum { WHY_SIZE = 256, CHOICES_MAX = 1 << 16 };

static const char root_keys[] =
    "task|version|harness|group|about|output_type|documents|pipes|training_split|validation_split|"
    "test_split|fewshot_split|num_fewshot|fewshot_config|shuffle_seed|description|doc_to_text|"
    "doc_to_target|doc_to_choice|doc_to_references|doc_to_original_text|target_delimiter|"
    "fewshot_delimiter|generation_kwargs|no_answer|encode|add_bos_token|filters|normalise|metrics";

/* What the readers below share. */
struct reading {
    const struct json_doc *doc;
    struct task_definition *d;
};

static const struct pipe_names *
names_of(const struct reading *r)
{
    return &r->d->pipes;
}

/* The template that member `key` holds. 1, 0 when absent, -1. */
static int
get_template(const struct reading *r, const json_t *object, const char *key, enum json_need need,
             struct template **out)
{
    const char *text;
    size_t n;
    char why[WHY_SIZE];
    int found = json_get_bytes(r->doc, object, key, need, &text, &n);

    if (found != 1)
        return found;
    *out = template_new(text, n, names_of(r), why, sizeof why);
    return *out ? 1 : json_fail(r->doc, object, key, "%s", why);
}

/* The templates of a list. 0 or -1. */
static int
get_templates(const struct reading *r, const json_t *list, struct template ***data, size_t *count)
{
    VEC(struct template *) out = {0};
    char why[WHY_SIZE];
    int result = 0;

    if (json_array_size(list) > CHOICES_MAX)
        return json_fail_at(r->doc, list, CHOICES_MAX, "too long a list");
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
        const char *text;
        size_t n;

        if (json_at_bytes(r->doc, list, i, &text, &n) < 0) {
            result = -1;
            break;
        }
        struct template *t = template_new(text, n, names_of(r), why, sizeof why);
        if (t)
            vec_push(&out, t);
        else
            result = json_fail_at(r->doc, list, i, "%s", why);
    }
    *data = out.data;
    *count = out.len;
    return result;
}

/* ---- pipes ---- */

/* Adds the pipes in a list of strings to a chain. 0 or -1. */
static int
get_chain(const struct reading *r, const json_t *list, struct pipes **out)
{
    char why[WHY_SIZE];

    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text;
        size_t n, used;
        int result = 0;

        if (json_at_bytes(r->doc, list, i, &text, &n) < 0)
            return -1;
        if (*out)
            result = pipes_add(*out, text, n, names_of(r), why, sizeof why);
        else if (!(*out = pipes_new(text, n, false, names_of(r), &used, why, sizeof why)))
            result = -1;
        if (result < 0)
            return json_fail_at(r->doc, list, i, "%s", why);
    }
    return 0;
}

static int
read_pipes(const struct reading *r, const json_t *root)
{
    const json_t *object = NULL;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, root, "pipes", JSON_MAY, &object) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const json_t *list;
        struct pipes *chain = NULL;

        if (json_get_array(r->doc, object, name, JSON_NEED, &list) < 0)
            return -1;
        if (json_array_size(list) == 0)
            return json_fail(r->doc, object, name, "expected pipes");
        int result = get_chain(r, list, &chain);
        if (result < 0) {
            pipes_free(chain);
            return -1;
        }
        vec_push(&r->d->pipes.names, mem_strdup(name));
        vec_push(&r->d->pipes.chains, chain);
    }
    return 0;
}

/* ---- documents ---- */

static int
add_file_name(const struct reading *r, const json_t *list, size_t i, struct document_file *file)
{
    const char *name;

    if (json_at_string(r->doc, list, i, &name) < 0)
        return -1;
    const char *fault = document_name_fault(name);
    if (fault)
        return json_fail_at(r->doc, list, i, "%s", fault);
    vec_push(&file->names, mem_strdup(name));
    return 0;
}

/* "files": each a name, or a list of names the first of which that is there is read. 0 or -1. */
static int
read_files(const struct reading *r, const json_t *object, struct document_source *s)
{
    const json_t *list;

    if (json_get_array(r->doc, object, "files", JSON_NEED, &list) < 0)
        return -1;
    if (json_array_size(list) == 0)
        return json_fail(r->doc, object, "files", "expected names of files");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct document_file file = {0};
        int result = 0;

        if (json_is_array(one) && json_array_size(one) > 0)
            for (size_t k = 0; result == 0 && k < json_array_size(one); k++)
                result = add_file_name(r, one, k, &file);
        else
            result = add_file_name(r, list, i, &file);
        vec_push(&s->files, file);
        if (result < 0)
            return -1;
    }
    return 0;
}

static int
read_columns(const struct reading *r, const json_t *object, struct document_source *s)
{
    const json_t *list = NULL;

    if (json_get_array(r->doc, object, "columns", JSON_MAY, &list) < 0)
        return -1;
    if (list && s->format != FORMAT_TSV)
        return json_fail(r->doc, object, "columns", "only tsv has columns");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name;

        if (json_at_string(r->doc, list, i, &name) < 0)
            return -1;
        vec_push(&s->columns, mem_strdup(name));
    }
    return 0;
}

static int
read_split(const struct reading *r, const json_t *object, struct split *s)
{
    int format = 0;
    const char *rows = NULL;
    char why[WHY_SIZE];

    s->shuffle_seed = -1;
    s->fraction = 1;
    if (json_only_keys(r->doc, object, "files|format|rows|columns|shuffle_seed|fraction") < 0 ||
        json_get_choice(r->doc, object, "format", JSON_NEED, DOCUMENT_FORMATS, &format) < 0 ||
        json_get_string(r->doc, object, "rows", JSON_MAY, &rows) < 0 ||
        json_get_int(r->doc, object, "shuffle_seed", JSON_MAY, 0, INT64_MAX, &s->shuffle_seed) <
            0 ||
        json_get_real(r->doc, object, "fraction", JSON_MAY, &s->fraction) < 0)
        return -1;
    s->source.format = (enum document_format)format;
    if (!(s->fraction > 0 && s->fraction <= 1))
        return json_fail(r->doc, object, "fraction", "must be above 0 and at most 1");
    if (rows && format != FORMAT_JSON && format != FORMAT_XML)
        return json_fail(r->doc, object, "rows", "only json and xml have rows");
    if (!rows && format == FORMAT_XML)
        return json_fail(r->doc, object, "rows", "missing, expected the path of an element");
    if (rows && template_path_parse(&s->source.rows, rows, strlen(rows), why, sizeof why) < 0)
        return json_fail(r->doc, object, "rows", "%s", why);
    return read_files(r, object, &s->source) < 0 || read_columns(r, object, &s->source) < 0 ? -1
                                                                                            : 0;
}

static int
read_splits(const struct reading *r, const json_t *documents)
{
    const json_t *splits, *object;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, documents, "splits", JSON_NEED, &splits) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)splits, name, value)
    {
        struct split s = {.name = mem_strdup(name)};
        int result = json_get_object(r->doc, splits, name, JSON_NEED, &object);

        if (result == 1)
            result = read_split(r, object, &s);
        vec_push(&r->d->splits, s);
        if (result < 0)
            return -1;
    }
    if (r->d->splits.len == 0)
        return json_fail(r->doc, documents, "splits", "expected splits");
    return 0;
}

/* A field: a template, a list of them, or {"text": …, "then": [pipes]}. */
static int
read_field(const struct reading *r, const json_t *fields, const char *name, struct field *f)
{
    const json_t *value = json_object_get(fields, name), *list = NULL;
    struct template *t = NULL;

    if (json_is_array(value)) {
        f->list = true;
        return get_templates(r, value, &f->texts.data, &f->texts.len);
    }
    if (!json_is_object(value)) {
        int found = get_template(r, fields, name, JSON_NEED, &t);
        if (t)
            vec_push(&f->texts, t);
        return found < 0 ? -1 : 0;
    }
    if (json_only_keys(r->doc, value, "text|then") < 0 ||
        get_template(r, value, "text", JSON_NEED, &t) < 0)
        return -1;
    vec_push(&f->texts, t);
    return json_get_array(r->doc, value, "then", JSON_NEED, &list) < 0
               ? -1
               : get_chain(r, list, &f->then);
}

static int
read_fields(const struct reading *r, const json_t *documents)
{
    const json_t *fields = NULL;
    const char *name;
    json_t *value;

    if (json_get_object(r->doc, documents, "fields", JSON_MAY, &fields) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
    {
        struct field f = {.name = mem_strdup(name)};
        int result = read_field(r, fields, name, &f);

        vec_push(&r->d->fields, f);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* "keep" and "drop": names of fields and the text that they are compared with. */
static int
read_conditions(const struct reading *r, const json_t *documents, const char *key, bool keep)
{
    const json_t *object = NULL;
    const char *name, *text;
    json_t *value;

    if (json_get_object(r->doc, documents, key, JSON_MAY, &object) < 0)
        return -1;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (json_get_string(r->doc, object, name, JSON_NEED, &text) < 0)
            return -1;
        struct condition c = {mem_strdup(name), mem_strdup(text), keep};
        vec_push(&r->d->conditions, c);
    }
    return 0;
}

/* A list of strings, or one string. */
static int
get_strings(const struct reading *r, const json_t *object, const char *key, const char ***data,
            size_t *count)
{
    VEC(const char *) out = {0};
    const json_t *list = json_object_get(object, key);
    const char *text = NULL;
    int result = 0;

    if (json_is_array(list)) {
        for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
            result = json_at_string(r->doc, list, i, &text) < 0 ? -1 : 0;
            if (result == 0)
                vec_push(&out, text);
        }
    } else if ((result = json_get_string(r->doc, object, key, JSON_MAY, &text)) == 1) {
        vec_push(&out, text);
    }
    *data = out.data;
    *count = out.len;
    return result < 0 ? -1 : 0;
}

static int
read_documents(const struct reading *r, const json_t *root)
{
    const json_t *object;
    struct task_definition *d = r->d;

    if (json_get_object(r->doc, root, "documents", JSON_NEED, &object) < 0 ||
        json_only_keys(r->doc, object, "published|license|note|splits|fields|keep|drop") < 0 ||
        get_strings(r, object, "published", &d->published.data, &d->published.len) < 0 ||
        json_get_string(r->doc, object, "license", JSON_MAY, &d->license) < 0 ||
        json_get_string(r->doc, object, "note", JSON_MAY, &d->note) < 0)
        return -1;
    if (read_splits(r, object) < 0 || read_fields(r, object) < 0 ||
        read_conditions(r, object, "keep", true) < 0 ||
        read_conditions(r, object, "drop", false) < 0)
        return -1;
    return 0;
}

/* ---- splits and shots ---- */

static int
find_split(const struct reading *r, const json_t *root, const char *key, int *out)
{
    const char *name = NULL;
    int found = json_get_string(r->doc, root, key, JSON_MAY, &name);

    *out = -1;
    if (found != 1)
        return found;
    for (size_t i = 0; i < r->d->splits.len; i++)
        if (strcmp(r->d->splits.data[i].name, name) == 0)
            *out = (int)i;
    return *out < 0 ? json_fail(r->doc, root, key, "there is no split '%s' in documents", name) : 0;
}

static int
read_fewshot_config(const struct reading *r, const json_t *root)
{
    struct task_definition *d = r->d;
    const json_t *object = NULL;
    int sampler = SAMPLER_DEFAULT, generator = 0;

    d->fewshot_seed = 1234; /* the harness's default */
    if (json_get_object(r->doc, root, "fewshot_config", JSON_MAY, &object) < 0)
        return -1;
    if (!object)
        return 0;
    if (json_only_keys(r->doc, object, "sampler|seed|generator|shrink_to_fit") < 0 ||
        json_get_choice(r->doc, object, "sampler", JSON_MAY, "default|first_n|stratified",
                        &sampler) < 0 ||
        json_get_int(r->doc, object, "seed", JSON_MAY, 0, INT64_MAX, &d->fewshot_seed) < 0 ||
        json_get_choice(r->doc, object, "generator", JSON_MAY, "own|shared", &generator) < 0 ||
        json_get_bool(r->doc, object, "shrink_to_fit", JSON_MAY, &d->shrink_to_fit) < 0)
        return -1;
    d->sampler = (enum sampler)sampler;
    d->shared_generator = generator == 1;
    if (d->shared_generator && d->shuffle_seed < 0)
        return json_fail(r->doc, object, "generator", "shared needs the task's shuffle_seed");
    return 0;
}

static int
read_shots(const struct reading *r, const json_t *root)
{
    struct task_definition *d = r->d;

    d->shuffle_seed = -1;
    if (find_split(r, root, "training_split", &d->training) < 0 ||
        find_split(r, root, "validation_split", &d->validation) < 0 ||
        find_split(r, root, "test_split", &d->test) < 0 ||
        find_split(r, root, "fewshot_split", &d->fewshot) < 0 ||
        json_get_int(r->doc, root, "num_fewshot", JSON_MAY, 0, 1000000, &d->num_fewshot) < 0 ||
        json_get_int(r->doc, root, "shuffle_seed", JSON_MAY, 0, INT64_MAX, &d->shuffle_seed) < 0)
        return -1;
    if (d->test < 0 && d->validation < 0)
        return json_fail(r->doc, root, NULL, "expected a test_split or a validation_split");
    return read_fewshot_config(r, root);
}

/* ---- prompts ---- */

static int
read_choices(const struct reading *r, const json_t *root)
{
    struct task_definition *d = r->d;
    const json_t *value = json_object_get(root, "doc_to_choice");
    struct template *t = NULL;

    if (!value)
        return 0;
    d->choices = true;
    if (json_is_array(value)) {
        d->choice_list = true;
        return get_templates(r, value, &d->doc_to_choice.data, &d->doc_to_choice.len);
    }
    if (get_template(r, root, "doc_to_choice", JSON_NEED, &t) < 0)
        return -1;
    vec_push(&d->doc_to_choice, t);
    return 0;
}

static int
get_delimiter(const struct reading *r, const json_t *root, const char *key, const char **text,
              size_t *n)
{
    *n = strlen(*text);
    return json_get_bytes(r->doc, root, key, JSON_MAY, text, n) < 0 ? -1 : 0;
}

static int
read_prompts(const struct reading *r, const json_t *root, enum output_type type)
{
    struct task_definition *d = r->d;
    bool choice = type == OUTPUT_MULTIPLE_CHOICE || type == OUTPUT_MULTIPLE_INPUT;

    d->target_delimiter = " "; /* the harness's defaults */
    d->fewshot_delimiter = "\n\n";
    if (get_template(r, root, "description", JSON_MAY, &d->description) < 0 ||
        get_template(r, root, "doc_to_text", JSON_NEED, &d->doc_to_text) < 0 ||
        get_template(r, root, "doc_to_target", JSON_NEED, &d->doc_to_target) < 0 ||
        get_template(r, root, "doc_to_references", JSON_MAY, &d->references) < 0 ||
        get_template(r, root, "doc_to_original_text", JSON_MAY, &d->original) < 0 ||
        read_choices(r, root) < 0 ||
        get_delimiter(r, root, "target_delimiter", &d->target_delimiter, &d->target_delimiter_n) <
            0 ||
        get_delimiter(r, root, "fewshot_delimiter", &d->fewshot_delimiter,
                      &d->fewshot_delimiter_n) < 0)
        return -1;
    if (choice && !d->choices)
        return json_fail(r->doc, root, "doc_to_choice", "missing, the output type needs it");
    if (d->choices && !choice && type != OUTPUT_GENERATE)
        return json_fail(r->doc, root, "doc_to_choice", "the output type has no choices");
    if (d->original && type != OUTPUT_ROLLING)
        return json_fail(r->doc, root, "doc_to_original_text", "is for loglikelihood_rolling");
    if (d->references && type != OUTPUT_GENERATE)
        return json_fail(r->doc, root, "doc_to_references", "is for generate_until");
    return 0;
}

/* ---- generation ---- */

/* "gold" or "gold+10" */
static bool
parse_gold(const char *text, struct answer_length *out)
{
    char *end;

    if (strncmp(text, "gold", 4) != 0)
        return false;
    out->gold = true;
    out->tokens = 0;
    if (text[4] == '\0')
        return true;
    if (text[4] != '+' || text[5] < '0' || text[5] > '9')
        return false;
    long more = strtol(text + 5, &end, 10);
    out->tokens = more;
    return *end == '\0' && more <= 1 << 20;
}

static int
read_length(const struct reading *r, const json_t *object)
{
    struct answer_length *out = &r->d->max_gen_toks;
    const json_t *value = json_object_get(object, "max_gen_toks");

    if (json_is_string(value)) {
        if (!parse_gold(json_string_value(value), out))
            return json_fail(r->doc, object, "max_gen_toks",
                             "expected a number, \"gold\" or \"gold+N\"");
        return 0;
    }
    return json_get_int(r->doc, object, "max_gen_toks", JSON_MAY, 1, 1 << 24, &out->tokens) < 0 ? -1
                                                                                                : 0;
}

static int
read_sampling(const struct reading *r, const json_t *object)
{
    struct task_definition *d = r->d;

    if (json_get_real(r->doc, object, "temperature", JSON_MAY, &d->temperature) < 0 ||
        json_get_real(r->doc, object, "top_p", JSON_MAY, &d->top_p) < 0 ||
        json_get_real(r->doc, object, "repetition_penalty", JSON_MAY, &d->repetition_penalty) < 0 ||
        json_get_int(r->doc, object, "top_k", JSON_MAY, 0, 1 << 24, &d->top_k) < 0)
        return -1;
    if (!(d->temperature >= 0 && d->temperature <= 100))
        return json_fail(r->doc, object, "temperature", "must be from 0 to 100");
    if (!(d->top_p > 0 && d->top_p <= 1))
        return json_fail(r->doc, object, "top_p", "must be above 0 and at most 1");
    if (!(d->repetition_penalty > 0 && d->repetition_penalty <= 100))
        return json_fail(r->doc, object, "repetition_penalty", "must be above 0 and at most 100");
    return 0;
}

static int
read_generation(const struct reading *r, const json_t *root, enum output_type type)
{
    struct task_definition *d = r->d;
    const json_t *object = NULL;

    d->top_p = d->repetition_penalty = 1;
    if (json_get_object(r->doc, root, "generation_kwargs",
                        type == OUTPUT_GENERATE ? JSON_NEED : JSON_MAY, &object) < 0 ||
        json_get_string(r->doc, root, "no_answer", JSON_MAY, &d->no_answer) < 0)
        return -1;
    if (type != OUTPUT_GENERATE && (object || d->no_answer))
        return json_fail(r->doc, root, object ? "generation_kwargs" : "no_answer",
                         "is for generate_until");
    if (!object)
        return 0;
    if (json_only_keys(r->doc, object,
                       "until|max_gen_toks|temperature|top_p|top_k|repetition_penalty") < 0 ||
        get_strings(r, object, "until", &d->until.data, &d->until.len) < 0)
        return -1;
    for (size_t i = 0; i < d->until.len; i++)
        if (!*d->until.data[i])
            return json_fail(r->doc, object, "until", "an empty text ends nothing");
    return read_length(r, object) < 0 ? -1 : read_sampling(r, object);
}

static int
read_encoding(const struct reading *r, const json_t *root)
{
    int rule = ENCODE_JOINT;
    const json_t *bos = json_object_get(root, "add_bos_token");

    if (json_get_choice(r->doc, root, "encode", JSON_MAY, "joint|separate", &rule) < 0)
        return -1;
    r->d->encode = (enum encode_rule)rule;
    if (bos && !json_is_boolean(bos) &&
        !(json_is_string(bos) && strcmp(json_string_value(bos), "auto") == 0))
        return json_fail(r->doc, root, "add_bos_token", "expected \"auto\", true or false");
    if (json_is_boolean(bos))
        r->d->add_bos_token = json_is_true(bos) ? BOS_YES : BOS_NO;
    return 0;
}

/* Does a metric want log p of the choices without a context? Metrics themselves are scores.c's. */
static bool
wants_mutual_info(const json_t *root)
{
    const json_t *metrics = json_object_get(root, "metrics");

    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *one = json_array_get(metrics, i);
        const char *name = json_string_value(json_is_object(one) ? json_object_get(one, "metric")
                                                                 : one);
        if (name && strcmp(name, "acc_mutual_info") == 0)
            return true;
    }
    return false;
}

static int
read_task(struct task *t, const struct reading *r)
{
    const char *name, *harness = "";
    const json_t *metrics;
    int type = 0;

    if (json_only_keys(r->doc, t->root, root_keys) < 0 ||
        json_get_string(r->doc, t->root, "task", JSON_NEED, &name) < 0 ||
        json_get_int(r->doc, t->root, "version", JSON_NEED, 0, INT32_MAX, &t->version) < 0 ||
        json_get_string(r->doc, t->root, "harness", JSON_MAY, &harness) < 0 ||
        json_get_string(r->doc, t->root, "about", JSON_MAY, &r->d->about) < 0 ||
        get_strings(r, t->root, "group", &r->d->groups.data, &r->d->groups.len) < 0 ||
        json_get_choice(r->doc, t->root, "output_type", JSON_NEED,
                        "multiple_choice|multiple_input|loglikelihood|loglikelihood_rolling|"
                        "generate_until",
                        &type) < 0 ||
        json_get_array(r->doc, t->root, "metrics", JSON_NEED, &metrics) < 0)
        return -1;
    if (!*name || strchr(name, '/'))
        return json_fail(r->doc, t->root, "task", "a name is not empty and without /");
    t->name = mem_strdup(name);
    t->harness = mem_strdup(harness);
    t->output_type = (enum output_type)type;
    r->d->mutual_info = wants_mutual_info(t->root);
    if (read_pipes(r, t->root) < 0 || read_documents(r, t->root) < 0 ||
        read_shots(r, t->root) < 0 || read_prompts(r, t->root, t->output_type) < 0 ||
        read_generation(r, t->root, t->output_type) < 0)
        return -1;
    return read_encoding(r, t->root);
}

int
task_parse(struct task *t, const char *name, const void *text, size_t n)
{
    *t = (struct task){.path = mem_strdup(name)};
    t->definition = mem_zalloc(sizeof *t->definition);
    if (json_doc_parse(&t->doc, name, text, n) < 0 || json_root_object(&t->doc, &t->root) < 0 ||
        read_task(t, &(struct reading){&t->doc, t->definition}) < 0) {
        task_release(t);
        return -1;
    }
    return 0;
}

static void
templates_release(struct template **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        template_free(list[i]);
    free(list);
}

static void
definition_free(struct task_definition *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->splits.len; i++) {
        free(d->splits.data[i].name);
        document_source_release(&d->splits.data[i].source);
    }
    vec_release(&d->splits);
    for (size_t i = 0; i < d->fields.len; i++) {
        free(d->fields.data[i].name);
        templates_release(d->fields.data[i].texts.data, d->fields.data[i].texts.len);
        pipes_free(d->fields.data[i].then);
    }
    vec_release(&d->fields);
    for (size_t i = 0; i < d->conditions.len; i++) {
        free(d->conditions.data[i].name);
        free(d->conditions.data[i].text);
    }
    vec_release(&d->conditions);
    vec_release(&d->groups);
    vec_release(&d->published);
    vec_release(&d->until);
    template_free(d->description);
    template_free(d->doc_to_text);
    template_free(d->doc_to_target);
    template_free(d->references);
    template_free(d->original);
    templates_release(d->doc_to_choice.data, d->doc_to_choice.len);
    pipe_names_release(&d->pipes);
    free(d);
}

void
task_release(struct task *t)
{
    definition_free(t->definition);
    json_doc_release(&t->doc);
    free(t->name);
    free(t->path);
    free(t->harness);
    *t = (struct task){0};
}

/* Splits, examples, prompts and generation of a task file. */
#include <stdlib.h>
#include <string.h>

#include "eval/task_reading.h"

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

int
task_read_shots(const struct reading *r, const json_t *root)
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
        return task_get_templates(r, value, &d->doc_to_choice.data, &d->doc_to_choice.len);
    }
    if (task_get_template(r, root, "doc_to_choice", JSON_NEED, &t) < 0)
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

int
task_read_prompts(const struct reading *r, const json_t *root, enum output_type type)
{
    struct task_definition *d = r->d;
    bool choice = type == OUTPUT_MULTIPLE_CHOICE || type == OUTPUT_MULTIPLE_INPUT;

    d->target_delimiter = " "; /* the harness's defaults */
    d->fewshot_delimiter = "\n\n";
    if (task_get_template(r, root, "description", JSON_MAY, &d->description) < 0 ||
        task_get_template(r, root, "doc_to_text", JSON_NEED, &d->doc_to_text) < 0 ||
        task_get_template(r, root, "doc_to_target", JSON_NEED, &d->doc_to_target) < 0 ||
        task_get_template(r, root, "doc_to_references", JSON_MAY, &d->references) < 0 ||
        task_get_template(r, root, "doc_to_original_text", JSON_MAY, &d->original) < 0 ||
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

int
task_read_generation(const struct reading *r, const json_t *root, enum output_type type)
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
        task_get_strings(r, object, "until", &d->until.data, &d->until.len) < 0)
        return -1;
    for (size_t i = 0; i < d->until.len; i++)
        if (!*d->until.data[i])
            return json_fail(r->doc, object, "until", "an empty text ends nothing");
    return read_length(r, object) < 0 ? -1 : read_sampling(r, object);
}

int
task_read_encoding(const struct reading *r, const json_t *root)
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

/* Task files: what each key says, and that nothing else is in them. */
#include "eval/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/task_reading.h"

enum { LIST_MAX = 1 << 16 };

static const char root_keys[] =
    "task|version|harness|group|about|output_type|documents|pipes|training_split|validation_split|"
    "test_split|fewshot_split|num_fewshot|fewshot_config|shuffle_seed|description|doc_to_text|"
    "doc_to_target|doc_to_choice|doc_to_references|doc_to_original_text|target_delimiter|"
    "fewshot_delimiter|generation_kwargs|no_answer|encode|add_bos_token|filters|normalise|metrics";

const struct pipe_names *
task_pipe_names(const struct reading *r)
{
    return &r->d->pipes;
}

/* The template that member `key` holds. 1, 0 when absent, -1. */
int
task_get_template(const struct reading *r, const json_t *object, const char *key,
                  enum json_need need, struct template **out)
{
    const char *text;
    size_t n;
    char why[READING_WHY_SIZE];
    int found = json_get_bytes(r->doc, object, key, need, &text, &n);

    if (found != 1)
        return found;
    *out = template_new(text, n, task_pipe_names(r), why, sizeof why);
    return *out ? 1 : json_fail(r->doc, object, key, "%s", why);
}

/* The templates of a list. 0 or -1. */
int
task_get_templates(const struct reading *r, const json_t *list, struct template ***data,
                   size_t *count)
{
    VEC(struct template *) out = {0};
    char why[READING_WHY_SIZE];
    int result = 0;

    if (json_array_size(list) > LIST_MAX)
        return json_fail_at(r->doc, list, LIST_MAX, "too long a list");
    for (size_t i = 0; result == 0 && i < json_array_size(list); i++) {
        const char *text;
        size_t n;

        if (json_at_bytes(r->doc, list, i, &text, &n) < 0) {
            result = -1;
            break;
        }
        struct template *t = template_new(text, n, task_pipe_names(r), why, sizeof why);
        if (t)
            vec_push(&out, t);
        else
            result = json_fail_at(r->doc, list, i, "%s", why);
    }
    *data = out.data;
    *count = out.len;
    return result;
}

/* A list of strings, or one string. */
int
task_get_strings(const struct reading *r, const json_t *object, const char *key, const char ***data,
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
        task_get_strings(r, t->root, "group", &r->d->groups.data, &r->d->groups.len) < 0 ||
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
    if (task_read_pipes(r, t->root) < 0 || task_read_documents(r, t->root) < 0 ||
        task_read_shots(r, t->root) < 0 || task_read_prompts(r, t->root, t->output_type) < 0 ||
        task_read_generation(r, t->root, t->output_type) < 0)
        return -1;
    return task_read_encoding(r, t->root);
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

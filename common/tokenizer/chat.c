/* Chat templates: compiling, rendering as transformers' apply_chat_template, finding what was the assistant's. */
#include "tokenizer/chat.h"

#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/vec.h"
#include "tokenizer/jinja_eval.h"

enum { TEMPLATE_MAX = 4 << 20 };

struct variable {
    char *name, *text;
    size_t n;
};

struct chat_template {
    char *name;
    struct jinja_run parsed; /* whose pool holds the tree */
    const struct node *root;
    bool generation, asks_date;
    uint64_t hash;
    VEC(struct variable) variables;
};

struct chat_template *
chat_template_new(const char *name, const char *text, size_t n)
{
    struct chat_template *t;

    if (n > TEMPLATE_MAX) {
        err_set(STATUS_INPUT, "%s: a template of more than %d MiB", name, TEMPLATE_MAX >> 20);
        return NULL;
    }
    t = mem_zalloc(sizeof *t);
    t->name = mem_strdup(name);
    t->parsed.name = t->name;
    t->hash = hash64(text, n);
    t->asks_date = memmem(text, n, "strftime_now", strlen("strftime_now")) != NULL;
    t->root = jinja_parse(&t->parsed, text, n, &t->generation);
    if (!t->root) {
        chat_template_free(t);
        return NULL;
    }
    return t;
}

void
chat_template_free(struct chat_template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->variables.len; i++) {
        free(t->variables.data[i].name);
        free(t->variables.data[i].text);
    }
    vec_release(&t->variables);
    jinja_pool_release(&t->parsed.pool);
    free(t->name);
    free(t);
}

uint64_t
chat_template_hash(const struct chat_template *t)
{
    return t->hash;
}

bool
chat_template_asks_date(const struct chat_template *t)
{
    return t->asks_date;
}

void
chat_template_set(struct chat_template *t, const char *name, const char *text, size_t n)
{
    struct variable v = {mem_strdup(name), mem_strndup(text, n), n};

    for (size_t i = 0; i < t->variables.len; i++)
        if (!strcmp(t->variables.data[i].name, name)) {
            free(t->variables.data[i].name);
            free(t->variables.data[i].text);
            t->variables.data[i] = v;
            return;
        }
    vec_push(&t->variables, v);
}

/* ---- messages ------------------------------------------------------------------------------------ */

static struct value
named(const char *name)
{
    return value_text(name, strlen(name));
}

/* Older names of a message's reasoning, and the one that templates read. */
static const char *const reasoning_names[] = {"reasoning_content", "thinking", "reasoning"};

/* A message without the members that are null, its reasoning under every name. */
static struct value
convert_message(struct jinja_run *run, const json_t *json)
{
    struct value whole = value_of_json(run, json), message = value_dict(run);
    const struct value *reasoning = NULL;

    for (size_t i = 0; i < 3 && !reasoning; i++) {
        reasoning = dict_get_text(whole.dict, reasoning_names[i], strlen(reasoning_names[i]));
        if (reasoning && reasoning->type == JINJA_NONE)
            reasoning = NULL;
    }
    if (reasoning)
        dict_set(run, message.dict, named("thinking"), *reasoning);
    for (size_t i = 0; i < whole.dict->n && !run->failed; i++)
        if (whole.dict->pairs[i].value.type != JINJA_NONE)
            dict_set(run, message.dict, whole.dict->pairs[i].key, whole.dict->pairs[i].value);
    if (reasoning)
        dict_set(run, message.dict, named("reasoning_content"), *reasoning);
    return message;
}

static struct value
convert_messages(struct jinja_run *run, const json_t *messages, size_t n)
{
    struct value list = value_sequence(run, JINJA_LIST, "list", n);

    for (size_t i = 0; i < n && !run->failed; i++) {
        const json_t *message = json_array_get(messages, i);

        if (json_is_object(message))
            sequence_add(run, list.sequence, convert_message(run, message));
        else
            jinja_fail(run, "message %zu is not an object", i + 1);
    }
    return list;
}

/* ---- rendering ------------------------------------------------------------------------------------- */

static void
set_variables(struct jinja_run *run, const struct chat_template *t, const struct chat_options *o,
              struct dict *context)
{
    struct value given;

    dict_set(run, context, named("tools"), value_none());
    dict_set(run, context, named("documents"), value_none());
    for (size_t i = 0; i < t->variables.len; i++)
        dict_set(run, context, named(t->variables.data[i].name),
                 value_text(t->variables.data[i].text, t->variables.data[i].n));
    if (!o->variables)
        return;
    given = value_of_json(run, o->variables);
    if (given.type != JINJA_DICT) {
        jinja_fail(run, "the variables are not an object");
        return;
    }
    for (size_t i = 0; i < given.dict->n && !run->failed; i++)
        dict_set(run, context, given.dict->pairs[i].key, given.dict->pairs[i].value);
}

/* The first n messages. 0 or -1. */
static int
render(const struct chat_template *t, const json_t *messages, size_t n, bool prompt,
       const struct chat_options *o, struct jinja_spans *spans, struct str *out)
{
    struct jinja_run run = {.name = t->name, .line = 1, .spans = spans, .now = o->now};
    struct dict *context = value_dict(&run).dict;
    struct str text = {0};

    set_variables(&run, t, o, context);
    dict_set(&run, context, named("messages"), convert_messages(&run, messages, n));
    dict_set(&run, context, named("add_generation_prompt"), value_bool(prompt));
    run.context = context;
    run.scope = scope_new(&run, NULL);
    run.out = &text;
    run.whole = &text;
    if (!run.failed)
        jinja_execute(&run, t->root);
    if (!run.failed)
        str_add(out, text.data, text.len);
    str_release(&text);
    jinja_pool_release(&run.pool);
    return run.failed ? -1 : 0;
}

/* ---- the assistant's parts ---------------------------------------------------------------------------- */

static bool
is_assistant(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));

    return role && !strcmp(role, "assistant");
}

static size_t
common_prefix(const struct str *a, const struct str *b)
{
    size_t n = a->len < b->len ? a->len : b->len, i = 0;

    while (i < n && a->data[i] == b->data[i])
        i++;
    return i;
}

static size_t
common_suffix(const struct str *a, const struct str *b)
{
    size_t n = a->len < b->len ? a->len : b->len, i = 0;

    while (i < n && a->data[a->len - 1 - i] == b->data[b->len - 1 - i])
        i++;
    return i;
}

/* The first n messages, the content of message i replaced. */
static int
render_replaced(const struct chat_template *t, const json_t *messages, size_t n, size_t i,
                const char *content, const struct chat_options *o, struct str *out)
{
    json_t *copy = json_copy((json_t *)(uintptr_t)messages); /* shares the messages */
    json_t *message = json_copy(json_array_get(messages, i));
    int status;

    if (!copy || !message || json_object_set_new(message, "content", json_string(content)) ||
        json_array_set(copy, i, message)) {
        json_decref(message);
        json_decref(copy);
        return err_set(STATUS_FAILED, "%s: no memory for a copy of the messages", t->name);
    }
    json_decref(message);
    status = render(t, copy, n, n == json_array_size(messages) && o->add_generation_prompt, o, NULL,
                    out);
    json_decref(copy);
    return status;
}

/*
 * Where message i ends in whole, of a template that writes earlier messages in another way than the last
 * one (Qwen3 drops their reasoning). Behind the content, which is what changes in whole with other contents,
 * there must stand what closes the message when it is the last. 0: that cannot be told.
 */
static size_t
replaced_end(const struct chat_template *t, const json_t *messages, size_t i,
             const struct chat_options *o, const struct str *whole)
{
    static const char *const contents[] = {"\xef\xbf\xb9X\xef\xbf\xba",
                                           "\xef\xbf\xb9Y\xef\xbf\xbb"};
    struct str other = {0}, last = {0};
    size_t after = whole->len, n = strlen(contents[0]), end = 0;

    for (int k = 0; k < 2; k++) {
        size_t same;

        str_clear(&other);
        if (render_replaced(t, messages, json_array_size(messages), i, contents[k], o, &other))
            goto out;
        same = common_suffix(&other, whole);
        after = same < after ? same : after;
    }
    if (render_replaced(t, messages, i + 1, i, contents[0], o, &last))
        goto out;
    const char *at = memmem(last.data, last.len, contents[0], n);
    if (!at)
        goto out;
    const char *close = at + n;
    size_t close_n = last.len - (size_t)(close - last.data);
    if (close_n <= after && !memcmp(whole->data + whole->len - after, close, close_n))
        end = whole->len - after + close_n;
out:
    str_release(&other);
    str_release(&last);
    return end;
}

/*
 * What message i adds to whole: from the end of the conversation before it with its generation prompt,
 * as far as whole has that, to the end of the conversation with it. A template for which these are
 * no beginnings of the whole (it rewrites earlier turns) has such parts only where replaced_end finds them.
 */
static int
message_part(const struct chat_template *t, const json_t *messages, size_t i,
             const struct chat_options *o, const struct str *whole, struct jinja_spans *spans)
{
    struct str before = {0}, prompted = {0}, after = {0};
    struct jinja_span span;
    bool begins;
    int status = -1;

    if ((i && render(t, messages, i, false, o, NULL, &before)) ||
        render(t, messages, i, true, o, NULL, &prompted) ||
        render(t, messages, i + 1, false, o, NULL, &after))
        goto out;
    span = (struct jinja_span){common_prefix(&prompted, whole), after.len};
    if (common_prefix(&after, whole) < after.len)
        span.end = replaced_end(t, messages, i, o, whole);
    begins = span.begin == prompted.len ||
             (span.begin >= before.len && common_prefix(&before, whole) == before.len);
    if (!begins || span.begin > span.end) {
        err_set(
            STATUS_INPUT,
            "%s: what message %zu adds cannot be told: the template writes earlier messages anew "
            "(one with {%% generation %%} is needed)",
            t->name, i + 1);
        goto out;
    }
    vec_push(spans, span);
    status = 0;
out:
    str_release(&before);
    str_release(&prompted);
    str_release(&after);
    return status;
}

static int
incremental_parts(const struct chat_template *t, const json_t *messages,
                  const struct chat_options *o, const struct str *whole, struct jinja_spans *spans)
{
    size_t n = json_array_size(messages), first = 0;

    for (size_t i = 0; o->last_part && i < n; i++)
        if (is_assistant(json_array_get(messages, i)))
            first = i;
    for (size_t i = first; i < n; i++)
        if (is_assistant(json_array_get(messages, i)) &&
            message_part(t, messages, i, o, whole, spans))
            return -1;
    return 0;
}

static void
give_parts(const struct chat_options *o, const struct jinja_spans *spans, size_t offset)
{
    size_t first = o->last_part && spans->len ? spans->len - 1 : 0, n = spans->len - first;

    for (size_t i = 0; i < n && i < *o->parts_count; i++)
        o->parts[i] = (struct tokenizer_part){offset + spans->data[first + i].begin,
                                              offset + spans->data[first + i].end};
    *o->parts_count = n;
}

int
chat_template_render(const struct chat_template *t, const json_t *messages,
                     const struct chat_options *o, struct str *out)
{
    static const struct chat_options none;
    struct jinja_spans spans = {0};
    struct str whole = {0};
    bool parts, blocks;
    int status;

    o = o ? o : &none;
    parts = o->parts_count != NULL;
    blocks = t->generation && !o->added_parts;
    if (!json_is_array(messages) || !json_array_size(messages))
        return err_set(STATUS_INPUT, "%s: the messages are not a list of at least one", t->name);
    status = render(t, messages, json_array_size(messages), o->add_generation_prompt, o,
                    parts && blocks ? &spans : NULL, &whole);
    if (!status && parts && !blocks)
        status = incremental_parts(t, messages, o, &whole, &spans);
    if (!status && parts)
        give_parts(o, &spans, out->len);
    if (!status)
        str_add(out, whole.data, whole.len);
    vec_release(&spans);
    str_release(&whole);
    return status;
}

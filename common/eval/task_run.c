/* Samples and requests of a task: prompts, examples, choices, targets. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eval/pystr.h"
#include "eval/task_definition.h"
#include "eval/task_shots.h"
#include "text/classes.h"

/* Bytes of a context, and of all: a task file cannot ask for more. */
#define CONTEXT_MAX ((size_t)16 << 20)
#define REQUESTS_MAX ((size_t)2 << 30)

struct task_data {
    document_list evaluated, pool;
    size_t *order;     /* [evaluated.len]: which document comes when */
    struct str *shown; /* [pool.len]: a document as an example; empty: not made yet */
    struct shots shots;
    bool shots_open;
    struct tokenizer_scratch *scratch;
    size_t bytes; /* of contexts and continuations so far */
};

/* What the functions below share. */
struct making {
    const struct task *task;
    const struct task_definition *d;
    const struct task_options *o;
    struct task_run *run;
    struct task_data *data;
};

/* ---- a document's texts ---- */

static void
texts_release(request_texts *list)
{
    for (size_t i = 0; i < list->len; i++)
        free(list->data[i]);
    vec_release(list);
}

/* Appends a value's text, which may not hold NUL. 0 or -1. */
static int
push_text(request_texts *list, const json_t *value)
{
    struct str text = {0};

    str_reserve(&text, 0);
    if (template_text_of(value, &text) < 0 || (text.len && memchr(text.data, '\0', text.len))) {
        if (text.len && memchr(text.data, '\0', text.len))
            err_set(STATUS_INPUT, "a NUL byte in the text");
        str_release(&text);
        return -1;
    }
    str_addc(&text, '\0');
    vec_push(list, str_take(&text));
    return 0;
}

/* Appends a list's texts, or the one text. 0 or -1. */
static int
push_texts(request_texts *list, const json_t *value)
{
    if (!json_is_array(value))
        return push_text(list, value);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (push_text(list, json_array_get(value, i)) < 0)
            return -1;
    return 0;
}

static int
push_template(request_texts *list, const struct template *t, const json_t *document)
{
    json_t *value = template_value(t, document);
    int result = value ? push_texts(list, value) : -1;

    json_decref(value);
    return result;
}

static int
document_choices(const struct task_definition *d, const json_t *document, request_texts *out)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < d->doc_to_choice.len; i++)
        result = push_template(out, d->doc_to_choice.data[i], document);
    if (result == 0 && d->choices && out->len == 0)
        result = err_set(STATUS_INPUT, "no choices");
    return result < 0 ? err_prefix("doc_to_choice") : 0;
}

/* The number that a text of digits alone is; false: it is no such text. */
static bool
digits(const json_t *value, int64_t *out)
{
    const char *s = json_string_value(value);
    size_t n = json_string_length(value);

    if (!s || n == 0 || n > 18 || strspn(s, "0123456789") != n)
        return false;
    *out = strtoll(s, NULL, 10);
    return true;
}

/* A number of a choice: an integer, or (as the harness reads it) a text of digits. */
static bool
choice_number(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    return digits(value, out);
}

/* The right choice's number, or -1. */
static int64_t
label_of(const json_t *value, const request_texts *choices)
{
    int64_t number;

    if (choice_number(value, &number))
        return number >= 0 && (size_t)number < choices->len ? number : -1;
    for (size_t i = 0; json_is_string(value) && i < choices->len; i++)
        if (strcmp(choices->data[i], json_string_value(value)) == 0)
            return (int64_t)i;
    return -1;
}

/* repr() of a str in Python. */
static void
add_repr(struct str *out, const char *s, size_t n)
{
    char quote = memchr(s, '\'', n) && !memchr(s, '"', n) ? '"' : '\'';

    str_addc(out, quote);
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t c = python_peek((struct piece){s + at, n - at}, &used);
        uint16_t class = text_classes()[c];

        if (c == (uint32_t)quote || c == '\\')
            str_addf(out, "\\%c", (int)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            str_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (!(class & CLASS_OTHER) && (c == ' ' || !(class & CLASS_SPACE)))
            str_add(out, s + at, used);
        else
            str_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    }
    str_addc(out, quote);
}

/* str() of a value in Python. 0 or -1. */
static int
add_python_text(struct str *out, const json_t *value)
{
    if (json_is_null(value)) {
        str_adds(out, "None");
        return 0;
    }
    if (!json_is_array(value))
        return template_text_of(value, out);
    str_addc(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *one = json_array_get(value, i);

        if (i)
            str_adds(out, ", ");
        if (json_is_string(one))
            add_repr(out, json_string_value(one), json_string_length(one));
        else if (add_python_text(out, one) < 0)
            return -1;
    }
    str_addc(out, ']');
    return 0;
}

/* ---- examples ---- */

/* The answer of an example: its choice, its text, or the first of several. 0 or -1. */
static int
add_answer(const struct making *m, const json_t *target, const request_texts *choices,
           struct str *out)
{
    int64_t number;

    if (json_is_array(target))
        return json_array_size(target) ? template_text_of(json_array_get(target, 0), out)
                                       : err_set(STATUS_INPUT, "an empty list of targets");
    if (m->task->output_type == OUTPUT_MULTIPLE_INPUT || !m->d->choices ||
        !choice_number(target, &number))
        return template_text_of(target, out);
    if (number < 0 || (size_t)number >= choices->len)
        return err_set(STATUS_INPUT, "there is no choice %lld", (long long)number);
    str_adds(out, choices->data[number]);
    return 0;
}

/* The question of an example; with several contexts, the right one. 0 or -1. */
static int
add_question(const struct making *m, const json_t *document, const request_texts *choices,
             struct str *out)
{
    if (m->task->output_type != OUTPUT_MULTIPLE_INPUT)
        return template_render(m->d->doc_to_text, document, out) < 0 ? err_prefix("doc_to_text")
                                                                     : 0;
    json_t *value = template_value(m->d->doc_to_text, document);
    int64_t label = value ? label_of(value, choices) : -1;

    if (value && label < 0)
        err_set(STATUS_INPUT, "no number of a choice");
    if (label >= 0)
        str_adds(out, choices->data[label]);
    json_decref(value);
    return label < 0 ? err_prefix("doc_to_text") : 0;
}

/* A document as an example: question, delimiter, answer, delimiter; an empty answer is left out with
 * both. 0 or -1. */
static int
show(const struct making *m, const json_t *document, struct str *out)
{
    request_texts choices = {0};
    struct str answer = {0};
    json_t *target = NULL;
    int result = -1;

    if (document_choices(m->d, document, &choices) < 0 ||
        add_question(m, document, &choices, out) < 0)
        goto out;
    target = template_value(m->d->doc_to_target, document);
    if (!target || add_answer(m, target, &choices, &answer) < 0) {
        err_prefix("doc_to_target");
        goto out;
    }
    if (answer.len) {
        str_add(out, m->d->target_delimiter, m->d->target_delimiter_n);
        str_add(out, answer.data, answer.len);
        str_add(out, m->d->fewshot_delimiter, m->d->fewshot_delimiter_n);
    }
    result = 0;
out:
    json_decref(target);
    texts_release(&choices);
    str_release(&answer);
    return result;
}

/* The drawn examples, each made once. 0 or -1. */
static int
add_shots(const struct making *m, struct str *out)
{
    for (size_t i = 0; i < m->data->shots.drawn.len; i++) {
        size_t number = m->data->shots.drawn.data[i];
        struct str *shown = &m->data->shown[number];

        if (!shown->data) {
            str_reserve(shown, 0);
            if (show(m, m->data->pool.data[number], shown) < 0)
                return err_prefix("example %zu", number);
        }
        str_add(out, shown->data, shown->len);
        if (out->len > CONTEXT_MAX)
            return err_set(STATUS_INPUT, "the examples grow too long");
    }
    return 0;
}

/* ---- lengths in tokens ---- */

static int
count_tokens(const struct making *m, const char *text, size_t n, int64_t *out)
{
    struct ids ids = {0};

    if (!m->o->tokenizer)
        return err_set(STATUS_FAILED, "lengths of this task are counted in tokens, and there is no "
                                      "tokenizer: a model is needed");
    if (!m->data->scratch)
        m->data->scratch = tokenizer_scratch_new(m->o->tokenizer);
    int result = tokenizer_encode(m->o->tokenizer, m->data->scratch, text, n, 0, &ids);
    *out = (int64_t)ids.len;
    vec_release(&ids);
    return result;
}

/* Most tokens of the answer to a sample. 0 or -1. */
static int
answer_length(const struct making *m, const struct sample *s, int64_t *out)
{
    int64_t longest = 0;

    *out = m->d->max_gen_toks.tokens;
    if (!m->d->max_gen_toks.gold)
        return 0;
    for (size_t i = 0; i < s->targets.len; i++) {
        int64_t tokens;

        if (count_tokens(m, s->targets.data[i], strlen(s->targets.data[i]), &tokens) < 0)
            return -1;
        longest = tokens > longest ? tokens : longest;
    }
    *out += longest;
    if (*out < 1)
        *out = 1;
    return 0;
}

/* ---- contexts ---- */

/* Description and `shots` examples, drawn for the document. 0 or -1. */
static int
add_beginning(const struct making *m, const json_t *document, size_t shots, struct str *out)
{
    if (m->d->description && template_render(m->d->description, document, out) < 0)
        return err_prefix("description");
    if (shots == 0)
        return 0;
    return shots_draw(&m->data->shots, document, shots) < 0 ? -1 : add_shots(m, out);
}

/* The whole context of a document with one context, and shots that fit. 0 or -1. */
static int
make_context(const struct making *m, const json_t *document, int64_t max_new, struct str *out)
{
    for (size_t shots = (size_t)m->run->shots;; shots--) {
        int64_t tokens;

        str_clear(out);
        if (add_beginning(m, document, shots, out) < 0)
            return -1;
        if (template_render(m->d->doc_to_text, document, out) < 0)
            return err_prefix("doc_to_text");
        if (!m->d->shrink_to_fit || m->o->max_length == 0 || shots == 0)
            return 0;
        if (count_tokens(m, out->data ? out->data : "", out->len, &tokens) < 0)
            return -1;
        if (tokens <= m->o->max_length - (max_new ? max_new : 256))
            return 0;
    }
}

/* ---- requests ---- */

static struct request *
add_request(const struct making *m, struct sample *s, enum request_type type)
{
    struct request r;

    request_init(&r);
    r.type = type;
    r.id = mem_printf("%s/%lld", m->task->name, (long long)s->document);
    r.index = (int64_t)s->requests++;
    r.encode = m->d->encode;
    r.add_bos_token = m->d->add_bos_token;
    vec_push(&m->run->requests, r);
    return &m->run->requests.data[m->run->requests.len - 1];
}

/* Counts what a request holds. 0, or -1: too much. */
static int
count_bytes(const struct making *m, size_t n)
{
    m->data->bytes += n;
    return m->data->bytes > REQUESTS_MAX ? err_set(STATUS_INPUT, "the requests grow too long") : 0;
}

static int
add_likelihood(const struct making *m, struct sample *s, const struct str *context,
               const char *choice, bool delimiter)
{
    if (count_bytes(m, context->len + strlen(choice)) < 0)
        return -1;
    struct request *r = add_request(m, s, REQUEST_LOGLIKELIHOOD);

    if (context->len)
        str_add(&r->context, context->data, context->len);
    if (delimiter)
        str_add(&r->continuation, m->d->target_delimiter, m->d->target_delimiter_n);
    str_adds(&r->continuation, choice);
    return 0;
}

static int
choice_requests(const struct making *m, struct sample *s, const json_t *document,
                const json_t *target)
{
    const struct str nothing = {0};
    struct str context = {0};
    int result = make_context(m, document, 0, &context);

    s->label = label_of(target, &s->choices);
    for (size_t i = 0; result == 0 && i < s->choices.len; i++)
        result = add_likelihood(m, s, &context, s->choices.data[i], true);
    for (size_t i = 0; result == 0 && m->d->mutual_info && i < s->choices.len; i++)
        result = add_likelihood(m, s, &nothing, s->choices.data[i], true);
    str_release(&context);
    return result;
}

/* Each choice is a context of its own; the target is what follows. */
static int
input_requests(const struct making *m, struct sample *s, const json_t *document)
{
    const struct str nothing = {0};
    struct str beginning = {0}, context = {0};
    json_t *number = template_value(m->d->doc_to_text, document);
    int result = -1;

    if (!number) {
        err_prefix("doc_to_text");
        goto out;
    }
    s->label = label_of(number, &s->choices);
    if (add_beginning(m, document, (size_t)m->run->shots, &beginning) < 0)
        goto out;
    result = 0;
    for (size_t i = 0; result == 0 && i < s->choices.len; i++) {
        str_clear(&context);
        str_add(&context, beginning.data ? beginning.data : "", beginning.len);
        str_adds(&context, s->choices.data[i]);
        result = add_likelihood(m, s, &context, s->target.data, true);
    }
    for (size_t i = 0; result == 0 && m->d->mutual_info && i < s->choices.len; i++)
        result = add_likelihood(m, s, &nothing, s->choices.data[i], true);
out:
    json_decref(number);
    str_release(&beginning);
    str_release(&context);
    return result;
}

/* What is right: the references, the choice, or the target. 0 or -1. */
static int
find_targets(const struct making *m, struct sample *s, const json_t *document, const json_t *target)
{
    int64_t number;

    if (m->d->references)
        return push_template(&s->targets, m->d->references, document) < 0
                   ? err_prefix("doc_to_references")
                   : 0;
    if (!m->d->choices || !choice_number(target, &number))
        return push_texts(&s->targets, target);
    s->label = label_of(target, &s->choices);
    if (s->label < 0)
        return err_set(STATUS_INPUT, "doc_to_target: there is no choice %lld", (long long)number);
    vec_push(&s->targets, mem_strdup(s->choices.data[s->label]));
    return 0;
}

static int
generation_requests(const struct making *m, struct sample *s, const json_t *document,
                    const json_t *target)
{
    struct str context = {0};
    int64_t max_new = 0;
    int result = find_targets(m, s, document, target);

    if (result == 0)
        result = answer_length(m, s, &max_new);
    if (result == 0)
        result = make_context(m, document, max_new, &context);
    if (result == 0)
        result = count_bytes(m, context.len);
    if (result == 0) {
        struct request *r = add_request(m, s, REQUEST_GENERATE);

        str_add(&r->context, context.data ? context.data : "", context.len);
        for (size_t i = 0; i < m->d->until.len; i++)
            vec_push(&r->until, mem_strdup(m->d->until.data[i]));
        r->max_new = max_new;
        r->temperature = m->d->temperature;
        r->top_p = m->d->top_p;
        r->top_k = m->d->top_k;
        r->repetition_penalty = m->d->repetition_penalty;
        if (m->d->no_answer)
            result = add_likelihood(m, s, &context, m->d->no_answer, false);
    }
    str_release(&context);
    return result;
}

static int
likelihood_requests(const struct making *m, struct sample *s, const json_t *document)
{
    struct str context = {0};
    int result = make_context(m, document, 0, &context);

    if (result == 0)
        result = add_likelihood(m, s, &context, s->target.data, false);
    str_release(&context);
    return result;
}

static int
rolling_requests(const struct making *m, struct sample *s, const json_t *document)
{
    struct request *r = add_request(m, s, REQUEST_ROLLING);

    str_add(&r->continuation, s->target.data, s->target.len);
    if (!m->d->original)
        str_add(&s->original, s->target.data, s->target.len);
    else if (template_render(m->d->original, document, &s->original) < 0)
        return err_prefix("doc_to_original_text");
    return 0;
}

/* ---- samples ---- */

static void
sample_release(struct sample *s)
{
    texts_release(&s->choices);
    texts_release(&s->targets);
    str_release(&s->target);
    str_release(&s->original);
}

static int
make_requests(const struct making *m, struct sample *s, const json_t *document,
              const json_t *target)
{
    switch (m->task->output_type) {
    case OUTPUT_MULTIPLE_CHOICE: return choice_requests(m, s, document, target);
    case OUTPUT_MULTIPLE_INPUT: return input_requests(m, s, document);
    case OUTPUT_LOGLIKELIHOOD: return likelihood_requests(m, s, document);
    case OUTPUT_ROLLING: return rolling_requests(m, s, document);
    case OUTPUT_GENERATE: break;
    }
    return generation_requests(m, s, document, target);
}

static int
make_sample(const struct making *m, int64_t number, const json_t *document)
{
    struct sample s = {
        .document = number, .fields = document, .request = m->run->requests.len, .label = -1};
    json_t *target = template_value(m->d->doc_to_target, document);
    int result = -1;

    str_reserve(&s.target, 0);
    str_add(&s.target, "", 0);
    if (!target || add_python_text(&s.target, target) < 0)
        err_prefix("doc_to_target");
    else if (document_choices(m->d, document, &s.choices) == 0)
        result = make_requests(m, &s, document, target);
    json_decref(target);
    vec_push(&m->run->samples, s);
    return result;
}

/* ---- reading documents ---- */

static int
pool_split(const struct task_definition *d)
{
    return d->fewshot >= 0      ? d->fewshot
           : d->training >= 0   ? d->training
           : d->validation >= 0 ? d->validation
                                : d->test;
}

/* The texts of the pool's targets, for stratified sampling. 0 or -1. */
static int
pool_targets(const struct making *m, request_texts *out)
{
    for (size_t i = 0; i < m->data->pool.len; i++) {
        const json_t *document = m->data->pool.data[i];
        json_t *target = template_value(m->d->doc_to_target, document);
        struct str text = {0};

        str_reserve(&text, 0);
        str_add(&text, "", 0);
        int result = target ? add_python_text(&text, target) : -1;
        json_decref(target);
        vec_push(out, str_take(&text));
        if (result < 0)
            return err_prefix("example %zu: doc_to_target", i);
    }
    return 0;
}

/* The order of evaluation, and the generator that examples are drawn from. */
static void
make_order(const struct making *m, struct python_random *generator)
{
    const struct task_definition *d = m->d;
    size_t n = m->data->evaluated.len;

    m->data->order = mem_array(n + 1, sizeof *m->data->order);
    for (size_t i = 0; i < n; i++)
        m->data->order[i] = i;
    if (d->shuffle_seed >= 0) {
        python_random_seed(generator, (uint64_t)d->shuffle_seed);
        python_random_shuffle(generator, m->data->order, n);
    }
    if (!d->shared_generator)
        python_random_seed(generator, (uint64_t)d->fewshot_seed);
}

static int
open_documents(const struct making *m)
{
    const struct task_definition *d = m->d;
    int evaluated = d->test >= 0 ? d->test : d->validation, pool = pool_split(d);
    bool exclude = d->shared_generator ? pool == evaluated : d->fewshot == d->test;
    struct python_random generator;
    request_texts targets = {0};

    if (task_documents(d, &d->splits.data[evaluated], m->o->data, &m->data->evaluated) < 0)
        return -1;
    if (m->data->evaluated.len == 0)
        return err_set(STATUS_INPUT, "no documents in the split %s",
                       d->splits.data[evaluated].name);
    make_order(m, &generator);
    if (m->run->shots == 0)
        return 0;
    if (task_documents(d, &d->splits.data[pool], m->o->data, &m->data->pool) < 0)
        return -1;
    m->data->shown = mem_zarray(m->data->pool.len + 1, sizeof *m->data->shown);
    int result = d->sampler == SAMPLER_STRATIFIED ? pool_targets(m, &targets) : 0;
    m->data->shots_open = true;
    if (result == 0)
        result = shots_open(&m->data->shots, d, &m->data->pool, exclude, &generator, targets.data);
    texts_release(&targets);
    return result;
}

int
task_run_make(const struct task *t, const struct task_options *o, struct task_run *out)
{
    struct making m = {t, t->definition, o, out, NULL};
    int result = -1;

    *out = (struct task_run){0};
    m.data = out->data = mem_zalloc(sizeof *out->data);
    out->shots = o->shots >= 0 ? o->shots : t->definition->num_fewshot;
    if (!o->data) {
        err_set(STATUS_USAGE, "no --data: where are the documents?");
        goto out;
    }
    if (open_documents(&m) < 0)
        goto out;
    size_t n = m.data->evaluated.len;
    if (o->limit >= 0 && (uint64_t)o->limit < n)
        n = (size_t)o->limit;
    result = 0;
    for (size_t i = 0; result == 0 && i < n; i++) {
        result = make_sample(&m, (int64_t)i, m.data->evaluated.data[m.data->order[i]]);
        if (result < 0)
            err_prefix("document %zu", m.data->order[i]);
    }
out:
    if (result < 0) {
        err_prefix("task %s", t->name);
        task_run_release(out);
    }
    return result;
}

void
task_run_release(struct task_run *r)
{
    for (size_t i = 0; i < r->samples.len; i++)
        sample_release(&r->samples.data[i]);
    vec_release(&r->samples);
    requests_release(&r->requests);
    struct task_data *data = r->data;
    if (data) {
        for (size_t i = 0; data->shown && i < data->pool.len; i++)
            str_release(&data->shown[i]);
        free(data->shown);
        free(data->order);
        if (data->shots_open)
            shots_close(&data->shots);
        documents_release(&data->evaluated);
        documents_release(&data->pool);
        tokenizer_scratch_free(data->scratch);
        free(data);
    }
    *r = (struct task_run){0};
}

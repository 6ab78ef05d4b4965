/* The requests of a sample, by the task's output type. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/task_making.h"

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
    int result = task_make_context(m, document, 0, &context);

    s->label = task_label(target, &s->choices);
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
    s->label = task_label(number, &s->choices);
    if (task_add_beginning(m, document, (size_t)m->run->shots, &beginning) < 0)
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
        return task_push_template(&s->targets, m->d->references, document) < 0
                   ? err_prefix("doc_to_references")
                   : 0;
    if (!m->d->choices || !task_choice_number(target, &number))
        return task_push_texts(&s->targets, target);
    s->label = task_label(target, &s->choices);
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
        result = task_answer_length(m, s, &max_new);
    if (result == 0)
        result = task_make_context(m, document, max_new, &context);
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
    int result = task_make_context(m, document, 0, &context);

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

int
task_make_requests(const struct making *m, struct sample *s, const json_t *document,
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

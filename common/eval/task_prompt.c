/* Prompts: description, examples, question; and lengths in tokens. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/task_making.h"

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
        !task_choice_number(target, &number))
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
    int64_t label = value ? task_label(value, choices) : -1;

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

    if (task_choices(m->d, document, &choices) < 0 || add_question(m, document, &choices, out) < 0)
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
    task_texts_release(&choices);
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
int
task_answer_length(const struct making *m, const struct sample *s, int64_t *out)
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
int
task_add_beginning(const struct making *m, const json_t *document, size_t shots, struct str *out)
{
    if (m->d->description && template_render(m->d->description, document, out) < 0)
        return err_prefix("description");
    if (shots == 0)
        return 0;
    return shots_draw(&m->data->shots, document, shots) < 0 ? -1 : add_shots(m, out);
}

/* The whole context of a document with one context, and shots that fit. 0 or -1. */
int
task_make_context(const struct making *m, const json_t *document, int64_t max_new, struct str *out)
{
    for (size_t shots = (size_t)m->run->shots;; shots--) {
        int64_t tokens;

        str_clear(out);
        if (task_add_beginning(m, document, shots, out) < 0)
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

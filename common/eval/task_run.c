/* Reads a task's documents and makes its samples, one after the other. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "eval/task_making.h"

/* ---- samples ---- */

static void
sample_release(struct sample *s)
{
    task_texts_release(&s->choices);
    task_texts_release(&s->targets);
    str_release(&s->target);
    str_release(&s->original);
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
    if (!target || task_add_python_text(&s.target, target) < 0)
        err_prefix("doc_to_target");
    else if (task_choices(m->d, document, &s.choices) == 0)
        result = task_make_requests(m, &s, document, target);
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
        int result = target ? task_add_python_text(&text, target) : -1;
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
    struct python_random generator = {.at = 0};
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
    task_texts_release(&targets);
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

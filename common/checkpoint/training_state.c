#include "checkpoint/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The training state as a value: release, copy, and small edits. */

static char *
copy_text(const char *s)
{
    return s ? mem_strdup(s) : NULL;
}

static void
set_text(char **to, const char *value)
{
    char *copy = mem_strdup(value);
    free(*to);
    *to = copy;
}

static void
release_values(struct named_value *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].name);
        free(v[i].value);
    }
    free(v);
}

static struct named_value *
copy_values(const struct named_value *v, size_t n)
{
    struct named_value *out = mem_zarray(n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct named_value){mem_strdup(v[i].name), mem_strdup(v[i].value)};
    return out;
}

static struct training_layout *
copy_layout(const struct training_layout *from)
{
    if (!from)
        return NULL;
    struct training_layout *to = mem_dup(from, sizeof *from);
    to->schedule = copy_text(from->schedule);
    return to;
}

static void
free_layout(struct training_layout *l)
{
    if (l)
        free(l->schedule);
    free(l);
}

void
training_state_release(struct training_state *t)
{
    for (size_t i = 0; i < t->source_count; i++)
        free(t->sources[i].name);
    free(t->sources);
    free(t->precision);
    free(t->kernels);
    free(t->blas);
    release_values(t->options, t->option_count);
    for (size_t i = 0; i < t->history_count; i++) {
        release_values(t->history[i].options, t->history[i].count);
        free_layout(t->history[i].layout);
    }
    free(t->history);
    for (size_t i = 0; i < t->skipped_count; i++)
        free(t->skipped[i].why);
    free(t->skipped);
    *t = (struct training_state){0};
}

void
training_state_copy(struct training_state *to, const struct training_state *from)
{
    *to = *from;
    to->precision = copy_text(from->precision);
    to->kernels = copy_text(from->kernels);
    to->blas = copy_text(from->blas);
    to->sources = mem_zarray(from->source_count + 1, sizeof *to->sources);
    for (size_t i = 0; i < from->source_count; i++)
        to->sources[i] = (struct source_tokens){mem_strdup(from->sources[i].name),
                                                from->sources[i].tokens};
    to->options = copy_values(from->options, from->option_count);
    to->history = mem_zarray(from->history_count + 1, sizeof *to->history);
    for (size_t i = 0; i < from->history_count; i++) {
        const struct option_change *c = &from->history[i];
        to->history[i] = (struct option_change){c->step, copy_values(c->options, c->count),
                                                c->count, copy_layout(c->layout)};
    }
    to->skipped = mem_zarray(from->skipped_count + 1, sizeof *to->skipped);
    for (size_t i = 0; i < from->skipped_count; i++) {
        to->skipped[i] = from->skipped[i];
        to->skipped[i].why = copy_text(from->skipped[i].why);
    }
}

void
training_state_option(struct training_state *t, const char *name, const char *value)
{
    for (size_t i = 0; i < t->option_count; i++)
        if (strcmp(t->options[i].name, name) == 0) {
            set_text(&t->options[i].value, value);
            return;
        }
    t->options = mem_grow_array(t->options, t->option_count + 1, sizeof *t->options);
    t->options[t->option_count++] = (struct named_value){mem_strdup(name), mem_strdup(value)};
}

void
training_state_source(struct training_state *t, const char *name, uint64_t tokens)
{
    for (size_t i = 0; i < t->source_count; i++)
        if (strcmp(t->sources[i].name, name) == 0) {
            t->sources[i].tokens += tokens;
            return;
        }
    t->sources = mem_grow_array(t->sources, t->source_count + 1, sizeof *t->sources);
    t->sources[t->source_count++] = (struct source_tokens){mem_strdup(name), tokens};
}

/* An entry of the history at this step: the last one, when it is from there, else a new one. */
static struct option_change *
history_entry(struct training_state *t, int64_t step)
{
    if (t->history_count && t->history[t->history_count - 1].step == step)
        return &t->history[t->history_count - 1];
    t->history = mem_grow_array(t->history, t->history_count + 1, sizeof *t->history);
    t->history[t->history_count] = (struct option_change){.step = step};
    return &t->history[t->history_count++];
}

void
training_state_change(struct training_state *t, int64_t step, const struct named_value *options,
                      size_t n)
{
    struct option_change *c = history_entry(t, step);
    c->options = mem_grow_array(c->options, c->count + n, sizeof *c->options);
    for (size_t i = 0; i < n; i++)
        c->options[c->count++] = (struct named_value){mem_strdup(options[i].name),
                                                      mem_strdup(options[i].value)};
}

static bool
same_layout(const struct training_layout *a, const struct training_layout *b)
{
    return a->tensor == b->tensor && a->context == b->context && a->expert == b->expert &&
           a->data == b->data && a->pipeline == b->pipeline && a->zero == b->zero &&
           strcmp(a->schedule ? a->schedule : "", b->schedule ? b->schedule : "") == 0;
}

const struct training_layout *
training_state_layout(const struct training_state *t)
{
    for (size_t i = t->history_count; i-- > 0;)
        if (t->history[i].layout)
            return t->history[i].layout;
    return NULL;
}

void
training_state_lay_out(struct training_state *t, int64_t step,
                       const struct training_layout *layout)
{
    const struct training_layout *now = training_state_layout(t);
    if (now && same_layout(now, layout))
        return;
    struct option_change *c = history_entry(t, step);
    free_layout(c->layout);
    c->layout = copy_layout(layout);
}

void
training_state_skip(struct training_state *t, int64_t step, const char *why)
{
    struct skipped_steps *last = t->skipped_count ? &t->skipped[t->skipped_count - 1] : NULL;
    if (last && last->last + 1 == step && strcmp(last->why, why) == 0) {
        last->last = step;
        return;
    }
    t->skipped = mem_grow_array(t->skipped, t->skipped_count + 1, sizeof *t->skipped);
    t->skipped[t->skipped_count++] = (struct skipped_steps){step, step, mem_strdup(why)};
}

const char *
training_state_get(const struct training_state *t, const char *name)
{
    for (size_t i = 0; i < t->option_count; i++)
        if (strcmp(t->options[i].name, name) == 0)
            return t->options[i].value;
    return NULL;
}

/* The record of a training: what was in force from which step on. */
#include "cmd/llm-convert/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int64_t
history_ranks(const struct training_layout *l)
{
    return l->tensor * l->context * l->expert * l->data * l->pipeline;
}

/* "8 ranks, tensor 2, data 4, zero 1". */
static void
add_layout(struct str *out, const struct training_layout *l)
{
    const struct {
        const char *name;
        int64_t size;
    } axes[] = {{"tensor", l->tensor}, {"context", l->context}, {"expert", l->expert}, {"data", l->data}, {"pipeline", l->pipeline}};
    int64_t ranks = history_ranks(l);

    str_addf(out, "%lld rank%s", (long long)ranks, ranks == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (axes[i].size > 1)
            str_addf(out, ", %s %lld", axes[i].name, (long long)axes[i].size);
    if (ranks > 1)
        str_addf(out, ", zero %lld", (long long)l->zero);
    if (l->pipeline > 1)
        str_addf(out, ", %s", l->schedule ? l->schedule : "");
}

/* The next switch of "bf16,fp8-hybrid@7000" (name, and the first step that has it); false at its end. */
static bool
next_precision(const char **at, char name[32], long long *step)
{
    size_t n = strcspn(*at, ",");
    const char *mark = memchr(*at, '@', n);
    size_t length = mark ? (size_t)(mark - *at) : n;

    if (n == 0 || length >= 32)
        return false;
    memcpy(name, *at, length);
    name[length] = '\0';
    *step = mark ? strtoll(mark + 1, NULL, 10) + 1 : 1;
    *at += n + ((*at)[n] == ',');
    return true;
}

/* ---- JSON ---- */

static void
put_changes(struct json_writer *w, const struct training_state *t)
{
    json_begin_array(w, "history");
    for (size_t i = 0; i < t->history_count; i++) {
        const struct option_change *c = &t->history[i];

        json_begin_object(w, NULL);
        json_put_int(w, "step", c->step);
        if (c->layout) {
            json_begin_object(w, "layout");
            json_put_int(w, "ranks", history_ranks(c->layout));
            training_layout_put(w, c->layout);
            json_end_object(w);
        }
        training_options_put(w, c->options, c->count);
        json_end_object(w);
    }
    json_end_array(w);
}

static void
put_precisions(struct json_writer *w, const struct training_state *t)
{
    const char *at = training_state_get(t, "precision");
    char name[32];
    long long step;

    json_begin_array(w, "precisions");
    while (at && next_precision(&at, name, &step)) {
        if (step > t->step)
            continue;
        json_begin_object(w, NULL);
        json_put_int(w, "step", step);
        json_put_string(w, "precision", name);
        json_end_object(w);
    }
    json_end_array(w);
}

void
history_put(struct json_writer *w, const struct training_state *t, const char *path)
{
    struct str commands = {0};

    put_changes(w, t);
    training_skipped_put(w, t);
    put_precisions(w, t);
    replay_commands(&commands, t, path);
    json_begin_array(w, "replay");
    for (char *line = commands.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        json_put_string(w, NULL, line);
    }
    json_end_array(w);
    str_release(&commands);
}

/* ---- for people ---- */

/* Lines by the step that they are about; those of one step as they were added. */
struct line {
    int64_t step;
    int order;
    char *text;
};
struct lines {
    struct line *line;
    int count;
};

static void
add_line(struct lines *l, int64_t step, struct str *text)
{
    l->line = mem_grow_array(l->line, (size_t)l->count + 1, sizeof *l->line);
    err_mask(text->data); /* names come from a file: nothing in them may steer a terminal */
    l->line[l->count] = (struct line){step, l->count, mem_strdup(text->data)};
    l->count++;
    str_release(text);
}

static int
by_step(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return x->order - y->order;
}

const char *
history_value_before(const struct training_state *t, size_t entry, const char *name)
{
    for (size_t i = entry; i-- > 0;)
        for (size_t k = 0; k < t->history[i].count; k++)
            if (strcmp(t->history[i].options[k].name, name) == 0)
                return t->history[i].options[k].value;
    return NULL;
}

static void
add_options(struct lines *lines, const struct training_state *t, size_t entry)
{
    const struct option_change *c = &t->history[entry];

    for (size_t k = 0; k < c->count; k++) {
        const struct named_value *v = &c->options[k];
        const char *was = history_value_before(t, entry, v->name);
        struct str text = {0};

        if (entry == 0 && !v->value[0])
            continue;
        str_addf(&text, "%s %s", v->name, v->value[0] ? v->value : "(none)");
        if (entry > 0)
            str_addf(&text, " (was %s)", was && was[0] ? was : "(none)");
        add_line(lines, c->step, &text);
    }
}

static void
add_changes(struct lines *lines, const struct training_state *t)
{
    const struct training_layout *before = NULL;

    for (size_t i = 0; i < t->history_count; i++) {
        const struct option_change *c = &t->history[i];
        struct str text = {0};

        if (c->layout) {
            str_addf(&text, "layout: ");
            add_layout(&text, c->layout);
            if (before) {
                str_addf(&text, " (was ");
                add_layout(&text, before);
                str_addf(&text, ")");
            }
            add_line(lines, c->step, &text);
            before = c->layout;
        }
        add_options(lines, t, i);
    }
}

static void
add_skipped(struct lines *lines, const struct training_state *t)
{
    for (size_t i = 0; i < t->skipped_count; i++) {
        const struct skipped_steps *s = &t->skipped[i];
        struct str text = {0};

        str_addf(&text, "skipped to step %lld: %s", (long long)s->last, s->why);
        add_line(lines, s->first, &text);
    }
}

static void
add_precisions(struct lines *lines, const struct training_state *t)
{
    const char *at = training_state_get(t, "precision");
    char name[32], was[32] = "";
    long long step;

    while (at && next_precision(&at, name, &step)) {
        if (step > 1 && step <= t->step) {
            struct str text = {0};
            str_addf(&text, "precision: %s (was %s)", name, was);
            add_line(lines, step, &text);
        }
        memcpy(was, name, sizeof was);
    }
}

void
history_text(struct str *out, const struct training_state *t, const char *path)
{
    struct lines lines = {0};
    struct str commands = {0};

    add_changes(&lines, t);
    add_skipped(&lines, t);
    add_precisions(&lines, t);
    qsort(lines.line, (size_t)lines.count, sizeof *lines.line, by_step);
    str_addf(out, "history\n");
    for (int i = 0; i < lines.count; i++) {
        if (i == 0 || lines.line[i].step != lines.line[i - 1].step)
            str_addf(out, "  step %-10lld", (long long)lines.line[i].step);
        else
            str_addf(out, "%17s", "");
        str_addf(out, " %s\n", lines.line[i].text);
        free(lines.line[i].text);
    }
    free(lines.line);
    replay_commands(&commands, t, path);
    str_addf(out, "replay (kernels %s, %s$SHARDS: what it was trained on, $RUN: a new directory)\n", t->kernels ? t->kernels : "",
             commands.data && strstr(commands.data, "$INIT") ? "$INIT: the weights that it began with, " : "");
    if (commands.data)
        str_add(out, commands.data, commands.len);
    str_release(&commands);
}

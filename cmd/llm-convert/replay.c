/*
 * The command lines that train a checkpoint again: one for each stretch of steps between changes.
 * Steps that were skipped, for whatever reason, are skipped by --skip from the start on: a spike is not
 * judged twice, and what a rewind dropped is not made first.
 */
#include "cmd/llm-convert/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/vec.h"

/* Which of the recorded names decide nothing about the state, or are told in another way. */
static const char *const left_out[] = {
    "skip",        "save-every",   "keep-last", "keep-every", "valid-every",
    "valid-tokens", "log-every", "health-every", "init", "extend-vocabulary",
};

/* Which are not taken over by a resumed run: given as they stand at its beginning. */
static const char *const facts[] = {"sequence-parallel", "grad-reduce-in-bf16"};

/* llm-train's defaults, as a checkpoint records them: need not be given (and some must not, without what they go with). */
static const struct {
    const char *name, *value;
} defaults[] = {
    {"steps", "0"}, {"tokens", "0"}, {"epochs", "1"}, {"micro-batch", "1"}, {"seq-length", "0"},
    {"min-lr", "-1.0"}, {"warmup", "0"}, {"schedule", "cosine"}, {"wsd-decay-style", "linear"},
    {"weight-decay", "0.1"}, {"beta1", "0.9"}, {"beta2", "0.95"}, {"eps", "1e-08"},
    {"clip", "1.0"}, {"z-loss", "0.0"}, {"init-std", "0.0"}, {"init-method", "model"},
    {"dropout", "-1.0"}, {"lora", "0"}, {"lora-alpha", "0.0"}, {"lora-targets", "all-linear"},
    {"dpo", "no"}, {"dpo-beta", "0.1"}, {"moe-aux-loss-coeff", "-1.0"},
    {"moe-z-loss-coeff", "0.0"}, {"precision", "bf16"}, {"fp8-recipe", "delayed"},
    {"fp8-margin", "0"}, {"fp8-amax-history-len", "1024"}, {"fp8-amax-compute-algo", "max"},
    {"recompute", "none"}, {"document-mask", "yes"}, {"seed", "1"}, {"on-spike", "stop"},
    {"spike-threshold", "0.0"}, {"spike-window", "128"}, {"spike-limit", "10"},
};

static bool
is_among(const char *const *names, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool
is_left_out(const char *name)
{
    return is_among(left_out, sizeof left_out / sizeof *left_out, name);
}

static bool
is_fact(const char *name)
{
    return is_among(facts, sizeof facts / sizeof *facts, name);
}

static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";

static bool
is_default(const struct named_value *v)
{
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcmp(v->name, defaults[i].name) == 0)
            return strcmp(v->value, defaults[i].value) == 0;
    return false;
}

/* As a word of a shell, without control characters: it comes from a file. */
static void
add_word(struct str *out, const char *from)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:,+@=%";
    char *text = mem_strdup(from);

    err_mask(text);
    if (text[0] && strspn(text, plain) == strlen(text)) {
        str_add(out, text, strlen(text));
        free(text);
        return;
    }
    str_addf(out, "'");
    for (const char *s = text; *s; s++)
        if (*s == '\'')
            str_addf(out, "'\\''");
        else
            str_add(out, s, 1);
    str_addf(out, "'");
    free(text);
}

/* Flags that are off by default have no value; what is neither given nor changed (""), none. */
static void
add_option(struct str *out, const struct named_value *v, bool first)
{
    bool yes = strcmp(v->value, "yes") == 0, no = strcmp(v->value, "no") == 0;

    if (is_left_out(v->name) || (first && (!v->value[0] || is_default(v))) || v->name[strspn(v->name, letters)])
        return;
    if ((yes || no) && strcmp(v->name, "document-mask") != 0) {
        if (yes)
            str_addf(out, " --%s", v->name);
        return;
    }
    str_addf(out, " --%s=", v->name);
    if (v->value[0])
        add_word(out, v->value);
}

static void
add_layout(struct str *out, const struct training_layout *l)
{
    const struct {
        const char *name;
        int64_t size;
    } axes[] = {{"tensor", l->tensor}, {"context", l->context}, {"expert", l->expert}, {"pipeline", l->pipeline}};

    str_addf(out, " --ranks=%lld", (long long)history_ranks(l));
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (axes[i].size > 1)
            str_addf(out, " --%s-parallel=%lld", axes[i].name, (long long)axes[i].size);
    if (l->pipeline > 1 && l->schedule && l->schedule[0]) {
        str_addf(out, " --pipeline-schedule=");
        add_word(out, l->schedule);
    }
    if (history_ranks(l) > 1)
        str_addf(out, " --zero=%lld", (long long)l->zero);
}

/* Steps of one reason: those without a target are skipped of themselves. */
static void
add_skipped(struct str *out, const struct training_state *t)
{
    const char *gap = " --skip=";

    for (size_t i = 0; i < t->skipped_count; i++) {
        if (strncmp(t->skipped[i].why, "--", 2) != 0)
            continue;
        str_addf(out, "%s%lld-%lld", gap, (long long)t->skipped[i].first, (long long)t->skipped[i].last);
        gap = ",";
    }
}

/* The entries of one step: what changed with it, and the layout then. */
struct stretch {
    int64_t from, to;
    size_t entry, entry_end; /* of the history */
};
struct stretches VEC_BODY(struct stretch);

static bool
changes_something(const struct option_change *c)
{
    if (c->layout)
        return true;
    for (size_t i = 0; i < c->count; i++)
        if (!is_left_out(c->options[i].name))
            return true;
    return false;
}

/* Entries that change nothing here lie within a stretch. */
static void
find_stretches(const struct training_state *t, struct stretches *out)
{
    for (size_t i = 0; i < t->history_count; i++) {
        const struct option_change *c = &t->history[i];
        struct stretch *last = out->len ? &out->data[out->len - 1] : NULL;

        if (last && (last->from == c->step || !changes_something(c)))
            last->entry_end = i + 1;
        else
            vec_push(out, ((struct stretch){c->step, t->step, i, i + 1}));
    }
    for (size_t i = 0; i + 1 < out->len; i++)
        out->data[i].to = out->data[i + 1].from;
    while (out->len > 1 && out->data[out->len - 1].from >= t->step)
        out->len--;
}

static const char *
fact(const struct training_state *t, const char *name)
{
    const char *value = training_state_get(t, name);

    return value ? value : "no";
}

static void
add_beginning(struct str *out, const struct training_state *t, const char *path)
{
    if (strcmp(fact(t, "init"), "yes") == 0) {
        str_addf(out, " --init=\"$INIT\" %s=", strcmp(fact(t, "extend-vocabulary"), "yes") == 0 ? "--extend-vocabulary" : "--tokenizer");
    } else {
        str_addf(out, " --model=");
        add_word(out, path);
        str_addf(out, "/config.json --tokenizer=");
    }
    add_word(out, path);
    str_addf(out, " --save=\"$RUN\" --save-every=0");
}

/* The last value that an option of this stretch got. */
static bool
is_last(const struct training_state *t, const struct stretch *s, size_t entry, const char *name)
{
    for (size_t i = entry + 1; i < s->entry_end; i++)
        for (size_t k = 0; k < t->history[i].count; k++)
            if (strcmp(t->history[i].options[k].name, name) == 0)
                return false;
    return true;
}

static void
add_facts(struct str *out, const struct training_state *t, const struct stretch *s)
{
    for (size_t f = 0; f < sizeof facts / sizeof *facts; f++) {
        const char *value = history_value_before(t, s->entry_end, facts[f]);
        if (value && strcmp(value, "yes") == 0)
            str_addf(out, " --%s", facts[f]);
    }
}

void
replay_commands(struct str *out, const struct training_state *t, const char *path)
{
    const struct training_layout *layout = NULL;
    struct stretches stretches = {0};

    find_stretches(t, &stretches);
    for (size_t n = 0; n < stretches.len; n++) {
        const struct stretch *s = &stretches.data[n];

        str_addf(out, "llm-train");
        if (n == 0)
            add_beginning(out, t, path);
        else
            str_addf(out, " --resume=\"$RUN\"");
        for (size_t i = s->entry; i < s->entry_end; i++) {
            if (t->history[i].layout)
                layout = t->history[i].layout;
            for (size_t k = 0; k < t->history[i].count; k++)
                if (!is_fact(t->history[i].options[k].name) && is_last(t, s, i, t->history[i].options[k].name))
                    add_option(out, &t->history[i].options[k], n == 0);
        }
        if (layout)
            add_layout(out, layout);
        add_facts(out, t, s);
        if (n == 0)
            add_skipped(out, t);
        str_addf(out, " --stop-at=%lld $SHARDS\n", (long long)s->to);
    }
    vec_release(&stretches);
}

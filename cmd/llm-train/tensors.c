/* Patterns that name tensors: what is frozen, what does not decay. */
#include "cmd/llm-train/tensors.h"

#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/str.h"
#include "checkpoint/names.h"
#include "cmd/llm-train/train.h"

enum { NEAR = 3, PATTERN_BYTES = 256 };

/* The next one of a list "A,B"; false at its end. */
static bool
next_pattern(const char *option, const char **list, char out[PATTERN_BYTES])
{
    size_t n = strcspn(*list, ",");

    if (**list == '\0')
        return false;
    if (n == 0 || n >= PATTERN_BYTES)
        die(STATUS_USAGE, "--%s: expected names or patterns between commas", option);
    memcpy(out, *list, n);
    out[n] = '\0';
    *list += n + ((*list)[n] == ',');
    return true;
}

static bool
matches(const char *option, const char *list, const char *name)
{
    char pattern[PATTERN_BYTES];

    while (next_pattern(option, &list, pattern))
        if (glob_match(pattern, name))
            return true;
    return false;
}

/* The names nearest to a pattern that matches none, nearest first. */
struct near {
    char name[NEAR][96];
    unsigned distance[NEAR];
    int count;
};

static void
keep_near(struct near *near, const char *pattern, const char *name)
{
    unsigned distance = edit_distance(pattern, name);
    int at = near->count;

    while (at > 0 && near->distance[at - 1] > distance)
        at--;
    if (at == NEAR)
        return;
    if (near->count < NEAR)
        near->count++;
    for (int i = near->count - 1; i > at; i--) {
        memcpy(near->name[i], near->name[i - 1], sizeof near->name[i]);
        near->distance[i] = near->distance[i - 1];
    }
    (void)snprintf(near->name[at], sizeof near->name[at], "%s", name);
    near->distance[at] = distance;
}

/* A pattern must match some name, of ours or theirs. */
static void
check_pattern(const struct trainer *t, const char *option, const char *pattern)
{
    struct near near = {.count = 0};
    struct str names = {0};

    for (int i = 0; i < t->whole.count; i++) {
        const struct param *p = &t->whole.param[i];
        struct name_part part[NAME_PARTS];
        int parts = names_parts(&t->config, p, part);
        if (glob_match(pattern, p->name))
            return;
        keep_near(&near, pattern, p->name);
        for (int k = 0; k < parts; k++) {
            if (glob_match(pattern, part[k].name))
                return;
            keep_near(&near, pattern, part[k].name);
        }
    }
    for (int i = 0; i < near.count; i++)
        str_addf(&names, "%s%s", i ? ", " : "", near.name[i]);
    die(STATUS_USAGE, "--%s: no tensor is called '%s'; near are %s", option, pattern, names.data);
}

/* Is tensor p named, itself or by all of its parts? Some of them alone cannot be told apart here. */
static bool
is_named(const struct trainer *t, const char *option, const char *list, const struct param *p)
{
    struct name_part part[NAME_PARTS];
    int parts = names_parts(&t->config, p, part), named = 0;
    const char *other = "";

    if (matches(option, list, p->name))
        return true;
    for (int k = 0; k < parts; k++) {
        if (matches(option, list, part[k].name))
            named++;
        else
            other = part[k].name;
    }
    if (named > 0 && named < parts)
        die(STATUS_USAGE, "--%s %s: %s is one tensor; %s is in it and is not named", option, list, p->name, other);
    return named > 0;
}

/* "" and "none" name nothing. */
static bool
is_none(const char *list)
{
    return !list || !list[0] || strcmp(list, "none") == 0;
}

static void
check_list(const struct trainer *t, const char *option, const char *list)
{
    char pattern[PATTERN_BYTES];

    while (next_pattern(option, &list, pattern))
        check_pattern(t, option, pattern);
}

static void
freeze(struct trainer *t, const char *list)
{
    check_list(t, "freeze", list);
    for (int i = 0; i < t->whole.count; i++)
        t->whole.param[i].frozen = is_named(t, "freeze", list, &t->whole.param[i]);
    if (tensors_trained(t) == 0)
        die(STATUS_USAGE, "--freeze %s: every tensor is frozen, nothing is left to train", list);
}

void
tensors_choose(struct trainer *t)
{
    const char *skip = options.weight_decay_skip;

    if (!is_none(options.freeze))
        freeze(t, options.freeze);
    if (!skip || !skip[0])
        return; /* norms and biases, as the table says */
    if (strcmp(skip, "none") != 0)
        check_list(t, "weight-decay-skip", skip);
    for (int i = 0; i < t->whole.count; i++)
        t->whole.param[i].decay = is_none(skip) || !is_named(t, "weight-decay-skip", skip, &t->whole.param[i]);
}

int
tensors_init_part(const struct trainer *t, struct params *p, const struct model_part *part)
{
    if (params_init_part(p, &t->config, part) < 0)
        return -1;
    for (int i = 0; i < p->count; i++) {
        const struct param *whole = &t->whole.param[p->param[i].whole.index];
        p->param[i].frozen = whole->frozen;
        p->param[i].decay = whole->decay;
    }
    return 0;
}

int64_t
tensors_trained(const struct trainer *t)
{
    int64_t n = 0;

    for (int i = 0; i < t->whole.count; i++)
        if (!t->whole.param[i].frozen)
            n += t->whole.param[i].size;
    return n;
}

void
tensors_flops(const struct trainer *t, struct flops *out)
{
    const struct config *c = &t->config;

    layout_flops(&t->layout, c, t->seq_length, out);
    if (c->lora.rank > 0)
        return; /* counted without them already */
    for (int i = 0; i < t->whole.count; i++) {
        const struct param *p = &t->whole.param[i];
        double share = p->expert < 0 ? 1 : (double)c->num_experts_per_tok / (double)c->num_experts;
        if (p->frozen && params_in_product(&t->whole, i))
            out->backward -= 2 * share * (double)p->size * (double)t->seq_length;
    }
}

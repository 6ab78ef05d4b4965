/* Adapters: what --lora asks for, or what a checkpoint has. */
#include "cmd/llm-train/lora.h"

#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "checkpoint/checkpoint.h"
#include "cmd/llm-train/train.h"

static void
check_options(void)
{
    const struct {
        bool asked;
        const char *name;
    } alone[] = {{opt_given(&llm_train, "lora-alpha"), "lora-alpha"},
                 {opt_given(&llm_train, "lora-targets"), "lora-targets"}};
    const char *freeze = options.freeze ? options.freeze : "";

    for (size_t i = 0; i < sizeof alone / sizeof *alone && options.lora == 0; i++)
        if (alone[i].asked)
            die(STATUS_USAGE, "--%s needs --lora R", alone[i].name);
    if (options.lora > 0 && strstr(options.precision, "fp8"))
        die(STATUS_USAGE, "--lora does not go with --precision %s", options.precision);
    if (options.lora > 0 && freeze[0] && strcmp(freeze, "none") != 0)
        die(STATUS_USAGE, "--lora and --freeze exclude each other: adapters freeze all else");
}

/* What the options mean for this model. */
static struct lora
wanted(const struct config *c)
{
    struct lora l = {.rank = options.lora, .alpha = options.lora_alpha};

    if (l.rank == 0)
        return l;
    if (l.alpha == 0)
        l.alpha = (double)l.rank;
    if (lora_targets(c, options.lora_targets, &l.targets) < 0)
        die(STATUS_USAGE, "--lora-targets: %s", err_text());
    return l;
}

/* A checkpoint's adapters are what it was trained with: neither begun nor changed on the way. */
static void
check_resumed(const struct trainer *t, const struct lora *l)
{
    const struct lora *was = &t->config.lora;
    bool same_alpha = !(was->alpha < l->alpha || was->alpha > l->alpha);

    if (was->rank == l->rank && (l->rank == 0 || (same_alpha && was->targets == l->targets)))
        return;
    if (was->rank == 0)
        die(STATUS_USAGE, "--lora %lld: %s has no adapters: --init begins with its weights",
            (long long)l->rank, t->from->path);
    die(STATUS_USAGE,
        "%s has adapters of its own (rank %lld, alpha %g): --lora, --lora-alpha and --lora-targets "
        "cannot change",
        t->from->path, (long long)was->rank, was->alpha);
}

void
lora_choose(struct trainer *t)
{
    struct lora l;

    check_options();
    l = wanted(&t->config);
    if (options.model && !t->from && t->config.lora.rank > 0)
        die(STATUS_INPUT, "%s: lora: what a new model's adapters are is said by --lora",
            options.model);
    if (t->from)
        check_resumed(t, &l);
    else if ((l.rank > 0 || t->config.lora.rank > 0) && config_set_lora(&t->config, &l) < 0)
        die_err();
}

void
lora_note(const struct trainer *t)
{
    if (t->config.lora.rank > 0)
        note("adapters of rank %lld, alpha %g, beside %s", (long long)t->config.lora.rank,
             t->config.lora.alpha, options.lora_targets);
}

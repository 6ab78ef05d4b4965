/* What is known of the tensors' health, for programs and for people. */
#include "cmd/llm-train/tensor_health.h"

#include <math.h>
#include <stdio.h>

#include "base/die.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/llm-train/tensorboard.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"

/*
 * Where sqrt(v) < eps the step is less than half of Adam's: half of a layer's matrix is not what
 * was asked for. LLM-jp-3 172B ran with an eps of 1e-5 to 1.4T tokens before it was found (NII's
 * notice on alpha1 and alpha2; every element was below); Wortsman et al., "Small-scale proxies for
 * large-scale Transformer training instabilities" (2023), show why it comes with size. Embeddings and heads
 * are left out: rows of rare tokens are below it in healthy models. Elements whose v is 0 as well.
 */
static const double eps_share_limit = 0.5;

/*
 * Kimi K2's report (2025) saw logits grow beyond 1000 in runs that then became unstable; in Wortsman et al. those
 * above 10,000 diverged.
 */
static const float logit_limit = 1000;

static double
share(uint64_t count, int64_t of)
{
    return of > 0 ? (double)count / (double)of : 0;
}

static double
ratio(const struct group_health *o)
{
    return o->weight > 0 ? o->update / o->weight : (double)NAN;
}

/* ---- the event ---- */

static void
put(struct str *s, const char *key, double value)
{
    str_addf(s, ",\"%s\":", key);
    if (isfinite(value))
        str_add_real(s, value);
    else
        str_adds(s, "null");
}

/* Counts that are 0 are left out: they are so in all groups of most runs. */
static void
put_count(struct str *s, const char *key, uint64_t count)
{
    if (count > 0)
        str_addf(s, ",\"%s\":%llu", key, (unsigned long long)count);
}

static void
put_group(struct str *s, const struct tensor_group *g, const struct group_health *o)
{
    str_addf(s, "{\"kind\":\"%s\"", tensor_kind_name(g->kind));
    if (g->layer >= 0)
        str_addf(s, ",\"layer\":%d", g->layer);
    str_addf(s, ",\"elements\":%lld", (long long)g->elements);
    if (g->elements > 0) {
        put(s, "grad_norm", o->gradient);
        put(s, "weight_norm", o->weight);
        put(s, "update_ratio", ratio(o));
        put(s, "eps_share", share(o->count[HEALTH_BELOW_EPS], g->elements));
        put(s, "zero_share", share(o->count[HEALTH_ZERO], g->elements));
    }
    if (g->kind == TENSOR_QKV)
        put(s, "max_logit", (double)o->max_logit);
    put_count(s, "denormal_gradients", o->count[HEALTH_DENORMAL_GRADIENTS]);
    put_count(s, "denormal_moments", o->count[HEALTH_DENORMAL_MOMENTS]);
    put_count(s, "saturated_inputs", o->beyond[FP8_INPUT]);
    put_count(s, "saturated_weights", o->beyond[FP8_WEIGHT]);
    put_count(s, "saturated_gradients", o->beyond[FP8_GRADIENT]);
    str_addc(s, '}');
}

static int
log_event(const struct trainer *t, double norm, int64_t elements)
{
    const struct tensor_health *h = t->tensor_health;
    const struct group_health *all = &h->all;
    struct str groups = {0};

    str_addc(&groups, '[');
    for (int g = 0; log_enabled() && g < h->groups.count; g++) {
        if (g > 0)
            str_addc(&groups, ',');
        put_group(&groups, &h->groups.group[g], &h->of[g]);
    }
    str_addc(&groups, ']');
    log_begin("tensor_health");
    log_int("step", (int64_t)t->step);
    log_real("eps", options.eps);
    log_int("elements", elements);
    log_real("grad_norm", norm);
    log_real("weight_norm", all->weight);
    log_real("update_ratio", ratio(all));
    log_real("eps_share", share(all->count[HEALTH_BELOW_EPS], elements));
    log_real("zero_share", share(all->count[HEALTH_ZERO], elements));
    log_real("max_logit", (double)all->max_logit);
    log_int("denormal_gradients", (int64_t)all->count[HEALTH_DENORMAL_GRADIENTS]);
    log_int("denormal_moments", (int64_t)all->count[HEALTH_DENORMAL_MOMENTS]);
    if (h->fp8) {
        log_int("saturated_inputs", (int64_t)all->beyond[FP8_INPUT]);
        log_int("saturated_weights", (int64_t)all->beyond[FP8_WEIGHT]);
        log_int("saturated_gradients", (int64_t)all->beyond[FP8_GRADIENT]);
    }
    log_json("groups", groups.data);
    str_release(&groups);
    return log_end();
}

static int
show_scalars(const struct trainer *t, int64_t elements)
{
    const struct group_health *all = &t->tensor_health->all;
    struct tensorboard *board = t->report.board;

    tensorboard_scalar(board, "health/weight_norm", all->weight);
    tensorboard_scalar(board, "health/update_ratio", ratio(all));
    tensorboard_scalar(board, "health/eps_share", share(all->count[HEALTH_BELOW_EPS], elements));
    tensorboard_scalar(board, "health/max_logit", (double)all->max_logit);
    return tensorboard_end(board, t->step);
}

/* ---- for people ---- */

/* "layer 3's qkv" */
static const char *
name_group(const struct tensor_group *g, char buffer[64])
{
    snprintf(buffer, 64, "layer %d's %s", g->layer, tensor_kind_name(g->kind));
    return buffer;
}

/* Of the elements whose v is not 0. */
static double
eps_share_of(const struct tensor_health *h, int g)
{
    const uint64_t *count = h->of[g].count;

    return share(count[HEALTH_BELOW_EPS] - count[HEALTH_ZERO], h->groups.group[g].elements - (int64_t)count[HEALTH_ZERO]);
}

static void
warn_of_eps(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;
    int worst = -1, above = 0, looked_at = 0;
    char name[64];

    for (int g = 0; g < h->groups.count; g++) {
        enum tensor_kind kind = h->groups.group[g].kind;

        if ((kind != TENSOR_QKV && kind != TENSOR_OUTPUT && kind != TENSOR_UP && kind != TENSOR_DOWN) ||
            h->groups.group[g].elements == 0)
            continue;
        looked_at++;
        above += eps_share_of(h, g) > eps_share_limit;
        if (worst < 0 || eps_share_of(h, g) > eps_share_of(h, worst))
            worst = g;
    }
    if (h->told_eps || above == 0)
        return;
    h->told_eps = true;
    warn("step %llu: --eps %g is larger than AdamW's sqrt(v) for most of %d of %d matrices of the layers (%.0f %% of %s): "
         "their updates are less than half of what Adam's would be",
         (unsigned long long)t->step, options.eps, above, looked_at, 100 * eps_share_of(h, worst),
         name_group(&h->groups.group[worst], name));
}

static void
warn_of_logits(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;

    for (int g = 0; g < h->groups.count && !h->told_logit; g++)
        if (h->of[g].max_logit > logit_limit) {
            h->told_logit = true;
            warn("step %llu: the largest attention logit of layer %d is %.3g: runs become unstable above %g "
                 "(a smaller --lr, or QK-norm, keeps them small)",
                 (unsigned long long)t->step, h->groups.group[g].layer, (double)h->of[g].max_logit, (double)logit_limit);
        }
}

/* All threads flush them: one that does not is slow, and its results are other ones. */
static void
warn_of_denormals(struct trainer *t)
{
    struct tensor_health *h = t->tensor_health;
    uint64_t gradients = h->all.count[HEALTH_DENORMAL_GRADIENTS], moments = h->all.count[HEALTH_DENORMAL_MOMENTS];

    if (h->told_denormals || gradients + moments == 0)
        return;
    h->told_denormals = true;
    warn("step %llu: %llu gradients and %llu moments are denormal numbers, which should have been flushed to zero",
         (unsigned long long)t->step, (unsigned long long)gradients, (unsigned long long)moments);
}

int
tensor_health_report(struct trainer *t, double norm)
{
    struct tensor_health *h = t->tensor_health;
    int64_t elements = 0;

    if (!h || !h->due)
        return 0;
    for (int g = 0; g < h->groups.count; g++)
        elements += h->groups.group[g].elements;
    verbose("step %llu: weight norm %.4g, update/weight %.3g, sqrt(v) < eps in %.2f %%, largest attention logit %.3g",
            (unsigned long long)t->step, h->all.weight, ratio(&h->all),
            100 * share(h->all.count[HEALTH_BELOW_EPS], elements), (double)h->all.max_logit);
    warn_of_eps(t);
    warn_of_logits(t);
    warn_of_denormals(t);
    return log_event(t, norm, elements) < 0 ? -1 : show_scalars(t, elements);
}

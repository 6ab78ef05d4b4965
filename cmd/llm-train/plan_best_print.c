/* --plan best: the layouts that were found, and what they would cost in another way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cmd/llm-train/plan_best.h"
#include "cmd/llm-train/plan_print.h"
#include "json/write.h"

/* ---- words ---- */

/* What to type behind the options that were given. */
static void
add_options(const struct plan_search *s, const struct plan_choice *c, struct str *out)
{
    const int *n = c->size;

    str_addf(out, "--tensor-parallel %d --pipeline-parallel %d", n[AXIS_TENSOR], n[AXIS_PIPELINE]);
    if (n[AXIS_CONTEXT] > 1 || s->asked.context_parallel > 1)
        str_addf(out, " --context-parallel %d", n[AXIS_CONTEXT]);
    if (n[AXIS_EXPERT] > 1 || s->asked.expert_parallel > 1)
        str_addf(out, " --expert-parallel %d", n[AXIS_EXPERT]);
    if (n[AXIS_PIPELINE] > 1)
        str_addf(out, " --pipeline-schedule %s", pipeline_schedule_name(c->schedule));
    if (c->chunks > 1)
        str_addf(out, " --virtual-stages %d", c->chunks);
    str_addf(out, " --micro-batch %lld --zero %d", (long long)c->micro_batch, c->zero);
    if (c->sequence_parallel != s->asked.sequence_parallel)
        str_addf(out, " --%ssequence-parallel", c->sequence_parallel ? "" : "no-");
    if (c->pipeline_first)
        str_adds(out, " --rank-order " PLAN_PIPELINE_FIRST);
    else if (s->asked.rank_order && opt_from_config(&llm_train, "rank-order"))
        str_adds(out, " --rank-order tensor,context,expert,data,pipeline");
    str_adds(out, " --recompute ");
    plan_add_recompute(s, c, out);
}

/* "TP 6 PP 8 DP 288" */
static void
add_sizes(const struct plan_choice *c, struct str *out)
{
    static const enum axis order[] = {AXIS_TENSOR, AXIS_CONTEXT, AXIS_EXPERT, AXIS_PIPELINE, AXIS_DATA};
    static const char *const names[AXES] = {"TP", "CP", "EP", "DP", "PP"};

    for (int i = 0; i < AXES; i++) {
        int n = c->size[order[i]];
        if (n == 1 && order[i] != AXIS_DATA)
            continue;
        str_addf(out, "%s%s %d", i > 0 && out->len > 0 ? " " : "", names[order[i]], n);
        if (order[i] == AXIS_TENSOR && c->sequence_parallel)
            str_adds(out, "+seq");
        if (order[i] == AXIS_PIPELINE && c->pipeline_first)
            str_adds(out, " (first)");
    }
}

static void
add_schedule(const struct plan_choice *c, struct str *out)
{
    if (c->size[AXIS_PIPELINE] == 1) {
        str_addc(out, '-');
        return;
    }
    str_adds(out, pipeline_schedule_name(c->schedule));
    if (c->chunks > 1)
        str_addf(out, " %d", c->chunks);
}

/* "full 4, none": by stage */
static void
add_short_recompute(const struct plan_search *s, const struct plan_choice *c, struct str *out)
{
    if (c->full < 0)
        str_adds(out, s->asked.recompute);
    else if (c->full > 0)
        str_addf(out, "full %d, %s", c->full, recompute_name(c->rest));
    else
        str_adds(out, recompute_name(c->rest));
}

/* "products 61 %, waiting for stages 22 %": the two that take longest. */
static void
add_limits(const struct plan_time *time, struct str *out)
{
    struct plan_component part[PLAN_COMPONENTS];
    int n = plan_components(time, part);

    for (int times = 0; times < 2; times++) {
        int most = 0;
        for (int i = 0; i < n; i++)
            if (part[i].seconds > part[most].seconds)
                most = i;
        if (part[most].seconds < 0.01 * time->total)
            return;
        str_addf(out, "%s%s %.0f %%", times > 0 ? ", " : "", part[most].text, 100 * part[most].seconds / time->total);
        part[most].seconds = 0;
    }
}

/* "+9 % tensor sums": how much longer, and the component that grows most; shrinks, if it is faster. */
static void
add_difference(const struct plan_found *from, const struct plan_found *to, struct str *out)
{
    struct plan_component a[PLAN_COMPONENTS], b[PLAN_COMPONENTS];
    int n = plan_components(&from->time, a), most = 0;
    double percent = 100 * (to->time.total / from->time.total - 1), sign = percent < 0 ? -1 : 1;

    (void)plan_components(&to->time, b);
    for (int i = 1; i < n; i++)
        if (sign * (b[i].seconds - a[i].seconds) > sign * (b[most].seconds - a[most].seconds))
            most = i;
    str_addf(out, "%+.1f %%", percent);
    if (sign * (b[most].seconds - a[most].seconds) > 1e-4 * from->time.total)
        str_addf(out, " %s", b[most].text);
}

/* ---- neighbours: one thing is different ---- */

struct neighbours {
    struct plan_search *s;
    const struct plan_found *of;
    struct json_writer *json; /* or text: */
    struct str *text;
};

static void
tell(struct neighbours *n, const char *name, const struct plan_found *f)
{
    char bytes[32];
    struct str difference = {0};

    add_difference(n->of, f, &difference);
    if (n->json) {
        json_begin_object(n->json, NULL);
        json_put_string(n->json, "change", name);
        json_put_real(n->json, "step_seconds", f->time.total);
        json_put_string(n->json, "difference", difference.data);
        json_put_bool(n->json, "fits", f->fits);
        json_end_object(n->json);
    } else {
        str_addf(n->text, "  %-24s %s", name, difference.data);
        if (!f->fits)
            str_addf(n->text, ", does not fit: %s a node", human_bytes(plan_node_bytes(n->s, &f->memory), bytes));
        str_addc(n->text, '\n');
    }
    str_release(&difference);
}

static bool
look_beside(struct neighbours *n, const char *name, const struct plan_choice *c)
{
    struct plan_found f;

    if (plan_look(n->s, c, &f) < 0)
        return false;
    tell(n, name, &f);
    return true;
}

/* The next size of an axis, up or down, that can be; data gives or takes. */
static void
another_size(struct neighbours *n, enum axis a, const char *name, bool up)
{
    const struct plan_choice *c = &n->of->choice;
    int all = c->size[a] * c->size[AXIS_DATA];
    char text[32];

    for (int size = c->size[a] + (up ? 1 : -1); size >= 1 && size <= all && size <= 8 * c->size[a]; size += up ? 1 : -1) {
        struct plan_choice other = *c;
        if (all % size != 0)
            continue;
        other.size[a] = size;
        other.size[AXIS_DATA] = all / size;
        if (size == 1 && a == AXIS_TENSOR)
            other.sequence_parallel = false;
        if (other.full > 0 && other.full >= other.size[AXIS_PIPELINE])
            other.full = 0;
        if (size == 1 && a == AXIS_PIPELINE) {
            other.schedule = PIPELINE_1F1B;
            other.chunks = 1;
            other.pipeline_first = false;
        }
        snprintf(text, sizeof text, "%s %d", name, size);
        if (look_beside(n, text, &other))
            return;
    }
}

static void
another_micro_batch(struct neighbours *n, bool up)
{
    struct plan_choice c = n->of->choice;
    char text[32];

    for (int i = 0; i < 8; i++) {
        c.micro_batch += up ? 1 : -1;
        snprintf(text, sizeof text, "micro-batch %lld", (long long)c.micro_batch);
        if (c.micro_batch < 1 || look_beside(n, text, &c))
            return;
    }
}

static void
another_schedule(struct neighbours *n)
{
    const struct plan_choice *c = &n->of->choice;

    for (int i = PIPELINE_1F1B; i < PIPELINE_SCHEDULES && c->size[AXIS_PIPELINE] > 1; i++) {
        struct plan_choice other = *c;
        other.schedule = (enum pipeline_schedule)i;
        other.chunks = i == PIPELINE_INTERLEAVED ? 2 : 1;
        if (other.schedule != c->schedule)
            (void)look_beside(n, pipeline_schedule_name(other.schedule), &other);
    }
}

static void
others(struct neighbours *n)
{
    const struct plan_choice *c = &n->of->choice;
    struct plan_choice other = *c;
    char text[48];

    if (c->size[AXIS_TENSOR] > 1) {
        other.sequence_parallel = !c->sequence_parallel;
        (void)look_beside(n, c->sequence_parallel ? "not sequence parallel" : "sequence parallel", &other);
    }
    for (int zero = c->zero - 1; zero <= c->zero + 1; zero += 2) {
        other = *c;
        other.zero = zero;
        snprintf(text, sizeof text, "ZeRO %d", zero);
        if (zero >= 0 && zero <= 3 && c->size[AXIS_DATA] * c->size[AXIS_EXPERT] * c->size[AXIS_CONTEXT] > 1)
            (void)look_beside(n, text, &other);
    }
    for (int i = RECOMPUTE_NONE; i <= RECOMPUTE_FULL && c->full >= 0; i++) {
        other = *c;
        other.full = 0;
        other.rest = (enum recompute)i;
        snprintf(text, sizeof text, "recompute %s", recompute_name(other.rest));
        if (c->full > 0 || other.rest != c->rest)
            (void)look_beside(n, text, &other);
    }
}

static void
all_neighbours(struct neighbours *n)
{
    for (int up = 0; up < 2; up++) {
        another_size(n, AXIS_TENSOR, "TP", up);
        another_size(n, AXIS_PIPELINE, "PP", up);
        another_micro_batch(n, up);
    }
    another_schedule(n);
    others(n);
}

/* ---- the answer ---- */

static double
mfu(const struct plan_search *s, const struct plan_found *f)
{
    const struct trainer *t = s->t;
    struct flops flops;

    layout_flops(&t->layout, &t->config, t->seq_length, &flops);
    return (flops.forward + flops.backward) * (double)t->global_batch / (f->time.total * s->ranks * plan_peak(t));
}

static void
add_why(const struct plan_search *s, int i, struct str *out)
{
    if (i > 0) {
        add_difference(&s->best[0], &s->best[i], out);
        str_adds(out, "; ");
    }
    add_limits(&s->best[i].time, out);
}

static void
print_row(const struct plan_search *s, int i)
{
    const struct plan_found *f = &s->best[i];
    struct str sizes = {0}, schedule = {0}, recompute = {0}, why = {0};
    char bytes[32];

    add_sizes(&f->choice, &sizes);
    add_schedule(&f->choice, &schedule);
    add_short_recompute(s, &f->choice, &recompute);
    add_why(s, i, &why);
    printf("%2d  %-26s %-13s %5lld %4d  %-18s %9s %9.4g %6.1f %6.1f  %s\n", i + 1, sizes.data, schedule.data,
           (long long)f->choice.micro_batch, f->choice.zero, recompute.data, human_bytes((double)f->memory.total, bytes),
           f->time.total, 100 * mfu(s, f), 100 * f->time.idle, why.data);
    str_release(&sizes);
    str_release(&schedule);
    str_release(&recompute);
    str_release(&why);
}

static void
print_text(struct plan_search *s)
{
    struct str options_text = {0}, beside = {0};
    struct neighbours n = {.s = s, .of = &s->best[0], .text = &beside};

    add_options(s, &s->best[0].choice, &options_text);
    printf("%s\n\n", options_text.data);
    printf("    %-26s %-13s %5s %4s  %-18s %9s %9s %6s %6s  %s\n", "layout", "schedule", "micro", "ZeRO", "recompute",
           "a rank", "step s", "MFU %", "idle %", "why");
    for (int i = 0; i < s->count; i++)
        print_row(s, i);
    all_neighbours(&n);
    printf("\nthe first one, otherwise\n%s", beside.data ? beside.data : "");
    printf("\nlooked at %lld layouts; do not fit memory: %lld; do not divide: %lld; not run by this version: %lld; slower: %lld\n",
           (long long)s->looked_at, (long long)s->too_large, (long long)s->undivided, (long long)s->not_run,
           (long long)s->slower);
    str_release(&options_text);
    str_release(&beside);
}

static void
put_found(struct json_writer *w, struct plan_search *s, int i)
{
    struct plan_found *f = &s->best[i];
    const struct plan_choice *c = &f->choice;
    struct str text = {0};
    struct neighbours n = {.s = s, .of = f, .json = w};

    json_begin_object(w, NULL);
    add_options(s, c, &text);
    json_put_string(w, "options", text.data);
    json_put_int(w, "tensor_parallel", c->size[AXIS_TENSOR]);
    json_put_int(w, "context_parallel", c->size[AXIS_CONTEXT]);
    json_put_int(w, "expert_parallel", c->size[AXIS_EXPERT]);
    json_put_int(w, "pipeline_parallel", c->size[AXIS_PIPELINE]);
    json_put_int(w, "data_parallel", c->size[AXIS_DATA]);
    json_put_string(w, "schedule", c->size[AXIS_PIPELINE] > 1 ? pipeline_schedule_name(c->schedule) : "");
    json_put_int(w, "virtual_stages", c->chunks);
    json_put_int(w, "micro_batch", c->micro_batch);
    json_put_int(w, "zero", c->zero);
    json_put_bool(w, "sequence_parallel", c->sequence_parallel);
    str_release(&text);
    plan_add_recompute(s, c, &text);
    json_put_string(w, "recompute", text.data);
    str_release(&text);
    json_put_uint(w, "memory_per_rank_bytes", f->memory.total);
    json_put_real(w, "step_seconds", f->time.total);
    json_put_real(w, "mfu", mfu(s, f));
    json_put_real(w, "bubble", f->time.idle);
    add_why(s, i, &text);
    json_put_string(w, "why", text.data);
    str_release(&text);
    json_begin_array(w, "neighbours");
    if (i == 0)
        all_neighbours(&n);
    json_end_array(w);
    json_end_object(w);
}

static void
print_json(struct plan_search *s)
{
    struct str out = {0};
    struct json_writer w = {.out = &out, .indent = 2};

    json_begin_object(&w, NULL);
    json_put_int(&w, "parameters", s->t->whole.parameters);
    json_put_int(&w, "ranks", s->ranks);
    json_put_string(&w, "machine", s->t->machine->name ? s->t->machine->name : "");
    json_begin_array(&w, "best");
    for (int i = 0; i < s->count; i++)
        put_found(&w, s, i);
    json_end_array(&w);
    json_begin_object(&w, "refused");
    json_put_int(&w, "does_not_fit", s->too_large);
    json_put_int(&w, "does_not_divide", s->undivided);
    json_put_int(&w, "not_run", s->not_run);
    json_put_int(&w, "slower", s->slower);
    json_end_object(&w);
    json_put_int(&w, "looked_at", s->looked_at);
    json_end_object(&w);
    puts(out.data);
    str_release(&out);
}

void
plan_best_print(struct plan_search *s)
{
    if (options.json)
        print_json(s);
    else
        print_text(s);
}

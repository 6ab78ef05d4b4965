/* The plan of a step and of memory beside what a run measured. */
#include "cmd/llm-train/measured.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/die.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/llm-train/plan_time.h"
#include "cmd/llm-train/trainer.h"
#include "json/write.h"

/* A component of a step; of memory, a kind. planned 0: the plan has none of it. */
struct row {
    const char *key, *name;
    double planned, mean, least;
};
enum { TIME_ROWS = 12, MEMORY_ROWS = 5 };

static void
rows_of_time(const struct plan_time *p, const struct step_time *m, const struct step_time *l, struct row rows[TIME_ROWS])
{
    const struct row all[TIME_ROWS] = {
        {"products", "matrix products", p->products, m->products, l->products},
        {"attention", "attention", p->attention, m->attention, l->attention},
        {"elementwise", "elementwise", p->elementwise, m->elementwise, l->elementwise},
        {"update", "update", p->update, m->update, l->update},
        {"tensor", "tensor axis", p->tensor, m->tensor, l->tensor},
        {"context", "context axis", p->context, m->context, l->context},
        {"expert", "expert axis", p->expert, m->expert, l->expert},
        /* A stage that waits cannot tell a message on its way from one that nobody sent so far. */
        {"pipeline", "pipeline, idle", fmax(p->pipeline + p->bubble, 0), m->pipeline, l->pipeline},
        {"gradients", "gradients", p->gradients, m->gradients, l->gradients},
        {"weights", "weights", p->weights, m->weights, l->weights},
        {"other", "data, other", 0, m->other, l->other},
        {"total", "a step", p->total, m->total, l->total},
    };

    for (int i = 0; i < TIME_ROWS; i++)
        rows[i] = all[i];
}

static void
rows_of_memory(const struct measured_memory *p, const struct measured_memory *m, struct row rows[MEMORY_ROWS])
{
    const struct row all[MEMORY_ROWS] = {
        {"state", "weights, moments", p->state, m->state, 0},
        {"gradients", "gradients", p->gradients, m->gradients, 0},
        {"activations", "activations, scratch", p->activations, m->activations, 0},
        {"arenas", "of these in all", p->total, m->total, 0},
        {"resident", "resident", p->resident, m->resident, 0},
    };

    for (int i = 0; i < MEMORY_ROWS; i++)
        rows[i] = all[i];
}

/* ---- in the log ---- */

static void
log_column(const char *key, const struct row *rows, int n, size_t offset)
{
    struct str s = {0};
    struct json_writer w = {.out = &s};

    json_begin_object(&w, NULL);
    for (int i = 0; i < n; i++)
        json_put_real(&w, rows[i].key, *(const double *)(const void *)((const char *)&rows[i] + offset));
    json_end_object(&w);
    log_json(key, s.data);
    str_release(&s);
}

void
measured_log_plan(const struct plan_time *p)
{
    struct row rows[TIME_ROWS];
    static const struct step_time none;

    rows_of_time(p, &none, &none, rows);
    log_real("step_seconds", p->total);
    log_column("seconds", rows, TIME_ROWS, offsetof(struct row, planned));
}

/* ---- for people ---- */

static const char *
difference(const struct row *r, char text[16])
{
    text[0] = '\0';
    if (r->planned > 0 && r->mean > 0)
        snprintf(text, 16, "%+.1f %%", 100 * (r->mean / r->planned - 1));
    return text;
}

static void
say_time(const struct row *rows, const struct measured_run *run)
{
    const struct row *total = &rows[TIME_ROWS - 1];
    char text[16];

    note("a step of %llu, on rank %d, in ms: planned, measured (in the fastest)", (unsigned long long)run->steps, run->rank);
    for (int i = 0; i < TIME_ROWS; i++) {
        const struct row *r = &rows[i];
        if (fmax(r->planned / total->planned, r->mean / total->mean) >= 0.01)
            note("  %-20s %10.2f %10.2f %10.2f  %s", r->name, 1e3 * r->planned, 1e3 * r->mean, 1e3 * r->least,
                 difference(r, text));
    }
}

static void
say_memory(const struct row *rows)
{
    char a[32], b[32], text[16];

    note("memory: planned, measured");
    for (int i = 0; i < MEMORY_ROWS; i++)
        note("  %-20s %10s %10s  %s", rows[i].name, human_bytes(rows[i].planned, a), human_bytes(rows[i].mean, b),
             difference(&rows[i], text));
}

int
measured_report(const struct trainer *t, const struct measured_run *run)
{
    struct row times[TIME_ROWS], memory[MEMORY_ROWS];

    rows_of_time(t->planned, &run->mean, &run->least, times);
    rows_of_memory(&run->planned, &run->measured, memory);
    if (run->steps > 0)
        say_time(times, run);
    say_memory(memory);
    log_begin("measured");
    log_int("steps", (int64_t)run->steps);
    log_int("rank", run->rank);
    log_real("planned_step_seconds", t->planned->total);
    log_real("step_seconds", run->mean.total);
    log_column("planned_seconds", times, TIME_ROWS, offsetof(struct row, planned));
    log_column("seconds", times, TIME_ROWS, offsetof(struct row, mean));
    log_column("least_seconds", times, TIME_ROWS, offsetof(struct row, least));
    log_column("planned_bytes", memory, MEMORY_ROWS, offsetof(struct row, planned));
    log_column("bytes", memory, MEMORY_ROWS, offsetof(struct row, mean));
    return log_end();
}

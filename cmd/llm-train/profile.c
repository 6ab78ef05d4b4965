/* --profile: where the time of rank 0's steps went, beside what the machine can do. */
#include "kernels/profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"
#include "base/str.h"
#include "cmd/llm-train/train.h"
#include "cmd/llm-train/trainer.h"
#include "json/write.h"

static int
longer_first(const void *a, const void *b)
{
    const struct profile_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* "  gemm   61.2 %   1.234 ms a step   96.1 GF/s (62 % of peak)   1.2 GB/s" */
static void
say_row(const struct profile_row *row, const struct profile_figures *f)
{
    char flops[64] = "", bytes[32] = "";

    if (row->flops > 0)
        snprintf(flops, sizeof flops, "%7.1f GF/s %3.0f %% of peak", row->flops / row->seconds / 1e9,
                 100 * row->flops / row->seconds / f->peak);
    if (row->bytes > 0)
        snprintf(bytes, sizeof bytes, "%7.1f GB/s", row->bytes / row->seconds / 1e9);
    note("  %-20s %5.1f %% %9.3f ms a step %-25s %s", row->name, 100 * row->seconds / f->thread_seconds,
         1e3 * row->seconds / (double)f->steps, flops, bytes);
}

/*
 * What no operation accounts for. Of this thread: the code between operations, and its waits for
 * the slowest of the others. Of the others: waiting for work, but for the few cells that call no operation.
 */
static size_t
add_remainders(const struct trainer *t, struct profile_row *rows, size_t n)
{
    double wall = t->profile.seconds, own = profile_caller_seconds(), all = 0;
    double others = wall * (t->threads - 1), rest = wall - own;

    for (size_t i = 0; i < n; i++)
        all += rows[i].seconds;
    rows[n++] = (struct profile_row){.name = "all else", .calls = 1, .seconds = rest > 0 ? rest : 0};
    others -= all - own;
    if (t->threads > 1)
        rows[n++] = (struct profile_row){
            .name = "other threads idle", .calls = 1, .seconds = others > 0 ? others : 0};
    return n;
}

static void
log_rows(const struct profile_row *rows, size_t n)
{
    struct str s = {0};
    struct json_writer w = {.out = &s};

    json_begin_array(&w, NULL);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(&w, NULL);
        json_put_string(&w, "operation", rows[i].name);
        json_put_uint(&w, "calls", rows[i].calls);
        json_put_real(&w, "seconds", rows[i].seconds);
        json_put_real(&w, "flops", rows[i].flops);
        json_put_real(&w, "bytes", rows[i].bytes);
        json_end_object(&w);
    }
    json_end_array(&w);
    log_json("operations", s.data);
    str_release(&s);
}

int
profile_report(const struct trainer *t)
{
    struct profile_row rows[PROFILE_ROWS + 2];
    size_t n = profile_take(rows);
    struct profile_figures f = {
        .steps = t->profile.steps,
        .thread_seconds = t->profile.seconds * t->threads,
        .peak = t->report.peak / t->threads / t->world->size,
    };
    double read = profile_read_rate(0.1);

    if (f.steps == 0) {
        note("--profile: the run had no step behind the first");
        return 0;
    }
    qsort(rows, n, sizeof *rows, longer_first);
    n = add_remainders(t, rows, n);
    note("profile of %llu steps behind the first, %.3f s each on %d threads; a thread's peak %.1f GF/s, reading %.1f GB/s",
         (unsigned long long)f.steps, t->profile.seconds / (double)f.steps, t->threads, f.peak / 1e9, read / 1e9);
    for (size_t i = 0; i < n; i++)
        say_row(&rows[i], &f);
    log_begin("profile");
    log_int("steps", (int64_t)f.steps);
    log_int("threads", t->threads);
    log_real("seconds", t->profile.seconds);
    log_real("peak_flops", f.peak);
    log_real("read_bytes_per_second", read);
    log_rows(rows, n);
    return log_end();
}

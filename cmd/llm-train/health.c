/* Who computes and who waits: the slow rank and its host are named. */
#include "cmd/llm-train/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sys.h"

/* Slow: this many times the median, and by so many seconds a step, for so many exchanges in a row. */
static const double slow_factor = 1.5, slow_least = 1e-3;
enum { SLOW_TIMES = 5 };

int
health_begin(struct health *h, struct comm *world, int kind)
{
    size_t n = (size_t)world->size;
    char mine[sizeof *h->host] = "";

    *h = (struct health){.world = world, .slow = -1};
    if (world->size == 1)
        return 0;
    h->all = mem_zarray(n, sizeof *h->all);
    h->host = mem_zarray(n, sizeof *h->host);
    h->total = mem_zarray(n, sizeof *h->total);
    h->sorted = mem_zarray(n, sizeof *h->sorted);
    h->kind = mem_zarray(n, sizeof *h->kind);
    snprintf(mine, sizeof mine, "%s", sys_hostname());
    if (comm_all_gather(world, &kind, h->kind, sizeof kind) < 0)
        return -1;
    for (int r = 0; r < world->size; r++)
        if (h->kind[r] >= h->kinds)
            h->kinds = h->kind[r] + 1;
    return comm_all_gather(world, mine, h->host, sizeof mine);
}

void
health_release(struct health *h)
{
    free(h->all);
    free(h->host);
    free(h->total);
    free(h->sorted);
    free(h->kind);
    *h = (struct health){0};
}

static int
compare(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The lower one of two: of two ranks the faster is the measure. */
static float
median(float *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[(n - 1) / 2];
}

static int
tell_slow(const struct health *h, uint64_t step, double compute, double usual, double wait)
{
    warn("step %llu: rank %d on %s is slow: it computes %.3g s a step, the median is %.3g s",
         (unsigned long long)step, h->slow, h->host[h->slow], compute, usual);
    log_begin("slow");
    log_int("step", (int64_t)step);
    log_int("rank", h->slow);
    log_str("host", h->host[h->slow]);
    log_real("compute_seconds", compute);
    log_real("median_seconds", usual);
    log_real("wait_seconds", wait);
    log_int("times", h->slow_for);
    return log_end();
}

/* The rank that computes longest beside the median of its kind, and that. */
static int
find_worst(struct health *h, double (*seconds)(const struct health *h, int rank), double *usual)
{
    double ratio = -1;
    int worst = 0;

    for (int kind = 0; kind < h->kinds; kind++) {
        int n = 0;
        for (int r = 0; r < h->world->size; r++)
            if (h->kind[r] == kind)
                h->sorted[n++] = (float)seconds(h, r);
        double middle = n > 0 ? (double)median(h->sorted, n) : 0;
        for (int r = 0; r < h->world->size; r++) {
            double here = middle > 0 ? seconds(h, r) / middle : 0;
            if (h->kind[r] != kind || here <= ratio)
                continue;
            ratio = here;
            worst = r;
            *usual = middle;
        }
    }
    return worst;
}

static double
seconds_now(const struct health *h, int rank)
{
    return (double)h->all[rank].compute;
}

static double
seconds_in_all(const struct health *h, int rank)
{
    return h->total[rank][0];
}

/* Rank 0: the figures of an exchange are in; told again each time it has lasted twice as long. */
static int
judge(struct health *h, uint64_t step)
{
    double steps = (double)h->steps_sent, usual = 0, most;
    int worst;

    for (int r = 0; r < h->world->size; r++) {
        h->total[r][0] += (double)h->all[r].compute;
        h->total[r][1] += (double)h->all[r].wait;
    }
    h->total_steps += h->steps_sent;
    worst = find_worst(h, seconds_now, &usual);
    usual /= steps;
    most = (double)h->all[worst].compute / steps;
    if (most <= slow_factor * usual || most - usual < slow_least) {
        h->slow = -1;
        return 0;
    }
    if (h->slow != worst)
        h->slow_for = h->told_at = 0;
    h->slow = worst;
    h->slow_for++;
    if (h->slow_for < SLOW_TIMES || h->slow_for < 2 * h->told_at)
        return 0;
    h->told_at = h->slow_for;
    return tell_slow(h, step, most, usual, (double)h->all[worst].wait / steps);
}

/* Takes what the last exchange brought. */
static int
finish_exchange(struct health *h, uint64_t step)
{
    if (h->steps_sent == 0)
        return 0;
    if (comm_wait(h->world, &h->request) < 0 || (h->world->rank == 0 && judge(h, step) < 0))
        return -1;
    h->steps_sent = 0;
    return 0;
}

int
health_step(struct health *h, uint64_t step, double seconds, double wait, bool exchange)
{
    if (h->world->size == 1)
        return 0;
    h->mine.compute += (float)(seconds > wait ? seconds - wait : 0);
    h->mine.wait += (float)wait;
    h->steps++;
    h->step = step;
    if (!exchange)
        return 0;
    if (finish_exchange(h, step) < 0)
        return -1;
    h->sent = h->mine;
    h->steps_sent = h->steps;
    h->mine = (struct rank_seconds){0};
    h->steps = 0;
    return h->world->ops->all_gather(h->world, &h->sent, h->all, sizeof h->sent, COMM_BYTE, &h->request);
}

static int
sum_up(struct health *h)
{
    double compute = 0, wait = 0, usual = 0, share;
    int worst = find_worst(h, seconds_in_all, &usual);

    for (int r = 0; r < h->world->size; r++) {
        compute += h->total[r][0];
        wait += h->total[r][1];
    }
    share = compute + wait > 0 ? wait / (compute + wait) : 0;
    note("ranks waited %.1f %% of the time; rank %d on %s computed most, %.2f times the median of its kind", 100 * share,
         worst, h->host[worst], usual > 0 ? h->total[worst][0] / usual : 1);
    log_begin("health");
    log_int("steps", h->total_steps);
    log_real("wait_share", share);
    log_real("median_seconds", usual);
    log_int("worst_rank", worst);
    log_str("worst_host", h->host[worst]);
    log_real("worst_compute_seconds", h->total[worst][0]);
    log_real("worst_wait_seconds", h->total[worst][1]);
    return log_end();
}

int
health_end(struct health *h)
{
    if (h->world->size == 1)
        return 0;
    if (finish_exchange(h, h->step) < 0)
        return -1;
    return h->world->rank == 0 && h->total_steps > 0 ? sum_up(h) : 0;
}

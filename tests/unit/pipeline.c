/*
 * Pipeline tables: whole, free of deadlock, and with the bubbles and memory of the papers
 * (F, B, W: seconds of forward, input and weight pass of a micro-batch on a stage; p stages,
 * m micro-batches, v chunks):
 *   GPipe and 1F1B: (p - 1)(F + B + W) idle on every stage (Narayanan et al., 2021, 2.2.1)
 *   interleaved: that divided by v (2.2.2)
 *   ZB-H1: (p - 1)(F + B - W), in 1F1B's memory (Qi et al., 2023, table 2)
 */
#include "parallel/pipeline_table.h"

#include <stdlib.h>

#include "base/err.h"
#include "tests/unit/tap.h"

enum { MOST_STAGES = 9, MOST_MICROS = 40, MOST_PIECES = 64 };

static struct pipeline_costs
equal_costs(double forward, double input, double weight, double transfer)
{
    static double kinds[12][MOST_PIECES];
    static int used;
    double *f = kinds[used++], *b = kinds[used++], *w = kinds[used++];

    for (int i = 0; i < MOST_PIECES; i++) {
        f[i] = forward;
        b[i] = input;
        w[i] = weight;
    }
    return (struct pipeline_costs){f, b, w, transfer};
}

static void
test_whole(void)
{
    int tables = 0, wrong = 0;

    for (int s = 0; s < PIPELINE_SCHEDULES; s++)
        for (int p = 1; p <= MOST_STAGES; p++)
            for (int m = 1; m <= MOST_MICROS; m++) {
                bool chunks = s == PIPELINE_INTERLEAVED;
                struct pipeline_table t;
                if (chunks && m % p)
                    continue;
                for (int v = chunks ? 2 : 1; v <= (chunks ? 4 : 1); v++) {
                    if (pipeline_table_make((enum pipeline_schedule)s, p, v, m, &t) < 0 ||
                        pipeline_table_check(&t) < 0) {
                        diag("%s p %d m %d v %d: %s", pipeline_schedule_name((enum pipeline_schedule)s), p, m, v, err_text());
                        wrong++;
                    }
                    pipeline_table_release(&t);
                    tables++;
                }
            }
    ok(wrong == 0, "%d tables are whole and end", tables);
}

/* The bubble of one table, and its memory. */
static double
idle_seconds(enum pipeline_schedule s, int p, int v, int m, const struct pipeline_costs *c, int *alive)
{
    struct pipeline_table t;
    struct pipeline_time time = {.alive = alive};

    pipeline_table_make(s, p, v, m, &t);
    pipeline_simulate(&t, c, &time);
    pipeline_table_release(&t);
    return time.bubble * time.seconds;
}

static void
test_papers(void)
{
    struct pipeline_costs unit = equal_costs(1, 1, 1, 0), half = equal_costs(0.5, 0.5, 0.5, 0);
    struct pipeline_costs uneven = equal_costs(1, 1.25, 0.75, 0);
    int alive[MOST_STAGES], wrong = 0, memory = 0;

    for (int p = 2; p <= MOST_STAGES; p++) {
        int m = 4 * p;
        double want = 3.0 * (p - 1), each;
        each = idle_seconds(PIPELINE_GPIPE, p, 1, m, &unit, alive);
        wrong += each < want - 1e-9 || each > want + 1e-9;
        memory += alive[0] != m || alive[p - 1] != m;
        each = idle_seconds(PIPELINE_1F1B, p, 1, m, &unit, alive);
        wrong += each < want - 1e-9 || each > want + 1e-9;
        for (int i = 0; i < p; i++)
            memory += alive[i] != p - i;
        each = idle_seconds(PIPELINE_INTERLEAVED, p, 2, m, &half, NULL);
        wrong += each < want / 2 - 1e-9 || each > want / 2 + 1e-9;
    }
    ok(wrong == 0, "bubbles of GPipe, 1F1B and the interleaved schedule are the paper's");
    ok(memory == 0, "GPipe holds all micro-batches, 1F1B as many as there are stages behind");

    wrong = memory = 0;
    for (int p = 2; p <= MOST_STAGES; p++)
        for (int m = 2 * p; m <= MOST_MICROS; m += 3) {
            double each = idle_seconds(PIPELINE_ZERO_BUBBLE, p, 1, m, &unit, alive);
            wrong += each < p - 1 - 1e-9 || each > p - 1 + 1e-9;
            for (int i = 0; i < p; i++)
                memory += alive[i] > p;
            each = idle_seconds(PIPELINE_ZERO_BUBBLE, p, 1, m, &uneven, NULL);
            wrong += each >= idle_seconds(PIPELINE_1F1B, p, 1, m, &uneven, NULL);
        }
    ok(wrong == 0, "ZB-H1 idles as long as the paper says, and less than 1F1B when costs differ");
    ok(memory == 0, "within 1F1B's largest memory");
}

static void
test_transfer(void)
{
    struct pipeline_costs c = equal_costs(1, 1, 1, 0.5);
    struct pipeline_table t;
    struct pipeline_time time = {0};

    pipeline_table_make(PIPELINE_GPIPE, 3, 1, 1, &t);
    pipeline_simulate(&t, &c, &time);
    is_near(time.seconds, 3 + 6 + 4 * 0.5, 1e-12, "one micro-batch through 3 stages: 4 transfers");
    pipeline_table_release(&t);
}

static void
test_faults(void)
{
    struct pipeline_table t;

    pipeline_table_make(PIPELINE_1F1B, 2, 1, 4, &t);
    t.count[1]--;
    ok(pipeline_table_check(&t) < 0, "a missing task is found: %s", err_text());
    t.count[1]++;
    struct pipeline_task first = t.task[0][0];
    t.task[0][0] = t.task[0][2];
    t.task[0][2] = first;
    ok(pipeline_table_check(&t) < 0, "a backward before its forward is found: %s", err_text());
    pipeline_table_release(&t);
    ok(pipeline_table_make(PIPELINE_INTERLEAVED, 4, 2, 6, &t) < 0, "refused: %s", err_text());
    ok(pipeline_table_make(PIPELINE_1F1B, 4, 2, 8, &t) < 0, "refused: %s", err_text());
}

/* The costliest run of the best cut, by trying all. */
static double
best_worst(const double *cost, int n, int pieces)
{
    double best = 1e300, run = 0;

    if (pieces == 1) {
        for (int i = 0; i < n; i++)
            run += cost[i];
        return run;
    }
    for (int i = 1; i <= n - pieces + 1; i++) {
        run += cost[i - 1];
        double rest = best_worst(cost + i, n - i, pieces - 1);
        double worst = run > rest ? run : rest;
        best = worst < best ? worst : best;
    }
    return best;
}

static void
test_split(void)
{
    static const double llama[] = {0.1, 1, 1, 1, 1, 1, 1, 1, 1, 2.5};
    int wrong = 0, begin[16];
    unsigned random = 1;

    for (int round = 0; round < 300; round++) {
        double cost[10], worst = 0;
        int n = 1 + round % 10, pieces = 1 + round / 10 % n;
        for (int i = 0; i < n; i++) {
            random = random * 1103515245u + 12345u;
            cost[i] = 0.25 * (1 + random / 65536u % 12);
        }
        pipeline_split(cost, n, pieces, begin);
        for (int p = 0; p < pieces; p++) {
            double run = 0;
            wrong += begin[p] >= begin[p + 1];
            for (int i = begin[p]; i < begin[p + 1]; i++)
                run += cost[i];
            worst = run > worst ? run : worst;
        }
        wrong += begin[0] != 0 || begin[pieces] != n || worst != best_worst(cost, n, pieces);
    }
    ok(wrong == 0, "300 cuts are as good as the best of all cuts");
    pipeline_split(llama, 10, 4, begin);
    ok(begin[1] == 3 && begin[3] >= 8, "the stage with the head has fewer layers: cut at %d %d %d", begin[1],
       begin[2], begin[3]);
}

int
main(void)
{
    test_whole();
    test_papers();
    test_transfer();
    test_faults();
    test_split();
    return done();
}

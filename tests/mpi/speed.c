/*
 * How fast gradients are reduced: MELEMENTS [ROUNDS]. Prints, for each way, the median
 * time of a whole reduction with nothing to hide behind, in GB/s of gradient bytes, and
 * what is left to wait for in reducer_finish when compute runs between the pieces.
 */
#include <stdlib.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/threads.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/place.h"
#include "parallel/reduce.h"

enum { ROUNDS = 15, TENSORS = 16 };

static struct comm *world;

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static double
median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return v[n / 2];
}

/* Keeps the core busy for so long, looking after communication every 0.5 ms as kernels do. */
static void
compute(double seconds)
{
    double end = sys_seconds() + seconds, poll = 0;

    for (double now = 0; now < end; now = sys_seconds())
        if (now > poll) {
            threads_poll();
            poll = now + 5e-4;
        }
}

/* One step; the seconds that it took beyond the compute, on the slowest rank. */
static double
step(struct reducer *r, const struct params *p, double backward)
{
    int group = reducer_groups(r).begin;

    for (int i = 0; i < TENSORS; i++) {
        bool fresh;
        float *grads = reducer_at(r, group, i, &fresh);
        for (int64_t e = 0; e < p->param[i].size; e++)
            grads[e] = 1;
    }
    if (comm_barrier(world) != 0)
        die_err();
    double start = sys_seconds();
    for (int i = TENSORS - 1; i >= 0; i--) {
        compute(backward / TENSORS);
        reducer_ready(r, group, i);
    }
    if (reducer_finish(r) != 0)
        die_err();
    double took = sys_seconds() - start - backward;
    if (*reducer_sum(r, p->elements - 1) != (float)world->size)
        die(STATUS_FAILED, "a wrong sum");
    if (comm_all_reduce(world, &took, 1, COMM_F64, COMM_MAX) != 0)
        die_err();
    return took;
}

static void
measure(const struct params *p, bool messages)
{
    struct reducer_options o = {
        .comm = world, .params = p, .groups = world->size, .messages_only = messages};
    struct reducer *r = reducer_new(&o);
    double bare[ROUNDS], hidden[ROUNDS], early[ROUNDS];

    if (!r)
        die_err();
    step(r, p, 0);
    for (int i = 0; i < ROUNDS; i++)
        bare[i] = step(r, p, 0);
    double alone = median(bare, ROUNDS);
    for (int i = 0; i < ROUNDS; i++) {
        hidden[i] = step(r, p, 4 * alone);
        early[i] = reducer_overlap(r);
    }
    if (world->rank == 0)
        printf("%s: %.2f ms, %.2f GB/s; beside %.1f ms of compute %.2f ms, %.0f %% of it early\n",
               messages ? "messages" : "shared memory", 1e3 * alone,
               (double)p->elements * 4e-9 / alone, 4e3 * alone, 1e3 * median(hidden, ROUNDS),
               100 * median(early, ROUNDS));
    reducer_free(r);
}

static void
measure_mpi(const struct params *p)
{
    float *x = mem_zarray((size_t)p->elements, sizeof *x);
    double took[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        if (comm_barrier(world) != 0)
            die_err();
        double start = sys_seconds();
        if (comm_all_reduce(world, x, (size_t)p->elements, COMM_F32, COMM_SUM) != 0)
            die_err();
        took[i] = sys_seconds() - start;
        if (comm_all_reduce(world, &took[i], 1, COMM_F64, COMM_MAX) != 0)
            die_err();
    }
    double alone = median(took, ROUNDS);
    if (world->rank == 0)
        printf("all_reduce of the MPI library: %.2f ms, %.2f GB/s\n", 1e3 * alone,
               (double)p->elements * 4e-9 / alone);
    free(x);
}

int
main(int argc, char **argv)
{
    struct param tensor[TENSORS];
    struct params p = {.param = tensor, .count = TENSORS, .tied_offset = -1};
    double millions = 8.4;
    bool pinned;

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    if (argc > 1 && parse_double(argv[1], &millions) != 0)
        die(STATUS_USAGE, "MELEMENTS");
    if (place_ranks(world, NULL, &pinned) != 0)
        die_err();
    for (int i = 0; i < TENSORS; i++) {
        int64_t size = (int64_t)(millions * 1e6 / TENSORS) / 16 * 16;
        tensor[i] = (struct param){.rows = 1, .columns = size, .offset = p.elements, .size = size};
        tensor[i].layer = i; /* a unit each */
        tensor[i].whole.run[0] = (struct row_run){0, 0, 1, true};
        tensor[i].whole.runs = 1;
        p.elements += size;
    }
    p.grad_elements = p.elements;
    measure(&p, false);
    measure(&p, true);
    measure_mpi(&p);
    finish((enum status)mpi_end(world, STATUS_OK));
}

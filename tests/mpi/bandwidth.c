/*
 * How fast the ranks add a buffer: sums in rank order through shared memory and by messages, and
 * the MPI library's all_reduce, taken in turns. A line for each size and type: microseconds of
 * each (the median of the slowest rank's), and the GB/s of the buffer. BANDWIDTH_JSON=yes: the
 * lines are objects of JSON.
 */
#include <stdlib.h>

#include "base/die.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/place.h"

enum { ROUNDS = 21, WAYS = 4 };
static const char *const way_name[WAYS] = {"memory", "messages", "scatter", "library"};

static struct comm *world;

static int
by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

static int
run(int way, char *buffer, size_t count, enum comm_type type)
{
    size_t each = count / (size_t)world->size;
    size_t mine = (size_t)world->rank * each * (type == COMM_F32 ? 4 : 2);

    comm_sum_messages_only(way == 1);
    if (way == 3)
        return comm_all_reduce(world, buffer, count, type, COMM_SUM);
    if (way == 2)
        return comm_sum_scatter(world, buffer, buffer + mine, each, type);
    return comm_sum(world, buffer, count, type);
}

/* Seconds of the slowest rank. */
static double
once(int way, char *buffer, size_t count, enum comm_type type)
{
    if (comm_barrier(world) != 0)
        die_err();
    double start = sys_seconds();
    if (run(way, buffer, count, type) != 0)
        die_err();
    double took = sys_seconds() - start;
    if (comm_all_reduce(world, &took, 1, COMM_F64, COMM_MAX) != 0)
        die_err();
    return took;
}

static void
measure(size_t bytes, enum comm_type type)
{
    size_t count = bytes / (type == COMM_F32 ? 4 : 2);
    double took[WAYS][ROUNDS];
    char *buffer = mem_zalloc(bytes);
    bool json = getenv("BANDWIDTH_JSON") != NULL;

    for (int i = -2; i < ROUNDS; i++)
        for (int way = 0; way < WAYS; way++)
            took[way][i < 0 ? 0 : i] = once(way, buffer, count, type);
    free(buffer);
    if (world->rank != 0)
        return;
    printf(json ? "{\"bytes\": %zu, \"type\": \"%s\"" : "%9zu bytes %s", bytes,
           type == COMM_F32 ? "fp32" : "bf16");
    for (int way = 0; way < WAYS; way++) {
        qsort(took[way], ROUNDS, sizeof **took, by_value);
        double median = took[way][ROUNDS / 2];
        if (json)
            printf(", \"%s\": %.3g", way_name[way], median);
        else
            printf("; %s %.0f us, %.2f GB/s", way_name[way], 1e6 * median,
                   1e-9 * (double)bytes / median);
    }
    printf(json ? "}\n" : "\n");
    fflush(stdout);
}

int
main(int argc, char **argv)
{
    static const size_t sizes[] = {16 << 10, 128 << 10, 1 << 20, 4 << 20, 16 << 20, 32 << 20};
    bool pinned;

    if (mpi_world(&argc, &argv, &world) != 0 || place_ranks(world, NULL, &pinned) != 0)
        die_err();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        measure(sizes[i], COMM_F32);
        measure(sizes[i], COMM_BF16);
    }
    finish((enum status)mpi_end(world, STATUS_OK));
}

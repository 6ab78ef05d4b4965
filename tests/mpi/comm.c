/* Every operation of comm.h on this number of ranks, with messages whole and in small pieces. */
#include <stdlib.h>

#include "base/die.h"
#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/grid.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "parallel/place.h"
#include "tests/mpi/ranks.h"

enum { N = 1000 };

static struct comm *world;
static int size, rank, here, place_here; /* here: ranks of this host */

/* What rank r holds at place i, a small integer: every type holds it exactly. */
static int
cell(int r, int i)
{
    return (r * 7 + i * 3) % 11;
}

static int
cell_sum(int i)
{
    int sum = 0;

    for (int r = 0; r < size; r++)
        sum += cell(r, i);
    return sum;
}

static int
cell_most(int i, int sign)
{
    int most = -100;

    for (int r = 0; r < size; r++)
        most = sign * cell(r, i) > most ? sign * cell(r, i) : most;
    return sign * most;
}

static void
test_all_reduce(void)
{
    float f[N];
    double d[N];
    int32_t least[N];
    uint64_t bits[N];
    bf16 h[N], low[N];
    bool good = true;

    for (int i = 0; i < N; i++) {
        f[i] = (float)cell(rank, i);
        d[i] = cell(rank, i);
        least[i] = cell(rank, i);
        bits[i] = UINT64_C(1) << (rank + i % 50);
        h[i] = low[i] = bf16_from_float((float)cell(rank, i));
    }
    struct comm_request *q[3] = {NULL};
    good &= world->ops->all_reduce(world, f, N, COMM_F32, COMM_SUM, &q[0]) == 0;
    good &= world->ops->all_reduce(world, d, N, COMM_F64, COMM_MAX, &q[1]) == 0;
    good &= world->ops->all_reduce(world, least, N, COMM_I32, COMM_MIN, &q[2]) == 0;
    for (int i = 2; i >= 0; i--)
        good &= comm_wait(world, &q[i]) == 0 && q[i] == NULL;
    good &= comm_all_reduce(world, bits, N, COMM_U64, COMM_OR) == 0;
    good &= comm_all_reduce(world, h, N, COMM_BF16, COMM_SUM) == 0;
    good &= comm_all_reduce(world, low, N, COMM_BF16, COMM_MIN) == 0;
    for (int i = 0; i < N; i++)
        good &= f[i] == (float)cell_sum(i) && d[i] == cell_most(i, 1) &&
                least[i] == cell_most(i, -1) && bits[i] == ((UINT64_C(1) << size) - 1) << i % 50 &&
                bf16_to_float(h[i]) == (float)cell_sum(i) &&
                bf16_to_float(low[i]) == (float)cell_most(i, -1);
    ok_all(world, good, "all_reduce: sum, max, min, or; 5 types, three at once");
    if (size > 1)
        ok_all(world, comm_all_reduce(world, f, N, COMM_F32, COMM_OR) == -1,
               "or of floats: refused");
}

static void
test_scatter_and_gather(void)
{
    int32_t *send = mem_array((size_t)(N * size), sizeof *send);
    int32_t *receive = mem_zarray((size_t)(N * size), sizeof *receive);
    struct comm_request *q = NULL;
    bool good = true;

    for (int i = 0; i < N * size; i++)
        send[i] = cell(rank, i);
    good &= world->ops->reduce_scatter(world, send, receive, N, COMM_I32, &q) == 0 &&
            comm_wait(world, &q) == 0;
    for (int i = 0; i < N; i++)
        good &= receive[i] == cell_sum(rank * N + i);
    ok_all(world, good, "reduce_scatter");

    good = comm_all_gather(world, send, receive, N * sizeof *send) == 0;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < N; i++)
            good &= receive[r * N + i] == cell(r, i);
    memset(receive, 0, (size_t)(N * size) * sizeof *receive);
    memcpy(receive + rank * N, send, N * sizeof *send);
    good &= world->ops->all_gather(world, receive + rank * N, receive, N, COMM_I32, &q) == 0 &&
            comm_wait(world, &q) == 0;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < N; i++)
            good &= receive[r * N + i] == cell(r, i);
    ok_all(world, good, "all_gather, also in place");

    good = world->ops->all_to_all(world, send, receive, N, COMM_I32, &q) == 0 &&
           comm_wait(world, &q) == 0;
    for (int r = 0; r < size; r++)
        for (int i = 0; i < N; i++)
            good &= receive[r * N + i] == cell(r, rank * N + i);
    ok_all(world, good, "all_to_all");
    free(send);
    free(receive);
}

/* Rank r gives r * 501 bytes: rank 0 gives none. */
static void
test_gather_v(void)
{
    size_t sizes[64], offsets[64], total = 0;
    struct comm_request *q = NULL;

    for (int r = 0; r < size; r++) {
        sizes[r] = (size_t)r * 501;
        offsets[r] = total;
        total += sizes[r];
    }
    unsigned char *all = mem_zalloc(total + 1), *mine = mem_alloc(sizes[rank] + 1);
    memset(mine, 'a' + rank, sizes[rank]);
    bool good = world->ops->all_gather_v(world, mine, sizes[rank], all, sizes, offsets, &q) == 0 &&
                comm_wait(world, &q) == 0;
    for (int r = 0; r < size; r++)
        for (size_t i = 0; i < sizes[r]; i++)
            good &= all[offsets[r] + i] == 'a' + r;
    ok_all(world, good && all[total] == 0, "all_gather_v");
    free(all);
    free(mine);
}

/* Rank r gives rank t (r + 2 t) % 5 * 301 bytes: often none. */
static size_t
parcel(int from, int to)
{
    return (size_t)((from + 2 * to) % 5 * 301);
}

static void
test_all_to_all_v(void)
{
    size_t out_sizes[64], out_offsets[64], in_sizes[64], in_offsets[64], out = 0, in = 0;

    for (int r = size - 1; r >= 0; r--) { /* places need not be in the order of ranks */
        out_sizes[r] = parcel(rank, r);
        out_offsets[r] = out;
        out += out_sizes[r];
        in_sizes[r] = parcel(r, rank);
        in_offsets[r] = in;
        in += in_sizes[r];
    }
    unsigned char *send = mem_alloc(out + 1), *receive = mem_zalloc(in + 1);
    for (int r = 0; r < size; r++)
        memset(send + out_offsets[r], 10 * rank + r + 1, out_sizes[r]);
    bool good = comm_all_to_all(world, send, out_sizes, out_offsets, receive, in_sizes,
                                in_offsets) == 0;
    for (int r = 0; r < size; r++)
        for (size_t i = 0; i < in_sizes[r]; i++)
            good &= receive[in_offsets[r] + i] == 10 * r + rank + 1;
    ok_all(world, good && receive[in] == 0, "all_to_all_v");
    in_sizes[rank]++;
    struct comm_request *q = NULL;
    ok_all(world,
           world->ops->all_to_all_v(world, send, out_sizes, out_offsets, receive, in_sizes,
                                    in_offsets, &q) == -1 &&
               q == NULL,
           "all_to_all_v: a part to oneself of two sizes is refused");
    free(send);
    free(receive);
}

static void
test_messages(void)
{
    int32_t out[3][N], in[3][N];
    int to = (rank + 1) % size, from = (rank + size - 1) % size;
    struct comm_request *q[6] = {NULL};
    bool good = true;

    for (int m = 0; m < 3; m++)
        for (int i = 0; i < N; i++)
            out[m][i] = cell(rank, i + m);
    /* Two of one tag stay in order; the receive of the other tag is posted in between. */
    static const int tags[] = {5, 9, 5};
    for (int m = 0; m < 3; m++)
        good &= world->ops->receive(world, in[m], sizeof in[m], from, tags[m], &q[m]) == 0;
    static const int order[] = {0, 2, 1};
    for (int k = 0; k < 3; k++)
        good &= world->ops->send(world, out[order[k]], sizeof out[0], to, tags[order[k]],
                                 &q[3 + k]) == 0;
    for (int k = 0; k < 6; k++)
        good &= comm_wait(world, &q[k]) == 0;
    for (int m = 0; m < 3; m++)
        for (int i = 0; i < N; i++)
            good &= in[m][i] == cell(from, i + m);
    ok_all(world, good, "send and receive around a ring, by tag and in order");

    char text[3000] = "";
    if (rank == size - 1)
        memset(text, 'x', sizeof text);
    good = comm_broadcast(world, text, sizeof text, size - 1) == 0;
    ok_all(world, good && text[0] == 'x' && text[2999] == 'x', "broadcast");
    ok_all(world, comm_barrier(world) == 0, "barrier");
}

static void
test_groups(void)
{
    struct comm *half, *none;
    bool good = world->ops->split(world, rank % 2, -rank, &half) == 0;
    int members = (size + 1 - rank % 2) / 2;

    good &= half->size == (size == 1 ? 1 : members);
    int32_t sum = rank, want = 0;
    good &= comm_all_reduce(half, &sum, 1, COMM_I32, COMM_SUM) == 0;
    for (int r = rank % 2; r < size; r += 2)
        want += r;
    /* The key turns the order around. */
    good &= sum == want && (size == 1 || half->rank == members - 1 - rank / 2);
    comm_release(half);
    good &= world->ops->split(world, rank == 0 ? -1 : 0, 0, &none) == 0 &&
            (none == NULL) == (rank == 0);
    comm_release(none);
    ok_all(world, good, "groups: by color and key, and none");
}

static void
test_share(void)
{
    void **base, *window;
    struct comm *host;
    bool good = world->ops->split_host(world, &host) == 0 && host->size == here &&
                host->ops->share(host, 5000 + (size_t)rank, &base, &window) == 0;

    if (!ok_all(world, good, "shared memory of a host"))
        return;
    unsigned char *mine = base[host->rank];
    memset(mine, host->rank + 1, 5000);
    good = comm_barrier(host) == 0;
    for (int r = 0; r < here; r++)
        for (int i = 0; i < 5000; i++)
            good &= ((unsigned char *)base[r])[i] == r + 1;
    good &= comm_barrier(host) == 0;
    ok_all(world, good, "each rank reads what the others wrote there");
    host->ops->unshare(host, window);
    comm_release(host);
}

static void
test_agreement(void)
{
    err_clear();
    ok_all(world, comm_agree(world, 0) == 0 && err_text()[0] == '\0', "nobody failed");
    if (size == 1)
        return;
    int status = 0;
    if (rank >= 1)
        status = err_set(STATUS_INPUT, "x.shard: block %d: broken", rank) ? STATUS_INPUT : 0;
    ok_all(world,
           comm_agree(world, status) == -1 && err_status() == STATUS_INPUT &&
               strcmp(err_text(), "rank 1: x.shard: block 1: broken") == 0,
           "every rank learns of the lowest failing one");
    err_clear();
    ok_all(world, mpi_agree_status(world, rank == 0 ? 75 : 0) == 75, "75 before 0");
    ok_all(world, mpi_agree_status(world, rank == 0 ? 75 : 3) == 3, "a failure before 75");
}

static int calls;

static void
count_call(void *arg)
{
    *(int *)arg += 1;
}

static void
test_progress(void)
{
    comm_progress_add(count_call, &calls);
    threads_poll();
    threads_poll();
    int before = calls;
    comm_progress_remove(count_call, &calls);
    comm_progress();
    ok_all(world, before == 2, "threads_hook drives what was added");
    ok_all(world, calls == 2, "and no longer once it is removed");
}

static void
test_grid_groups(void)
{
    int sizes[AXES] = {1, 1, 1, 1, 1};
    enum axis axes[AXES];
    struct grid g;
    struct comm *both;

    sizes[AXIS_TENSOR] = size % 2 == 0 ? 2 : 1;
    grid_default_order(axes);
    bool good = grid_fit(sizes, size) == 0 && grid_init(&g, world, sizes, axes) == 0;
    if (!ok_all(world, good, "a grid of tensor %d x data %d", sizes[AXIS_TENSOR], sizes[AXIS_DATA]))
        return;
    good = g.along[AXIS_TENSOR]->size == sizes[AXIS_TENSOR] &&
           g.along[AXIS_DATA]->size == sizes[AXIS_DATA] &&
           g.along[AXIS_TENSOR]->rank == rank % sizes[AXIS_TENSOR] &&
           g.along[AXIS_DATA]->rank == rank / sizes[AXIS_TENSOR] &&
           g.along[AXIS_PIPELINE]->size == 1;
    int32_t sum = rank, want = 0;
    good &= comm_all_reduce(g.along[AXIS_DATA], &sum, 1, COMM_I32, COMM_SUM) == 0;
    for (int r = rank % sizes[AXIS_TENSOR]; r < size; r += sizes[AXIS_TENSOR])
        want += r;
    ok_all(world, good && sum == want, "groups along its axes");
    good = grid_group(&g, 1u << AXIS_TENSOR | 1u << AXIS_DATA, &both) == 0 && both->size == size &&
           both->rank == rank;
    ok_all(world, good, "a group along two axes");
    comm_release(both);
    grid_release(&g);
}

static void
test_place(void)
{
    int share = 0, place = -1;
    bool pinned = false;

    ok_all(world, place_share(world, &share, &place) == 0 && share == here && place == place_here,
           "ranks with one mask share it, in order");
    bool enough = threads_cpus() / here >= 1 && here > 1;
    int cpus = threads_cpus();
    ok_all(world, place_ranks(world, NULL, &pinned) == 0 && pinned == enough,
           "pinned when there is a CPU each");
    if (pinned)
        ok_all(world, threads_cpus() < cpus, "the mask is a part of what it was");
}

int
main(int argc, char **argv)
{
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    size = world->size;
    rank = world->rank;
    here = ranks_here(world, &place_here);
    static const size_t pieces[] = {0, 1000};
    for (int i = 0; i < 2; i++) {
        mpi_set_piece(pieces[i]);
        test_all_reduce();
        test_scatter_and_gather();
        test_gather_v();
        test_all_to_all_v();
        test_messages();
    }
    test_groups();
    test_share();
    test_agreement();
    test_progress();
    test_grid_groups();
    test_place();
    finish((enum status)mpi_end(world, done_all(world)));
}

/* The process grid by arithmetic, and a world of one process. */
#include "base/err.h"
#include "base/threads.h"
#include "comm/comm.h"
#include "comm/progress.h"
#include "parallel/grid.h"
#include "parallel/launch.h"
#include "parallel/topology.h"
#include <stdlib.h>

#include "tests/unit/tap.h"

static void
test_order(void)
{
    enum axis order[AXES];

    ok(grid_parse_order("tensor,context,expert,data,pipeline", order) == 0 &&
           order[0] == AXIS_TENSOR && order[4] == AXIS_PIPELINE,
       "the default order by name");
    ok(grid_parse_order("pipeline,data", order) == 0 && order[0] == AXIS_PIPELINE &&
           order[1] == AXIS_DATA && order[2] == AXIS_TENSOR && order[4] == AXIS_EXPERT,
       "axes that are not named follow");
    ok(grid_parse_order("data,data", order) == -1 && err_status() == STATUS_USAGE,
       "one twice: refused");
    ok(grid_parse_order("data,model", order) == -1 && strstr(err_text(), "'model'"),
       "an unknown one: refused");
    ok(grid_parse_order("", order) == -1 && grid_parse_order("data,", order) == -1,
       "an empty name: refused");
}

static void
test_coordinates(void)
{
    int size[AXES] = {2, 3, 1, 4, 2}, at[AXES], wrong = 0;
    enum axis order[AXES];

    grid_default_order(order);
    for (int rank = 0; rank < 48; rank++) {
        grid_coordinates(size, order, rank, at);
        wrong += grid_rank(size, order, at) != rank;
        wrong += at[AXIS_TENSOR] != rank % 2 || at[AXIS_CONTEXT] != rank / 2 % 3 ||
                 at[AXIS_DATA] != rank / 6 % 4 || at[AXIS_PIPELINE] != rank / 24;
    }
    ok(wrong == 0, "tensor fastest, then context, expert, data, pipeline");
    grid_parse_order("data,tensor", order);
    for (int rank = 0; rank < 48; rank++) {
        grid_coordinates(size, order, rank, at);
        wrong += grid_rank(size, order, at) != rank || at[AXIS_DATA] != rank % 4 ||
                 at[AXIS_TENSOR] != rank / 4 % 2;
    }
    ok(wrong == 0, "another order");
}

static void
test_fit(void)
{
    int size[AXES] = {2, 1, 1, 0, 3};

    ok(grid_fit(size, 24) == 0 && size[AXIS_DATA] == 4, "the data-parallel size follows");
    ok(grid_fit(size, 26) == -1 && err_status() == STATUS_USAGE &&
           strstr(err_text(), "nearest number is 24"),
       "ranks that do not divide: refused with the nearest number");
    ok(grid_fit(size, 4) == -1 && strstr(err_text(), "nearest number is 6"),
       "too few ranks: refused");
    size[AXIS_TENSOR] = 0;
    ok(grid_fit(size, 6) == -1, "a size of 0: refused");
}

static void
test_single(void)
{
    struct comm *c = comm_single(), *part;
    struct comm_request *q = NULL;
    int32_t a[4] = {1, 2, 3, 4}, b[4] = {0};
    bool good = true, done = false;
    void **base = NULL, *window = NULL;

    good = comm_all_reduce(c, a, 4, COMM_I32, COMM_SUM) == 0 && comm_barrier(c) == 0 &&
           comm_broadcast(c, a, sizeof a, 0) == 0 && comm_all_gather(c, a, b, sizeof a) == 0;
    ok(good && memcmp(a, b, sizeof a) == 0 && a[3] == 4, "collectives of one process");

    good = c->ops->send(c, a, 8, 0, 1, &q) == 0 && c->ops->send(c, a + 2, 8, 0, 1, &q) == 0;
    memset(b, 0, sizeof b);
    good &= c->ops->receive(c, b, 8, 0, 1, &q) == 0 && q == NULL &&
            c->ops->receive(c, b + 2, 8, 0, 1, &q) == 0;
    ok(good && memcmp(a, b, sizeof a) == 0, "messages to oneself, in order");
    good = c->ops->receive(c, b, 8, 0, 2, &q) == 0 && q && c->ops->test(c, &q, &done) == 0 && !done;
    good &= comm_wait(c, &q) == -1;
    good &= c->ops->send(c, a + 1, 8, 0, 2, &(struct comm_request *){NULL}) == 0 &&
            comm_wait(c, &q) == 0 && !q;
    ok(good && b[0] == 2, "a receive posted first waits for its message");

    ok(c->ops->split(c, -1, 0, &part) == 0 && part == NULL, "no group");
    good = c->ops->split_host(c, &part) == 0 && part->size == 1 &&
           c->ops->share(c, 100, &base, &window) == 0;
    ok(good && ((char *)base[0])[99] == 0, "shared memory of one process");
    c->ops->unshare(c, window);
    comm_release(part);

    err_set(STATUS_INPUT, "broken");
    ok(comm_agree(c, STATUS_INPUT) == -1 && strcmp(err_text(), "broken") == 0 &&
           comm_agree(c, 0) == 0,
       "agreement with oneself keeps the record");
}

static void
test_timeout(void)
{
    struct comm_pause p = {.what = "all_reduce"};
    int polls = 0;

    comm_set_timeout(0.2);
    while (polls < 1000000 && comm_pause(&p) == 0)
        polls++;
    ok(polls > 10 && polls < 1000000 && strstr(err_text(), "all_reduce: nothing arrived"),
       "a wait ends when its time is over");
    comm_set_timeout(0);
}

/* The seats of all ranks as text: "0 1|2 3", CPUs of a thread joined by +; "-": none. */
static const char *
seats_of(const char *host, int cpus, int ranks, int threads)
{
    static char text[512];
    size_t n = 0;
    cpu_set_t mask;

    setenv("HWLOC_SYNTHETIC", host, 1);
    CPU_ZERO(&mask);
    for (size_t i = 0; i < (size_t)cpus; i++)
        CPU_SET(i, &mask);
    text[0] = '\0';
    for (int rank = 0; rank < ranks; rank++) {
        struct seats s;
        bool seated = topology_seats(&mask, ranks, rank, threads, &s);

        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", rank ? "|" : "", seated ? "" : "-");
        for (int t = 0; seated && t < threads; t++) {
            const char *between = t ? " " : "";

            for (size_t i = 0; i < (size_t)cpus; i++)
                if (CPU_ISSET(i, &s.thread[t])) {
                    n += (size_t)snprintf(text + n, sizeof text - n, "%s%zu", between, i);
                    between = "+";
                }
        }
        seats_release(&s);
    }
    unsetenv("HWLOC_SYNTHETIC");
    return text;
}

static void
test_seats(void)
{
    is_str(seats_of("numa:2 core:2 pu:1", 4, 2, 2), "0 1|2 3", "a domain each");
    is_str(seats_of("numa:4 core:3 pu:1", 12, 2, 4), "0 1 2 3|6 7 8 9", "domains of its own each");
    is_str(seats_of("numa:2 core:3 pu:1", 6, 3, 2), "0 1|2 3|4 5", "more ranks than domains");
    is_str(seats_of("numa:2 core:2 pu:2", 8, 4, 1), "0|2|4|6", "one thread: a core, not a half");
    is_str(seats_of("numa:2 core:2 pu:2", 8, 2, 3), "0 2 1|4 6 5",
           "cores first, then their other halves");
    is_str(seats_of("numa:1 core:2 pu:2", 4, 4, 1), "0|1|2|3", "more ranks than cores");
    is_str(seats_of("numa:2 core:2 pu:1", 3, 2, 1), "0|2", "only what the mask allows");
    is_str(seats_of("numa:2 core:2 pu:1", 3, 2, 2), "0 1|-", "too few CPUs in a domain");
    is_str(seats_of("numa:2 core:2 pu:1", 4, 1, 3), "0+1 0+1 2+3",
           "alone: a thread may move within its domain");
    is_str(seats_of("numa:4 core:12 pu:1", 48, 4, 2), "0 1|12 13|24 25|36 37",
           "four ranks on an A64FX");
}

int
main(void)
{
    struct launch l = {.ranks = 1};

    test_seats();
    test_order();
    test_coordinates();
    test_fit();
    test_single();
    test_timeout();
    ok(launch_stdin() == 0 && launch_expected() == 0, "not started by a launcher");
    setenv("LLM_RANKS", "2", 1);
    ok(launch_ranks(&l) == -1 && strstr(err_text(), "another MPI"),
       "what mpiexec started does not start it again");
    setenv("PMI_RANK", "0", 1);
    ok(launch_ranks(&l) == -1 && strstr(err_text(), "a rank cannot start ranks"),
       "nor does a rank");
    return done();
}

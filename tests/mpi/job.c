/*
 * A job for the launch, signal and ending tests: [--ranks N [--hosts FILE]] MODE [ARGUMENT].
 *   end STATUS:RANK   that rank ends with STATUS, the others with 0
 *   stdin             rank 0 sums the bytes of the operand "-" and prints "BYTES SUM"
 *   wait              rank 0 prints "ready PID…"; at SIGTERM or SIGINT, status 75
 *   terminal           rank 0 says whether its standard error is one
 *   silent RANK       that rank sleeps, the others wait in a barrier, with the watchdog at 1 s
 *   slow RANK          that rank computes for 2.5 s, the others wait, with the watchdog at 1 s
 *   kill RANK         that rank kills itself, the others wait in a barrier
 *   abort STATUS      rank 1 aborts with STATUS, the others wait
 */
#include <signal.h>
#include <unistd.h>

#include "base/die.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/threads.h"
#include "comm/comm.h"
#include "parallel/launch.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"

static struct comm *world;

static void
stop_all(enum status status)
{
    world->ops->abort(world, (int)status);
}

static int
read_stream(void)
{
    enum { SIZE = 1 << 20 };
    int fd = world->rank == 0 ? launch_stdin() : -1;
    unsigned long long bytes = 0, sum = 0;
    ssize_t n;

    comm_set_timeout(2);
    if (comm_agree(world, world->rank == 0 && fd < 0 ? (int)err_status() : 0) != 0) {
        if (world->rank == 0)
            warn("%s", err_text()); /* all know it: one says it */
        return (int)err_status();
    }
    if (world->rank == 0) {
        unsigned char *buf = mem_alloc(SIZE);
        while ((n = file_read_full(fd, buf, SIZE, "-")) > 0) {
            bytes += (unsigned long long)n;
            for (ssize_t i = 0; i < n; i++)
                sum += buf[i];
        }
        printf("%llu %llu\n", bytes, sum);
        fflush(stdout);
        free(buf);
    }
    return STATUS_OK;
}

static int
wait_for_signal(void)
{
    int32_t mine = getpid(), *pids = mem_array((size_t)world->size, sizeof *pids);

    sys_catch_stop();
    if (comm_all_gather(world, &mine, pids, sizeof mine) != 0)
        die_err();
    if (world->rank == 0) {
        printf("ready");
        for (int r = 0; r < world->size; r++)
            printf(" %d", (int)pids[r]);
        puts("");
        fflush(stdout);
    }
    free(pids);
    for (int stop = 0; stop == 0;) {
        usleep(2000);
        stop = sys_stop_signal() != 0;
        if (comm_all_reduce(world, &stop, 1, COMM_I32, COMM_MAX) != 0)
            die_err();
    }
    usleep(200000); /* as if a checkpoint were written */
    return STATUS_RESUMABLE;
}

static int
wait_for_others(void)
{
    if (comm_barrier(world) != 0)
        die_err();
    return STATUS_OK;
}

static int
run(const char *mode, const char *argument)
{
    int status = 0, rank = -1;

    if (strcmp(mode, "end") == 0) {
        if (sscanf(argument, "%d:%d", &status, &rank) != 2)
            die(STATUS_USAGE, "end: STATUS:RANK");
        return world->rank == rank ? status : STATUS_OK;
    }
    if (strcmp(mode, "stdin") == 0)
        return read_stream();
    if (strcmp(mode, "terminal") == 0) {
        if (world->rank == 0)
            fputs(isatty(STDERR_FILENO) ? "terminal\n" : "no terminal\n", stderr);
        return STATUS_OK;
    }
    if (strcmp(mode, "wait") == 0)
        return wait_for_signal();
    if (sscanf(argument, "%d", &rank) != 1)
        die(STATUS_USAGE, "%s: a number is missing", mode);
    if (strcmp(mode, "silent") == 0) {
        comm_set_timeout(1);
        if (world->rank == rank)
            for (;;)
                pause();
        return wait_for_others();
    }
    if (strcmp(mode, "slow") == 0) {
        comm_set_timeout(1);
        for (int i = 0; i < 250 && world->rank == rank; i++) {
            usleep(10000);
            threads_poll();
        }
        return wait_for_others();
    }
    if (strcmp(mode, "kill") == 0) {
        if (world->rank == rank)
            raise(SIGKILL);
        return wait_for_others();
    }
    if (strcmp(mode, "abort") == 0) {
        if (world->rank == 1)
            die((enum status)rank, "rank 1 gives up");
        return wait_for_others();
    }
    die(STATUS_USAGE, "%s: unknown mode", mode);
}

int
main(int argc, char **argv)
{
    int first = 1;

    die_set_tool("job");
    if (argc > 2 && strcmp(argv[1], "--ranks") == 0) {
        bool hosts = argc > 4 && strcmp(argv[3], "--hosts") == 0;
        first = hosts ? 5 : 3;
        if (!mpi_launched()) {
            struct launch l = {.argc = argc, .argv = argv, .hosts = hosts ? argv[4] : NULL};
            l.standard_input = argc > first && strcmp(argv[first], "stdin") == 0;
            if (sscanf(argv[2], "%d", &l.ranks) != 1)
                die(STATUS_USAGE, "--ranks N");
            int status = launch_ranks(&l);
            if (status < 0)
                die_err();
            finish((enum status)status);
        }
    }
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    die_set_rank(world->rank);
    die_set_hook(stop_all);
    finish((enum status)mpi_end(
        world, run(argc > first ? argv[first] : "", argc > first + 1 ? argv[first + 1] : "")));
}

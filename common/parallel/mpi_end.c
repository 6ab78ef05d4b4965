/*
 * The one way out of a run of several ranks.
 *
 * MPICH 4.0.2's MPI_Finalize (ch4:ucx) hangs at random over TCP: 10 of 20 runs of 4
 * ranks ended; its description fits pmodels/mpich pull request 6596, which came
 * after it. Leaving without it counts as a failure for hydra, unless the rank has said
 * goodbye on PMI_FD: 45 of 45 runs over TCP and 25 of 25 over shared memory then
 * ended at once and with the right status.
 */
#include "parallel/mpi_end.h"

#include <errno.h>
#include <mpi.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "parallel/launch.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_private.h"

enum { FINALIZE_SECONDS = 5, GOODBYE_MILLISECONDS = 5000 };

/* A failure before 75 before 0, as a number that grows with its weight. */
static int
weight(int status)
{
    return status == STATUS_OK ? 0 : status == STATUS_RESUMABLE ? 1 : 2 + status;
}

int
mpi_agree_status(struct comm *world, int status)
{
    int32_t w = weight(status);

    if (comm_all_reduce(world, &w, 1, COMM_I32, COMM_MAX) != 0)
        return -1;
    return w == 0 ? STATUS_OK : w == 1 ? STATUS_RESUMABLE : w - 2;
}

/* The launcher's descriptor, on the version whose MPI_Finalize hangs; else -1. */
static int
launcher_fd(void)
{
    const char *fd = getenv("PMI_FD");
    int64_t n;

    if (!fd || strcmp(mpi_version(), "MPICH 4.0.2") != 0)
        return -1;
    return parse_int(fd, &n) == 0 && n >= 0 && n < 1 << 20 ? (int)n : -1;
}

static bool
write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, text, n);
        if (k < 0 && errno != EINTR)
            return false;
        if (k > 0) {
            text += k;
            n -= (size_t)k;
        }
    }
    return true;
}

/* Reads until the launcher's acknowledgement, or the end of its patience. */
static void
await_acknowledgement(int fd)
{
    char text[256];
    size_t n = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (n + 1 < sizeof text && poll(&p, 1, GOODBYE_MILLISECONDS) > 0) {
        ssize_t k = read(fd, text + n, sizeof text - 1 - n);
        if (k <= 0)
            return;
        n += (size_t)k;
        text[n] = '\0';
        if (strstr(text, "cmd=finalize_ack"))
            return;
    }
}

/* Everything is durable: a finalize that hangs must not hold the job. */
static volatile sig_atomic_t final_status;

static void
on_alarm(int sig)
{
    (void)sig;
    _exit(final_status);
}

void
mpi_leave_within(int seconds, int status)
{
    struct sigaction action = {.sa_handler = on_alarm};

    final_status = status;
    sigaction(SIGALRM, &action, NULL);
    alarm((unsigned)seconds);
}

static void
finalize(int status)
{
    mpi_leave_within(FINALIZE_SECONDS, status);
    MPI_Finalize();
    alarm(0);
}

int
mpi_end(struct comm *world, int status)
{
    int agreed = mpi_agree_status(world, status);
    int fd = launcher_fd();

    if (agreed < 0)
        world->ops->abort(world, status > 0 ? status : STATUS_FAILED);
    if (world->rank == 0)
        launch_report(agreed);
    if (strcmp(world->ops->name, "mpi") != 0)
        return agreed;
    /* Two: the second one begins only when nobody waits for a message of the first any more. */
    if (comm_barrier(world) != 0 || comm_barrier(world) != 0)
        world->ops->abort(world, STATUS_FAILED);
    if (fd < 0) {
        finalize(agreed);
        return agreed;
    }
    static const char goodbye[] = "cmd=finalize\n";
    if (write_all(fd, goodbye, sizeof goodbye - 1))
        await_acknowledgement(fd);
    fflush(NULL);
    _exit(agreed);
}

/*
 * The watchdog: who waits in vain finds out who is silent. A rank whose wait is overdue
 * reports to rank 0; rank 0 asks all ranks, those that wait answer (they look for the
 * question every 50 ms), and after a moment rank 0 names the ones that did not. Its wait
 * then fails with that record, and the caller takes the job down. If rank 0 is silent
 * itself, the reporting ranks fail on their own. Only waits count: a rank that computes is
 * not asked until somebody has waited for it too long.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "comm/progress.h"
#include "parallel/mpi_private.h"

enum { TAG_REPORT = 1, TAG_QUESTION = 2 };

struct report {
    double waited;
    char what[48];
};

static MPI_Comm service; /* a communicator of the watchdog's own */
static int my_rank, ranks;

/* One wait's state: the wait is known by when it began. */
static double wait_began;
static bool reported, asked;
static double deadline;
static struct report *reports; /* rank 0: by rank; waited 0: none came */

/* Silent ranks get this long to answer: they may be busy in one kernel, or share a core. */
static double
patience(void)
{
    double p = comm_timeout() / 4;

    return p < 0.5 ? 0.5 : p > 5 ? 5 : p;
}

/* Takes a waiting message of this tag; false: there is none. */
static bool
take(int tag, struct report *into, int *from)
{
    MPI_Status status;
    int there = 0;

    if (MPI_Iprobe(MPI_ANY_SOURCE, tag, service, &there, &status) != MPI_SUCCESS || !there)
        return false;
    *from = status.MPI_SOURCE;
    return MPI_Recv(into, sizeof *into, MPI_BYTE, status.MPI_SOURCE, tag, service,
                    MPI_STATUS_IGNORE) == MPI_SUCCESS;
}

/* Small messages: sent at once, whether or not the other one ever looks. */
static void
post(int to, int tag, const struct report *r)
{
    MPI_Request request;

    if (MPI_Isend(r, sizeof *r, MPI_BYTE, to, tag, service, &request) == MPI_SUCCESS)
        MPI_Request_free(&request);
}

static struct report
my_report(const char *what, double waited)
{
    struct report r = {.waited = waited};

    snprintf(r.what, sizeof r.what, "%s", what);
    return r;
}

/* "silent: rank 2; rank 0 waits in barrier, rank 1 in all_reduce" */
static int
accuse(const char *what, double waited)
{
    struct str silent = {0}, waiting = {0};

    for (int r = 0; r < ranks; r++) {
        if (reports[r].waited > 0)
            str_addf(&waiting, "%s rank %d in %s", waiting.len ? "," : "", r, reports[r].what);
        else
            str_addf(&silent, "%s rank %d", silent.len ? "," : "", r);
    }
    if (silent.len == 0)
        err_set(STATUS_FAILED, "%s: nothing arrived for %.0f s; all ranks wait:%s", what, waited,
                waiting.data);
    else
        err_set(STATUS_FAILED, "%s: nothing arrived for %.0f s; silent:%s; waiting:%s", what,
                waited, silent.data, waiting.data);
    str_release(&silent);
    str_release(&waiting);
    return -1;
}

static void
ask_all(const char *what, double waited, double now)
{
    static struct report question;

    for (int r = 0; r < ranks; r++) {
        reports[r].waited = 0;
        if (r != 0)
            post(r, TAG_QUESTION, &question);
    }
    reports[0] = my_report(what, waited + 1e-9);
    deadline = now + patience();
    asked = true;
}

static int
look_rank_0(const char *what, double waited, bool overdue, double now)
{
    struct report r;
    int from;

    while (take(TAG_REPORT, &r, &from)) {
        if (!asked)
            ask_all(what, waited, now);
        reports[from] = r;
    }
    if (overdue && !asked)
        ask_all(what, waited, now);
    return asked && now > deadline ? accuse(what, waited) : 0;
}

static int
look_other(const char *what, double waited, bool overdue, double now)
{
    static struct report mine; /* outlives the message */
    struct report question;
    int from;

    bool questioned = false;
    while (take(TAG_QUESTION, &question, &from))
        questioned = true;
    if (questioned || (overdue && !reported)) {
        mine = my_report(what, waited + 1e-9);
        post(0, TAG_REPORT, &mine);
    }
    if (overdue && !reported) {
        reported = true;
        deadline = now + 2 * patience() + 1; /* rank 0 speaks first */
    }
    if (reported && now > deadline)
        return err_set(STATUS_FAILED, "%s: nothing arrived for %.0f s, and rank 0 is silent", what,
                       waited);
    return 0;
}

static int
look(const char *what, double waited, bool overdue)
{
    double now = sys_seconds(), began = now - waited;

    if (began - wait_began > 1e-3 || wait_began - began > 1e-3) {
        wait_began = began;
        asked = reported = false;
    }
    return my_rank == 0 ? look_rank_0(what, waited, overdue, now)
                        : look_other(what, waited, overdue, now);
}

void
mpi_poke(void)
{
    int there;

    /* Any call into MPI moves all pending operations on. */
    MPI_Iprobe(MPI_ANY_SOURCE, TAG_OWN, service, &there, MPI_STATUS_IGNORE);
}

int
mpi_watch_start(MPI_Comm world)
{
    if (mpi_check(MPI_Comm_dup(world, &service), "MPI_Comm_dup") != 0)
        return -1;
    MPI_Comm_rank(service, &my_rank);
    MPI_Comm_size(service, &ranks);
    reports = mem_zarray((size_t)ranks, sizeof *reports);
    comm_set_watchdog(look);
    return 0;
}

/*
 * The watchdog: who waits in vain finds out who is silent.
 *
 * A rank whose wait is overdue reports to rank 0; rank 0 asks all ranks. Those that wait answer
 * what they wait for, those that compute answer so from threads_hook, and after a moment rank 0
 * names the ones that said nothing: its wait fails with that record, and the caller takes the
 * job down. If somebody just takes long (rank 0 reads from a slow pipe), those who wait are
 * told to go on. If rank 0 is silent itself, the reporting ranks fail on their own.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "comm/progress.h"
#include "parallel/mpi_private.h"

/* Reports go to rank 0; questions and comfort ("go on waiting") come from it. */
enum { TAG_REPORT = 1, TAG_QUESTION = 2, TAG_COMFORT = 3 };

struct report {
    double waited; /* seconds */
    bool came, busy;
    char what[46];
};

static const double look_seconds = 0.05;

static MPI_Comm service; /* a communicator of the watchdog's own */
static int my_rank, ranks;

/* One wait's state: the wait is known by when it began. */
static double wait_began;
static bool reported, asked;
static double deadline;
static struct report *reports; /* rank 0: by rank, the answers to its question */

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

static bool
take_any(int tag)
{
    struct report ignored;
    bool any = false;
    int from;

    while (take(tag, &ignored, &from))
        any = true;
    return any;
}

/* Small messages: sent at once, whether or not the other one ever looks. */
static void
post(int to, int tag, const char *what, double waited, bool busy)
{
    static struct report out[8]; /* outlives the call; old ones have long left */
    static unsigned next;
    struct report *r = &out[next++ % 8];
    MPI_Request request;

    *r = (struct report){.waited = waited, .came = true, .busy = busy};
    snprintf(r->what, sizeof r->what, "%s", what);
    if (MPI_Isend(r, sizeof *r, MPI_BYTE, to, tag, service, &request) == MPI_SUCCESS)
        MPI_Request_free(&request);
}

/* ---- rank 0 ---- */

/* "silent: rank 2; waiting: rank 0 in barrier, rank 1 in all_reduce" */
static int
accuse(const char *what, double waited)
{
    struct str silent = {0}, waiting = {0};

    for (int r = 0; r < ranks; r++) {
        if (reports[r].came)
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
ask_all(double now)
{
    for (int r = 0; r < ranks; r++) {
        reports[r].came = false;
        if (r != 0)
            post(r, TAG_QUESTION, "", 0, false);
    }
    deadline = now + patience();
    asked = true;
}

/* The answers are in, or will never come. */
static int
judge(const char *what, double waited)
{
    double longest = waited;
    bool silent = false, busy = false;

    reports[0] = (struct report){.waited = waited, .came = true};
    snprintf(reports[0].what, sizeof reports[0].what, "%s", what);
    for (int r = 0; r < ranks; r++) {
        silent |= !reports[r].came;
        busy |= reports[r].came && reports[r].busy;
        if (reports[r].came && reports[r].waited > longest)
            longest = reports[r].waited;
    }
    asked = false;
    if (longest <= comm_timeout()) /* who complained has got what it waited for */
        return 0;
    if (silent || !busy)
        return accuse(what, longest);
    for (int r = 1; r < ranks; r++)
        if (!reports[r].busy)
            post(r, TAG_COMFORT, "", 0, false);
    return 1;
}

static int
look_rank_0(const char *what, double waited, bool overdue, double now)
{
    struct report r;
    int from;

    while (take(TAG_REPORT, &r, &from)) {
        if (!asked)
            ask_all(now);
        reports[from] = r;
    }
    if (overdue && !asked)
        ask_all(now);
    return asked && now > deadline ? judge(what, waited) : 0;
}

/* ---- the others ---- */

static int
look_other(const char *what, double waited, bool overdue, double now)
{
    if (take_any(TAG_COMFORT))
        return 1;
    if (take_any(TAG_QUESTION) || (overdue && !reported))
        post(0, TAG_REPORT, what, waited, false);
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
mpi_watch_busy(void)
{
    static double looked;
    struct report r;
    int from;
    double now = sys_seconds();

    if (now - looked < look_seconds)
        return;
    looked = now;
    if (my_rank == 0) {
        while (take(TAG_REPORT, &r, &from))
            post(from, TAG_COMFORT, "", 0, false);
    } else if (take_any(TAG_QUESTION)) {
        post(0, TAG_REPORT, "computation", 0, true);
    }
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

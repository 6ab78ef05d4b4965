/*
 * The watchdog: who waits in vain finds out who is silent.
 *
 * A rank whose wait is overdue reports to rank 0; rank 0 asks all ranks. Those that wait answer
 * what they wait for, those that compute answer so from threads_hook, and after a moment rank 0
 * names the ones that said nothing, with their host and what they last told of themselves (every
 * rank sends a beat to rank 0 now and then, rank 0 to the first few): its wait fails with that
 * record, and the caller takes the job down. If somebody just takes long (rank 0 reads from a slow pipe), those who wait are
 * told to go on. If rank 0 is silent itself, the reporting ranks fail on their own.
 */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "comm/progress.h"
#include "parallel/mpi_private.h"

/* Reports and beats go to rank 0; questions, comfort ("go on waiting") and beats come from it. */
enum { TAG_REPORT = 1, TAG_QUESTION = 2, TAG_COMFORT = 3, TAG_BEAT = 4 };
enum { BEATS_OF_RANK_0 = 16, NAMED_AT_MOST = 16, HOST_ROOM = 64 };

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

struct beat {
    double heard; /* sys_seconds() here; 0: never */
    bool busy;
    char what[46];
};
static struct beat *beats; /* rank 0: by rank; others: [0] */
static char (*hosts)[HOST_ROOM];
static const char *operation = "start"; /* the last one that this rank began */

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
    static struct report out[64]; /* outlives the call; old ones have long left */
    static unsigned next;
    struct report *r = &out[next++ % 64];
    MPI_Request request;

    *r = (struct report){.waited = waited, .came = true, .busy = busy};
    snprintf(r->what, sizeof r->what, "%s", what);
    if (MPI_Isend(r, sizeof *r, MPI_BYTE, to, tag, service, &request) == MPI_SUCCESS)
        MPI_Request_free(&request);
}

/* ---- signs of life ---- */

void
mpi_watch_operation(const char *what)
{
    operation = what;
}

/* Seconds between two beats: some within the watchdog's time, few in a long run. */
static double
beat_seconds(void)
{
    double s = comm_timeout() / 16;

    return s < 0.25 ? 0.25 : s > 30 ? 30 : s;
}

static void
beat(double now, bool busy)
{
    static double last;

    if (comm_timeout() <= 0 || now - last < beat_seconds())
        return;
    last = now;
    if (my_rank > 0)
        post(0, TAG_BEAT, operation, 0, busy);
    for (int r = 1; my_rank == 0 && r < ranks && r <= BEATS_OF_RANK_0; r++)
        post(r, TAG_BEAT, operation, 0, busy);
}

static void
take_beats(double now)
{
    struct report r;
    int from;

    while (take(TAG_BEAT, &r, &from)) {
        beats[from] = (struct beat){.heard = now, .busy = r.busy};
        memcpy(beats[from].what, r.what, sizeof r.what);
    }
}

/* " rank 2 on host7 (last heard 3 s ago: computing, after all_reduce)" */
static void
add_silent(struct str *s, int rank)
{
    const struct beat *b = &beats[rank];

    str_addf(s, "%s rank %d on %s", s->len ? "," : "", rank, hosts[rank]);
    if (b->heard > 0)
        str_addf(s, " (last heard %.0f s ago: %s %s)", sys_seconds() - b->heard,
                 b->busy ? "computing, after" : "waiting in", b->what);
}

/* ---- rank 0 ---- */

/* "silent: rank 2 on host7; waiting: rank 0 in barrier, rank 1 in all_reduce" */
static int
accuse(const char *what, double waited)
{
    struct str silent = {0}, waiting = {0};
    int named = 0, unnamed = 0;

    for (int r = 0; r < ranks; r++) {
        if (reports[r].came)
            str_addf(&waiting, "%s rank %d in %s", waiting.len ? "," : "", r, reports[r].what);
        else if (named++ < NAMED_AT_MOST)
            add_silent(&silent, r);
        else
            unnamed++;
    }
    if (unnamed > 0)
        str_addf(&silent, " and %d more", unnamed);
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

    take_beats(now);
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
    struct str rank_0 = {0};
    int result;

    take_beats(now);
    if (take_any(TAG_COMFORT))
        return 1;
    if (take_any(TAG_QUESTION) || (overdue && !reported))
        post(0, TAG_REPORT, what, waited, false);
    if (overdue && !reported) {
        reported = true;
        deadline = now + 2 * patience() + 1; /* rank 0 speaks first */
    }
    if (!reported || now <= deadline)
        return 0;
    add_silent(&rank_0, 0);
    result = err_set(STATUS_FAILED, "%s: nothing arrived for %.0f s; silent:%s", what, waited,
                     rank_0.data);
    str_release(&rank_0);
    return result;
}

static int
look(const char *what, double waited, bool overdue)
{
    double now = sys_seconds(), began = now - waited;

    if (began - wait_began > 1e-3 || wait_began - began > 1e-3) {
        wait_began = began;
        asked = reported = false;
    }
    operation = what;
    beat(now, false);
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
    beat(now, true);
    take_beats(now);
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
    beats = mem_zarray((size_t)ranks, sizeof *beats);
    hosts = mem_zarray((size_t)ranks, sizeof *hosts);
    snprintf(hosts[my_rank], sizeof *hosts, "%s", sys_hostname());
    if (mpi_check(MPI_Allgather(MPI_IN_PLACE, 0, MPI_BYTE, hosts, (int)sizeof *hosts, MPI_BYTE, service),
                  "MPI_Allgather") != 0)
        return -1;
    comm_set_watchdog(look);
    return 0;
}

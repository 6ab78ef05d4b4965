/* The MPI back end: the world, groups, requests, and the table of operations. */
#include "parallel/mpi_comm.h"

#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "base/mem.h"
#include "comm/progress.h"
#include "parallel/launch.h"
#include "parallel/mpi_private.h"

enum { DEFAULT_PIECE = 1 << 30, LAST_WORDS_MICROSECONDS = 50000, ABORT_SECONDS = 5 };
static size_t piece_bytes = DEFAULT_PIECE;

static struct comm_request *free_requests;
static int pending; /* requests that are not complete */

int
mpi_check(int rc, const char *what)
{
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;

    if (rc == MPI_SUCCESS)
        return 0;
    if (MPI_Error_string(rc, text, &length) != MPI_SUCCESS)
        length = 0;
    return err_set(STATUS_FAILED, "%s: MPI: %.*s", what, length, text);
}

size_t
mpi_piece(void)
{
    return piece_bytes;
}

void
mpi_set_piece(size_t bytes)
{
    piece_bytes = bytes > 0 && bytes < DEFAULT_PIECE ? bytes : DEFAULT_PIECE;
}

/* ---- requests ---- */

struct comm_request *
mpi_request(const char *what)
{
    struct comm_request *q = free_requests;

    if (q) {
        free_requests = q->next;
    } else {
        q = mem_zalloc(sizeof *q);
        q->mpi = q->few;
        q->cap = REQUEST_INLINE;
    }
    q->what = what;
    mpi_watch_operation(what);
    q->count = q->complete = 0;
    pending++;
    return q;
}

MPI_Request *
mpi_request_slot(struct comm_request *q)
{
    if (q->count == q->cap) {
        q->cap *= 2;
        if (q->mpi == q->few) {
            q->mpi = mem_array((size_t)q->cap, sizeof *q->mpi);
            memcpy(q->mpi, q->few, sizeof q->few);
        } else {
            q->mpi = mem_grow_array(q->mpi, (size_t)q->cap, sizeof *q->mpi);
        }
    }
    q->mpi[q->count] = MPI_REQUEST_NULL;
    return &q->mpi[q->count++];
}

static void
request_done(struct comm_request **q)
{
    (*q)->next = free_requests;
    free_requests = *q;
    *q = NULL;
    pending--;
}

static int
mpi_test(struct comm *c, struct comm_request **q, bool *done)
{
    struct comm_request *r = *q;

    (void)c;
    *done = false;
    while (r && r->complete < r->count) {
        int one = 0;
        if (mpi_check(MPI_Test(&r->mpi[r->complete], &one, MPI_STATUS_IGNORE), r->what) != 0)
            return -1;
        if (!one)
            return 0;
        r->complete++;
    }
    *done = true;
    if (r)
        request_done(q);
    return 0;
}

static int
mpi_wait(struct comm *c, struct comm_request **q)
{
    struct comm_pause pause = {.what = *q ? (*q)->what : ""};
    bool done;

    for (;;) {
        if (mpi_test(c, q, &done) != 0)
            return -1;
        if (done)
            return 0;
        if (comm_pause(&pause) != 0)
            return -1;
    }
}

static void
progress(void *arg)
{
    (void)arg;
    if (pending > 0)
        mpi_poke();
    if (!comm_waiting())
        mpi_watch_busy();
}

/* ---- groups ---- */

static const struct comm_ops mpi_ops;

static int
wrap(MPI_Comm mpi, struct comm **out)
{
    *out = NULL;
    if (mpi == MPI_COMM_NULL)
        return 0;

    struct mpi_comm *m = mem_zalloc(sizeof *m);
    m->mpi = mpi;
    m->comm.ops = &mpi_ops;
    MPI_Comm_set_errhandler(mpi, MPI_ERRORS_RETURN);
    MPI_Comm_rank(mpi, &m->comm.rank);
    MPI_Comm_size(mpi, &m->comm.size);
    *out = &m->comm;
    return 0;
}

static int
mpi_split(struct comm *c, int color, int key, struct comm **out)
{
    MPI_Comm made = MPI_COMM_NULL;

    if (mpi_check(MPI_Comm_split(mpi_of(c)->mpi, color < 0 ? MPI_UNDEFINED : color, key, &made),
                  "split") != 0)
        return -1;
    return wrap(made, out);
}

static int
mpi_split_host(struct comm *c, struct comm **out)
{
    MPI_Comm made = MPI_COMM_NULL;

    if (mpi_check(MPI_Comm_split_type(mpi_of(c)->mpi, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL,
                                      &made),
                  "split_host") != 0)
        return -1;
    return wrap(made, out);
}

static void
mpi_release(struct comm *c)
{
    struct mpi_comm *m = mpi_of(c);

    if (m->mpi != MPI_COMM_WORLD)
        MPI_Comm_free(&m->mpi);
    free(m);
}

static void
mpi_abort(struct comm *c, int status)
{
    launch_report(status);
    usleep(LAST_WORDS_MICROSECONDS); /* mpiexec drops what it has not yet passed on */
    mpi_leave_within(ABORT_SECONDS, status); /* beyond a cut link nobody answers the launcher's part here */
    MPI_Abort(mpi_of(c)->mpi, status);
    abort();
}

static const struct comm_ops mpi_ops = {
    .name = "mpi",
    .split = mpi_split,
    .split_host = mpi_split_host,
    .release = mpi_release,
    .all_reduce = mpi_all_reduce,
    .reduce_scatter = mpi_reduce_scatter,
    .all_gather = mpi_all_gather,
    .all_gather_v = mpi_all_gather_v,
    .all_to_all = mpi_all_to_all,
    .all_to_all_v = mpi_all_to_all_v,
    .broadcast = mpi_broadcast,
    .send = mpi_send,
    .receive = mpi_receive,
    .barrier = mpi_barrier,
    .test = mpi_test,
    .wait = mpi_wait,
    .share = mpi_share,
    .unshare = mpi_unshare,
    .abort = mpi_abort,
};

/* ---- the world ---- */

bool
mpi_built(void)
{
    return true;
}

const char *
mpi_version(void)
{
    static char line[128];
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;

    if (line[0])
        return line;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, "\n,")] = '\0';
    /* MPICH writes "MPICH Version:\t4.0.2". */
    if (strncmp(text, "MPICH Version:", 14) == 0)
        snprintf(line, sizeof line, "MPICH %s", text + 14 + strspn(text + 14, " \t"));
    else
        snprintf(line, sizeof line, "%.*s", (int)sizeof line - 1, text);
    return line;
}

static int
wrong_launcher(int size)
{
    return err_set(
        STATUS_FAILED,
        "mpiexec started %d ranks of %d: it belongs to another MPI than this program (%s)", size,
        launch_expected(), mpi_version());
}

int
mpi_world(int *argc, char ***argv, struct comm **out)
{
    int provided;

    *out = comm_single();
    if (!mpi_launched())
        return launch_expected() > 1 ? wrong_launcher(1) : 0;

    /* The launcher's proxy is our parent: without it this rank must not go on. */
    if (launch_expected() > 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    launch_adopt_output();
    setenv("MPIR_CVAR_SUPPRESS_ABORT_MESSAGE", "1", 0); /* who aborts has said why */
    if (mpi_check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "MPI_Init") != 0)
        return -1;
    if (provided < MPI_THREAD_FUNNELED)
        return err_set(STATUS_FAILED, "MPI_Init: no support for threads");

    if (wrap(MPI_COMM_WORLD, out) != 0)
        return -1;
    struct comm *world = *out;
    if (launch_expected() > 0 && launch_expected() != world->size)
        return wrong_launcher(world->size);
    launch_hello(world->rank);
    if (world->rank != 0)
        launch_drop_stdin();
    comm_progress_add(progress, NULL);
    return mpi_watch_start(MPI_COMM_WORLD);
}

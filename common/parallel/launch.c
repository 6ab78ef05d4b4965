/* Starting mpiexec as a child, and staying its parent until the ranks have ended. */
#include "parallel/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/sys.h"
#include "base/vec.h"
#include "parallel/launch_private.h"
#include "parallel/mpi_comm.h"

enum {
    POLL_MILLISECONDS = 200,
    SECONDS_AFTER_STATUS = 10, /* how long mpiexec may outlive the ranks */
};

static volatile sig_atomic_t child_pid;

static void
forward(int sig)
{
    int saved = errno;

    /* SIGHUP would end mpiexec itself: the ranks stop on SIGTERM. */
    if (child_pid > 0)
        kill((pid_t)child_pid, sig == SIGHUP ? SIGTERM : sig);
    errno = saved;
}

static const int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
enum { FORWARDED = sizeof forwarded / sizeof *forwarded };

static void
forward_signals(struct sigaction old[FORWARDED])
{
    struct sigaction action = {.sa_handler = forward, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    for (int i = 0; i < FORWARDED; i++) {
        sigaction(forwarded[i], &action, &old[i]);
        if (old[i].sa_handler == SIG_IGN) /* nohup */
            sigaction(forwarded[i], &old[i], NULL);
    }
}

static void
restore_signals(const struct sigaction old[FORWARDED])
{
    for (int i = 0; i < FORWARDED; i++)
        sigaction(forwarded[i], &old[i], NULL);
}

struct words VEC_BODY(char *);
enum { HOSTS_WORD = 4 }; /* mpiexec -n N -f HOSTS ... */

static void
command(const struct launch *l, struct words *words, char *ranks, size_t room)
{
    static char mpiexec[] = "mpiexec", n[] = "-n", f[] = "-f";
    static char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);

    snprintf(ranks, room, "%d", l->ranks);
    vec_push(words, mpiexec);
    vec_push(words, n);
    vec_push(words, ranks);
    if (l->hosts) {
        vec_push(words, f);
        vec_push(words, mem_strdup(l->hosts));
    }
    self[length > 0 ? length : 0] = '\0';
    vec_push(words, length > 0 ? self : l->argv[0]);
    for (int i = 1; i < l->argc; i++)
        vec_push(words, l->argv[i]);
    vec_push(words, NULL);
}

/*
 * The child: a process group of its own, so that a terminal's Ctrl-C comes once, through
 * us; gone when we are; nothing on standard input. Ends in mpiexec, or tells errno and dies.
 */
static void
become_mpiexec(char *const *argv, bool own_output, int failure, pid_t parent)
{
    int null;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && (null = open("/dev/null", O_RDONLY)) >= 0 &&
        dup2(null, STDIN_FILENO) == STDIN_FILENO) {
        close(null);
        if (!own_output) /* the ranks have theirs: what is left are its complaints */
            dup2(STDERR_FILENO, STDOUT_FILENO);
        execvp(argv[0], argv);
    }
    int error = errno;
    if (write(failure, &error, sizeof error) == (ssize_t)sizeof error)
        close(failure);
    raise(SIGKILL);
}

/* Starts the child. 0, or -1 with a record when there is no mpiexec. */
static int
start(char *const *argv, bool own_output, pid_t *child)
{
    int failure[2], error = 0;
    pid_t parent = getpid();

    if (pipe2(failure, O_CLOEXEC) != 0)
        return err_sys("pipe");
    *child = fork();
    if (*child == 0)
        become_mpiexec(argv, own_output, failure[1], parent);
    close(failure[1]);
    if (*child < 0) {
        close(failure[0]);
        return err_sys("fork");
    }
    child_pid = *child;
    ssize_t n = read(failure[0], &error, sizeof error);
    close(failure[0]);
    if (n != (ssize_t)sizeof error)
        return 0;
    child_pid = 0;
    waitpid(*child, NULL, 0);
    errno = error;
    return error == ENOENT
               ? err_set(STATUS_FAILED, "mpiexec: not found: --ranks needs it (Debian: mpich)")
               : err_sys("mpiexec");
}

/*
 * Waits for the child's end and for the job's status. Returns that, or -1 when none came; *how is
 * what waitpid says.
 */
static int
supervise(pid_t child, struct rank_watch *w, int *how)
{
    int status = -1;
    double since = 0;
    bool ended = false, more = false;

    /* Behind the child's end, too, all is read: what happened just before it. */
    while (!ended || more) {
        int before = status;
        more = rank_watch_next(w, ended ? 0 : POLL_MILLISECONDS, &status);
        ended = ended || waitpid(child, how, WNOHANG) == child;
        if (before < 0 && status >= 0)
            since = sys_seconds();
        if (!ended && status >= 0 && sys_seconds() - since > SECONDS_AFTER_STATUS)
            kill(child, SIGKILL);
    }
    child_pid = 0;
    return status;
}

static int
no_status(const struct rank_watch *w, int how)
{
    struct str who = {0};

    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return STATUS_OK; /* a program that ends without mpi_end, such as --version */
    if (WIFSIGNALED(how))
        return err_set(STATUS_FAILED, "mpiexec: ended by signal %d (%s)", WTERMSIG(how),
                       strsignal(WTERMSIG(how)));
    rank_watch_name(w, &who);
    err_set(STATUS_FAILED, "mpiexec: %s, and the others were ended with it", who.data);
    str_release(&who);
    return -1;
}

/* The stream is the ranks' alone: who feeds it must see it close when they are gone. */
static void
drop_input(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (null > STDIN_FILENO)
        close(null);
}

/* The job's status, or -1 with a record. The copies are closed as soon as the child has them. */
static int
run(const struct launch *l, char *const *argv, int copies[PASSED], int status_fd)
{
    struct rank_watch *watch = rank_watch_new(status_fd, l->ranks);
    pid_t child = -1;
    int how = 0, status;

    if (!watch)
        return -1;

    /* Ranks of other hosts have no output but mpiexec's. */
    int result = start(argv, l->hosts != NULL, &child);
    launch_drop(copies);
    if (l->standard_input)
        drop_input();
    status = result == 0 ? supervise(child, watch, &how) : -1;
    if (result == 0 && status < 0)
        status = no_status(watch, how);
    rank_watch_free(watch);
    return status;
}

int
launch_ranks(const struct launch *l)
{
    int copies[PASSED] = {-1, -1, -1, -1}, fds[2], result = -1;
    struct sigaction old[FORWARDED];
    struct words words = {0};
    char ranks[16];

    if (!mpi_built())
        return err_set(STATUS_FAILED, "--ranks %d: this program was built without MPI", l->ranks);
    if (mpi_launched())
        return err_set(STATUS_FAILED, "a rank cannot start ranks");
    if (launch_expected() > 0) /* we are what such an mpiexec started, and know of no ranks */
        return err_set(STATUS_FAILED, "mpiexec: it belongs to another MPI than this program (%s)",
                       mpi_version());
    if (pipe2(fds, O_CLOEXEC) != 0)
        return err_sys("pipe");
    result = launch_pass(l, fds[1], copies);
    close(fds[1]);
    if (result == 0) {
        command(l, &words, ranks, sizeof ranks);
        setenv("LLM_RANKS", ranks, 1);
        forward_signals(old);
        result = run(l, words.data, copies, fds[0]);
        restore_signals(old);
        if (l->hosts)
            free(words.data[HOSTS_WORD]);
        vec_release(&words);
        unsetenv("LLM_RANKS");
    }
    launch_drop(copies);
    close(fds[0]);
    return result;
}

/* Starting mpiexec as a child, and what its ranks and we tell each other around it. */
#include "parallel/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/vec.h"
#include "parallel/mpi_comm.h"

static const char stdin_variable[] = "LLM_STDIN_FD";
static const char status_variable[] = "LLM_STATUS_FD";
static const char ranks_variable[] = "LLM_RANKS";

enum {
    POLL_MILLISECONDS = 200,
    SECONDS_AFTER_STATUS = 10, /* how long mpiexec may outlive the ranks */
};

/* ---- descriptors by name, "FD:DEVICE:INODE": another host's is not mistaken for ours ---- */

static int
export_fd(const char *variable, int fd)
{
    struct stat st;
    char text[80];

    if (fstat(fd, &st) != 0)
        return err_sys("%s", variable);
    snprintf(text, sizeof text, "%d:%llu:%llu", fd, (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    return setenv(variable, text, 1) == 0 ? 0 : err_sys("%s", variable);
}

/* The descriptor that the variable names, if it is here; else -1 (no record). */
static int
import_fd(const char *variable)
{
    const char *text = getenv(variable);
    int fd;
    unsigned long long device, inode;
    struct stat st;

    if (!text || sscanf(text, "%d:%llu:%llu", &fd, &device, &inode) != 3 || fd < 3 ||
        fstat(fd, &st) != 0 || st.st_dev != device || st.st_ino != inode)
        return -1;
    return fd;
}

/* ---- in a rank ---- */

int
launch_expected(void)
{
    const char *text = getenv(ranks_variable);
    int64_t n;

    return text && parse_int(text, &n) == 0 && n > 0 && n < 1 << 30 ? (int)n : 0;
}

int
launch_stdin(void)
{
    if (!mpi_launched())
        return STDIN_FILENO;
    int fd = import_fd(stdin_variable);
    if (fd >= 0)
        return fd;
    if (launch_expected() > 0)
        return err_set(STATUS_FAILED, "-: rank 0 runs on %s, where standard input is not",
                       sys_hostname());
    return err_set(STATUS_USAGE,
                   "-: mpiexec cannot carry a stream: use --ranks N instead of mpiexec, "
                   "a FIFO, or 3<&0 </dev/null mpiexec ... /dev/fd/3");
}

void
launch_drop_stdin(void)
{
    int fd = import_fd(stdin_variable);

    if (fd >= 0)
        close(fd);
}

void
launch_report(int status)
{
    int fd = import_fd(status_variable);
    unsigned char byte = (unsigned char)status;

    if (fd >= 0 && write(fd, &byte, 1) < 0)
        return; /* the parent is gone: nobody to tell */
}

/* ---- in the parent ---- */

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

/* A duplicate that every child inherits, at 10 or above: not in a shell script's way. */
static int
inheritable(int fd)
{
    int copy = fcntl(fd, F_DUPFD, 10);

    return copy < 0 ? err_sys("descriptor %d", fd) : copy;
}

struct words VEC_BODY(char *);

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
become_mpiexec(char *const *argv, int failure, pid_t parent)
{
    int null;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent && (null = open("/dev/null", O_RDONLY)) >= 0 &&
        dup2(null, STDIN_FILENO) == STDIN_FILENO) {
        close(null);
        execvp(argv[0], argv);
    }
    int error = errno;
    if (write(failure, &error, sizeof error) == (ssize_t)sizeof error)
        close(failure);
    raise(SIGKILL);
}

/* Starts the child. 0, or -1 with a record when there is no mpiexec. */
static int
start(char *const *argv, pid_t *child)
{
    int failure[2], error = 0;
    pid_t parent = getpid();

    if (pipe2(failure, O_CLOEXEC) != 0)
        return err_sys("pipe");
    *child = fork();
    if (*child == 0)
        become_mpiexec(argv, failure[1], parent);
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
 * Waits for the child's end and for the first status byte. Returns the byte, or -1 when
 * none came; *how is what waitpid says.
 */
static int
supervise(pid_t child, int status_fd, int *how)
{
    int status = -1;
    double since = 0;
    struct pollfd p = {.fd = status_fd, .events = POLLIN};

    for (;;) {
        unsigned char byte;
        int ready = poll(&p, 1, POLL_MILLISECONDS);
        bool ended = waitpid(child, how, WNOHANG) == child;
        if (ready > 0 && read(status_fd, &byte, 1) == 1) {
            if (status < 0) {
                status = byte;
                since = sys_seconds();
            }
        } else if (ready > 0) {
            p.fd = -1; /* the last writer is gone */
        }
        if (ended)
            break;
        if (status >= 0 && sys_seconds() - since > SECONDS_AFTER_STATUS)
            kill(child, SIGKILL);
    }
    child_pid = 0;
    /* What was written just before the end. */
    unsigned char byte;
    if (status < 0 && poll(&p, 1, 0) > 0 && read(status_fd, &byte, 1) == 1)
        status = byte;
    return status;
}

static int
no_status(int how)
{
    if (WIFEXITED(how) && WEXITSTATUS(how) == 0)
        return STATUS_OK; /* a program that ends without mpi_end, such as --version */
    if (WIFSIGNALED(how))
        return err_set(STATUS_FAILED, "mpiexec: ended by signal %d (%s)", WTERMSIG(how),
                       strsignal(WTERMSIG(how)));
    return err_set(STATUS_FAILED, "mpiexec: a rank died, and the others were ended with it");
}

/* The stream is the ranks' alone: who feeds it must see it close when they are gone. */
static void
drop_input(int input)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(input);
    if (null >= 0)
        dup2(null, STDIN_FILENO);
    if (null > STDIN_FILENO)
        close(null);
}

int
launch_ranks(const struct launch *l)
{
    struct sigaction old[FORWARDED];
    struct words words = {0};
    char ranks[16];
    int pipe_fds[2], input = -1, report = -1, how = 0, result = -1;
    pid_t child = -1;

    if (mpi_launched())
        return err_set(STATUS_FAILED, "a rank cannot start ranks");
    if (launch_expected() > 0) /* we are what such an mpiexec started, and know of no ranks */
        return err_set(STATUS_FAILED, "mpiexec: it belongs to another MPI than this program (%s)",
                       mpi_version());
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return err_sys("pipe");
    report = inheritable(pipe_fds[1]);
    close(pipe_fds[1]);
    if (report < 0 || export_fd(status_variable, report) != 0)
        goto out;
    if (l->standard_input &&
        ((input = inheritable(STDIN_FILENO)) < 0 || export_fd(stdin_variable, input) != 0))
        goto out;
    command(l, &words, ranks, sizeof ranks);
    setenv(ranks_variable, ranks, 1);

    forward_signals(old);
    result = start(words.data, &child);
    if (input >= 0) {
        drop_input(input);
        input = -1;
    }
    close(report);
    report = -1;
    if (result == 0) {
        int status = supervise(child, pipe_fds[0], &how);
        result = status >= 0 ? status : no_status(how);
    }
    restore_signals(old);
out:
    close(pipe_fds[0]);
    if (report >= 0)
        close(report);
    if (input >= 0)
        close(input);
    if (l->hosts && words.len > 4)
        free(words.data[4]);
    vec_release(&words);
    unsetenv(ranks_variable);
    unsetenv(status_variable);
    unsetenv(stdin_variable);
    return result;
}

/* Descriptors on their way from launch_ranks to its ranks, around mpiexec. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "base/sys.h"
#include "parallel/launch.h"
#include "parallel/launch_private.h"
#include "parallel/mpi_comm.h"

static const char *const variables[PASSED] = {
    [PASS_STDIN] = "LLM_STDIN_FD",
    [PASS_STDOUT] = "LLM_STDOUT_FD",
    [PASS_STDERR] = "LLM_STDERR_FD",
    [PASS_STATUS] = "LLM_STATUS_FD",
};

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

/* The descriptor, if it is here; else -1 (no record). */
static int
import_fd(enum passed which)
{
    const char *text = getenv(variables[which]);
    int fd;
    unsigned long long device, inode;
    struct stat st;

    if (!text || sscanf(text, "%d:%llu:%llu", &fd, &device, &inode) != 3 || fd < 3 ||
        fstat(fd, &st) != 0 || st.st_dev != device || st.st_ino != inode)
        return -1;
    return fd;
}

/* ---- in the parent ---- */

/* A duplicate that children inherit, at 10 or above (not in a shell script's way), in *copy. */
static int
pass(enum passed which, int fd, int *copy)
{
    *copy = fcntl(fd, F_DUPFD, 10);
    if (*copy < 0)
        return err_sys("descriptor %d", fd);
    return export_fd(variables[which], *copy);
}

/* What is closed here is not passed on. */
int
launch_pass(const struct launch *l, int status, int copies[PASSED])
{
    if (l->standard_input && pass(PASS_STDIN, STDIN_FILENO, &copies[PASS_STDIN]) != 0)
        return -1;
    if (fcntl(STDOUT_FILENO, F_GETFD) >= 0 &&
        pass(PASS_STDOUT, STDOUT_FILENO, &copies[PASS_STDOUT]) != 0)
        return -1;
    if (fcntl(STDERR_FILENO, F_GETFD) >= 0 &&
        pass(PASS_STDERR, STDERR_FILENO, &copies[PASS_STDERR]) != 0)
        return -1;
    return pass(PASS_STATUS, status, &copies[PASS_STATUS]);
}

void
launch_drop(int copies[PASSED])
{
    for (int i = 0; i < PASSED; i++) {
        if (copies[i] >= 0)
            close(copies[i]);
        copies[i] = -1;
        unsetenv(variables[i]);
    }
}

/* ---- in a rank ---- */

int
launch_expected(void)
{
    const char *text = getenv("LLM_RANKS");
    int64_t n;

    return text && parse_int(text, &n) == 0 && n > 0 && n < 1 << 30 ? (int)n : 0;
}

int
launch_stdin(void)
{
    if (!mpi_launched())
        return STDIN_FILENO;
    int fd = import_fd(PASS_STDIN);
    if (fd >= 0)
        return fd;
    if (launch_expected() > 0)
        return err_set(STATUS_FAILED, "-: rank 0 runs on %s, where standard input is not",
                       sys_hostname());
    return err_set(STATUS_USAGE,
                   "-: mpiexec cannot carry a stream: use --ranks N instead of mpiexec, "
                   "a FIFO, or 3<&0 </dev/null mpiexec ... /dev/fd/3");
}

static void
adopt(enum passed which, int as)
{
    int fd = import_fd(which);

    if (fd < 0)
        return;
    dup2(fd, as);
    close(fd);
}

void
launch_adopt_output(void)
{
    adopt(PASS_STDOUT, STDOUT_FILENO);
    adopt(PASS_STDERR, STDERR_FILENO);
}

void
launch_drop_stdin(void)
{
    int fd = import_fd(PASS_STDIN);

    if (fd >= 0)
        close(fd);
}

void
launch_report(int status)
{
    int fd = import_fd(PASS_STATUS);
    unsigned char byte = (unsigned char)status;

    if (fd >= 0 && write(fd, &byte, 1) < 0)
        return; /* the parent is gone: nobody to tell */
}

/* Outputs that appear only when whole, and the removal of those that do not. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

/* ---- paths to remove -------------------------------------------------------- */

/*
 * A signal handler reads this table at any moment: a slot is taken and given back
 * by one atomic exchange, and the owner alone frees the text.
 */
enum { REMEMBER_MAX = 1024 };
static _Atomic(char *) remembered[REMEMBER_MAX];
static pthread_mutex_t remember_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int owner; /* a forked child must not remove its parent's files */

void
file_remember(const char *path)
{
    char *copy = mem_strdup(path);
    int slot = 0;

    pthread_mutex_lock(&remember_lock);
    if (atomic_exchange(&owner, getpid()) == 0)
        atexit(file_remove_remembered);
    while (slot < REMEMBER_MAX && remembered[slot])
        slot++;
    if (slot < REMEMBER_MAX)
        atomic_store(&remembered[slot], copy);
    else
        free(copy); /* a thousand unfinished files: the rest stays behind */
    pthread_mutex_unlock(&remember_lock);
}

void
file_forget(const char *path)
{
    pthread_mutex_lock(&remember_lock);
    for (int slot = 0; slot < REMEMBER_MAX; slot++) {
        char *known = atomic_load(&remembered[slot]);

        if (known && strcmp(known, path) == 0 &&
            atomic_compare_exchange_strong(&remembered[slot], &known, NULL))
            free(known);
    }
    pthread_mutex_unlock(&remember_lock);
}

void
file_remove_remembered(void)
{
    int saved = errno;

    if (atomic_load(&owner) != getpid())
        return;
    for (int slot = 0; slot < REMEMBER_MAX; slot++) {
        const char *path = atomic_exchange(&remembered[slot], NULL);

        if (path && unlink(path) != 0)
            rmdir(path);
    }
    errno = saved;
}

static void
on_termination(int number)
{
    file_remove_remembered();
    signal(number, SIG_DFL);
    raise(number); /* delivered when this handler returns */
}

void
file_remove_on_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction action = {.sa_handler = on_termination}, old;

        /* nohup and shells without job control ignore some: leave those. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
            continue;
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
}

/* ---- outputs ---------------------------------------------------------------- */

static const char *
shown(const struct outfile *f)
{
    return strcmp(f->path, "-") == 0 ? "standard output" : f->path;
}

/* N when path names an open descriptor, such as /dev/fd/N; -1 otherwise. */
static int
descriptor_of(const char *path)
{
    static const char *const dirs[] = {"/dev/fd/", "/proc/self/fd/"};
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    int64_t number;

    for (int i = 0; i < 3; i++)
        if (strcmp(path, names[i]) == 0)
            return i;
    for (size_t i = 0; i < 2; i++)
        if (str_starts(path, dirs[i]) && parse_int(path + strlen(dirs[i]), &number) == 0 &&
            number >= 0 && number < 1 << 20)
            return (int)number;
    return -1;
}

static int
open_beside(struct outfile *f, const struct stat *old)
{
    const char *slash;
    char *target = old ? realpath(f->path, NULL) : NULL; /* a link stays a link */

    if (target) {
        free(f->path);
        f->path = target;
    }
    slash = strrchr(f->path, '/');
    slash = slash ? slash + 1 : f->path;
    f->temp = mem_printf("%.*s.%s.tmp-%ld", (int)(slash - f->path), f->path, slash,
                         (long)getpid());
    f->fd = open(f->temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (f->fd < 0)
        return err_sys("%s", f->path);
    file_remember(f->temp);
    if (old && fchmod(f->fd, old->st_mode & 0777) != 0)
        return err_sys("%s: mode", f->path);
    return 0;
}

static int
open_output(struct outfile *f)
{
    struct stat st;
    int number = strcmp(f->path, "-") == 0 ? STDOUT_FILENO : descriptor_of(f->path);

    if (number >= 0) {
        f->fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
        return f->fd < 0 ? err_sys("%s", shown(f)) : 0;
    }
    if (stat(f->path, &st) != 0)
        return open_beside(f, NULL);
    if (S_ISREG(st.st_mode))
        return open_beside(f, &st);
    do
        f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
    while (f->fd < 0 && errno == EINTR);
    return f->fd < 0 ? err_sys("%s", f->path) : 0;
}

int
outfile_open(struct outfile *f, const char *path, bool binary)
{
    *f = (struct outfile){.fd = -1, .path = mem_strdup(path)};
    if (open_output(f) != 0) {
        outfile_abandon(f);
        return -1;
    }
    if (binary && isatty(f->fd)) {
        err_set(STATUS_USAGE, "%s: is a terminal, the output is binary; use -o FILE or a pipe",
                shown(f));
        outfile_abandon(f);
        return -1;
    }
    return 0;
}

int
outfile_write(struct outfile *f, const void *buf, size_t n)
{
    if (file_write_full(f->fd, buf, n, f->path) != 0)
        return -1;
    f->written += n;
    return 0;
}

/* Into the directory, so that the new name survives a crash. */
static int
rename_whole(struct outfile *f)
{
    char *dir = mem_strdup(f->path), *slash = strrchr(dir, '/');
    int result = 0;

    if (rename(f->temp, f->path) != 0) {
        result = err_sys("%s: rename", f->path);
    } else {
        file_forget(f->temp);
        free(f->temp);
        f->temp = NULL;
        if (slash)
            slash[slash == dir] = '\0'; /* "/name" lies in "/" */
        result = file_sync_dir(slash ? dir : ".");
    }
    free(dir);
    return result;
}

int
outfile_commit(struct outfile *f)
{
    int result = 0;

    /* Pipes and devices cannot be synced. */
    if (fsync(f->fd) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP)
        result = err_sys("%s: fsync", shown(f));
    if (close(f->fd) != 0 && result == 0)
        result = err_sys("%s: close", shown(f));
    f->fd = -1;
    if (result == 0 && f->temp)
        result = rename_whole(f);
    outfile_abandon(f);
    return result;
}

void
outfile_abandon(struct outfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    if (f->temp) {
        unlink(f->temp);
        file_forget(f->temp);
    }
    free(f->temp);
    free(f->path);
    *f = (struct outfile){.fd = -1};
}

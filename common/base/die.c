#include "base/die.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/progress.h"

enum { MESSAGE_MAX = 2048 };

static const char *tool = "llm-tools";
static int rank = -1;
static int verbosity = 1;
static void (*hook)(enum status status);
static bool muted;
static char last[MESSAGE_MAX];

void
die_set_tool(const char *name)
{
    tool = name;
}

void
die_set_rank(int new_rank)
{
    rank = new_rank;
}

void
die_set_hook(void (*new_hook)(enum status status))
{
    hook = new_hook;
}

void
die_set_verbosity(int level)
{
    verbosity = level;
}

int
die_verbosity(void)
{
    return verbosity;
}

void
die_set_mute(bool mute)
{
    muted = mute;
}

const char *
die_last(void)
{
    return last;
}

/* One write(2), so that lines of several processes do not mix. */
__attribute__((format(printf, 1, 0))) static void
message(const char *fmt, va_list ap)
{
    char line[MESSAGE_MAX];
    size_t len;

    progress_erase();
    if (rank >= 0)
        snprintf(line, sizeof line, "%s: rank %d: ", tool, rank);
    else
        snprintf(line, sizeof line, "%s: ", tool);
    len = strlen(line);
    vsnprintf(line + len, sizeof line - len - 1, fmt, ap);
    err_mask(line);
    len = strlen(line);
    line[len++] = '\n';
    for (size_t done = 0; done < len;) {
        ssize_t n = write(STDERR_FILENO, line + done, len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
}

/* A second death while the first is under way (the hook, another thread) ends at once. */
static void
leave(enum status status)
{
    static volatile sig_atomic_t leaving;

    if (leaving++)
        _exit((int)status);
    file_remove_remembered();
    if (hook)
        hook(status);
    exit((int)status);
}

void
die(enum status status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(last, sizeof last, fmt, ap);
    va_end(ap);
    if (!muted)
        warn("%s", last);
    leave(status);
    abort();
}

void
die_err(void)
{
    enum status status = err_status();

    die(status == STATUS_OK ? STATUS_FAILED : status, "%s", err_text());
}

void
warn(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    message(fmt, ap);
    va_end(ap);
}

void
note(const char *fmt, ...)
{
    va_list ap;

    if (verbosity < 1)
        return;
    va_start(ap, fmt);
    message(fmt, ap);
    va_end(ap);
}

void
verbose(const char *fmt, ...)
{
    va_list ap;

    if (verbosity < 2)
        return;
    va_start(ap, fmt);
    message(fmt, ap);
    va_end(ap);
}

/* A reader that went away is no error of ours: die as the default action of SIGPIPE would. */
static void
fail_stdout(void)
{
    if (errno == EPIPE) {
        file_remove_remembered();
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    die(STATUS_FAILED, "standard output: %s", strerror(errno));
}

void
print_text(const char *text)
{
    if (fputs(text, stdout) < 0)
        fail_stdout();
}

void
finish(enum status status)
{
    if (fflush(stdout) != 0 || ferror(stdout) || fclose(stdout) != 0) {
        /* A tool that was started without a standard output and wrote nothing is fine. */
        if (errno != EBADF)
            fail_stdout();
    }
    exit((int)status);
}

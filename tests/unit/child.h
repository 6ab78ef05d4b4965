#ifndef TESTS_CHILD_H
#define TESTS_CHILD_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/tap.h"

/*
 * Runs fn(arg) in a child process, for what ends a process. Its stdout goes to
 * `to` (NULL: the file "child.out"), its stderr is read into err. Returns the
 * exit status, or 256 + the signal that ended it; a child that returns from fn
 * exits with 99.
 */
static inline int
in_child(void (*fn)(void *arg), void *arg, const char *to, char *err, size_t err_size)
{
    int status = 0;
    size_t n = 0;
    pid_t pid;
    FILE *f;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int out = open(to ? to : "child.out", O_WRONLY | O_CREAT | (to ? 0 : O_TRUNC), 0666);
        int log = open("child.err", O_WRONLY | O_CREAT | O_TRUNC, 0666);

        if (out < 0 || log < 0 || dup2(out, 1) < 0 || dup2(log, 2) < 0)
            _exit(98);
        fn(arg);
        _exit(99);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return -1;
    f = fopen("child.err", "r");
    if (f) {
        n = fread(err, 1, err_size - 1, f);
        fclose(f);
    }
    err[n] = '\0';
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

#endif

#include "eval/words.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

extern char **environ;

void
word_lines_release(word_lines *lines)
{
    for (size_t i = 0; i < lines->len; i++)
        free(lines->data[i]);
    vec_release(lines);
}

/*
 * The texts in a file without a name, at its beginning: a pipe would have to be fed while the
 * answer is read.
 */
static FILE *
input_file(const piece_list *texts)
{
    struct str all = {0};
    for (size_t i = 0; i < texts->len; i++) {
        struct piece text = texts->data[i];
        for (size_t j = 0; j < text.n; j++)
            str_addc(&all, text.data[j] == '\n' || text.data[j] == '\r' ? ' ' : text.data[j]);
        str_addc(&all, '\n');
    }
    FILE *file = tmpfile();
    if (file && (fwrite(all.data ? all.data : "", 1, all.len, file) != all.len ||
                 fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0)) {
        fclose(file);
        file = NULL;
    }
    str_release(&all);
    if (!file)
        err_sys("cannot write a temporary file for --words-command");
    return file;
}

static int
start(const char *command, int input, int output, pid_t *pid)
{
    char shell[] = "sh", option[] = "-c", *text = mem_strdup(command);
    char *argv[] = {shell, option, text, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    errno = posix_spawn(pid, "/bin/sh", &actions, NULL, argv, environ);
    int result = errno ? err_sys("cannot run '%s'", command) : 0;
    posix_spawn_file_actions_destroy(&actions);
    free(text);
    return result;
}

static int
read_all(int from, const char *command, struct str *out)
{
    for (;;) {
        str_reserve(out, 65536);
        ssize_t n = read(from, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys("cannot read what '%s' writes", command);
        if (n == 0)
            return 0;
        out->len += (size_t)n;
    }
}

static int
end(const char *command, pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return err_sys("cannot wait for '%s'", command);
    if (WIFSIGNALED(status))
        return err_set(STATUS_FAILED, "'%s' was ended by signal %d", command, WTERMSIG(status));
    if (WEXITSTATUS(status))
        return err_set(STATUS_FAILED, "'%s' ended with status %d", command, WEXITSTATUS(status));
    return 0;
}

static int
run(const char *command, int input, struct str *out)
{
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys("cannot make a pipe");
    int result = start(command, input, ends[1], &pid);
    close(ends[1]);
    if (result == 0) {
        int read_result = read_all(ends[0], command, out);
        close(ends[0]); /* before the wait: one that still writes must not hang */
        result = end(command, pid);
        return read_result < 0 ? -1 : result;
    }
    close(ends[0]);
    return result;
}

int
words_by_command(const char *command, const piece_list *texts, word_lines *lines)
{
    struct str out = {0};
    FILE *input = input_file(texts);
    if (!input)
        return -1;
    int result = run(command, fileno(input), &out);
    fclose(input);
    for (size_t at = 0; result == 0 && at < out.len;) {
        const char *line = out.data + at, *stop = memchr(line, '\n', out.len - at);
        size_t n = stop ? (size_t)(stop - line) : out.len - at;
        vec_push(lines, mem_strndup(line, n));
        at += n + 1;
    }
    str_release(&out);
    if (result == 0 && lines->len != texts->len)
        result = err_set(STATUS_FAILED, "'%s' gave %zu lines for %zu", command, lines->len,
                         texts->len);
    if (result < 0)
        word_lines_release(lines);
    return result;
}

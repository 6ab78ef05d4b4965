/* base/file.h: outputs that appear whole or not at all, full disks, signals, pipes; base/log.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/die.h"
#include "base/err.h"
#include "base/log.h"
#include "base/sys.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

/* Entries of the directory, without . and .. and what in_child() leaves. */
static int
entries(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int n = 0;

    while (dir && (entry = readdir(dir)))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return n;
}

static bool
holds(const char *path, const char *want)
{
    struct str got = {0};
    bool same = file_load(path, 1000, &got) == 0 && got.len == strlen(want) &&
                memcmp(got.data, want, got.len) == 0;

    str_release(&got);
    return same;
}

static void
test_outfile(void)
{
    struct outfile f;
    struct stat st;

    file_mkdirs("d/e/f");
    ok(file_is_dir("d/e/f") && file_mkdirs("d/e/f/") == 0, "file_mkdirs makes all, twice");
    ok(outfile_open(&f, "d/x", false) == 0 && outfile_write(&f, "abc", 3) == 0 &&
           !file_exists("d/x"), "an output is not there while it is written");
    ok(outfile_commit(&f) == 0 && holds("d/x", "abc") && entries("d") == 2,
       "and is there, alone, when committed");
    chmod("d/x", 0640);
    ok(symlink("x", "d/link") == 0 && file_store("d/link", "new", 3) == 0 && holds("d/x", "new") &&
           lstat("d/link", &st) == 0 && S_ISLNK(st.st_mode), "a link stays a link");
    ok(stat("d/x", &st) == 0 && (st.st_mode & 0777) == 0640, "the mode is kept");
    outfile_open(&f, "d/x", false);
    outfile_write(&f, "lost", 4);
    outfile_abandon(&f);
    ok(holds("d/x", "new") && entries("d") == 3, "an abandoned output leaves the old one");
    ok(outfile_open(&f, "none/x", false) == -1 && err_status() == STATUS_FAILED &&
           !strcmp(err_text(), "none/x: No such file or directory"), "a missing folder is an error");
    ok(outfile_open(&f, "d", false) == -1 && strstr(err_text(), "d: Is a directory"),
       "a folder is no output");
    ok(outfile_open(&f, "/dev/full", false) == 0 && outfile_write(&f, "abc", 3) == -1 &&
           !strcmp(err_text(), "/dev/full: write: No space left on device"), "a full device");
    outfile_abandon(&f);
    ok(file_exists("/dev/full"), "which is not removed");
}

static void
test_descriptor(void)
{
    char path[32], buf[8] = {0};
    struct outfile f;
    int fds[2];

    if (pipe(fds) != 0)
        return;
    snprintf(path, sizeof path, "/dev/fd/%d", fds[1]);
    ok(outfile_open(&f, path, true) == 0 && outfile_write(&f, "abc", 3) == 0 &&
           outfile_commit(&f) == 0, "/dev/fd/N is written directly");
    ok(read(fds[0], buf, 8) == 3 && !strcmp(buf, "abc"), "and read at the other end");
    close(fds[0]);
    close(fds[1]);
}

/* A child writes slowly into a pipe whose reading end does not block. */
static void
test_nonblocking(void)
{
    char buf[8] = {0};
    int fds[2];
    pid_t pid;

    if (pipe(fds) != 0)
        return;
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        _exit(write(fds[1], "abc", 3) == 3 ? 0 : 1);
    }
    close(fds[1]);
    ok(file_read_full(fds[0], buf, 8, "pipe") == 3 && !strcmp(buf, "abc"),
       "a descriptor that does not block is waited for");
    waitpid(pid, NULL, 0);
    close(fds[0]);
}

static void
test_load(void)
{
    struct str s = {0};
    int fd;
    char buf[10];

    file_store("five", "12345", 5);
    ok(file_load("five", 5, &s) == 0 && s.len == 5, "a file of the limit is loaded");
    str_release(&s);
    ok(file_load("five", 4, &s) == -1 && err_status() == STATUS_INPUT &&
           !strcmp(err_text(), "five: larger than 4 bytes"), "a larger one is refused");
    str_release(&s);
    ok(file_load("/dev/zero", 100000, &s) == -1, "an endless one, too");
    str_release(&s);
    ok(file_load("absent", 5, &s) == -1 && !strcmp(err_text(), "absent: No such file or directory"),
       "an absent one is an error");
    fd = file_open_read("five");
    ok(file_read_full(fd, buf, 10, "five") == 5 && file_pread_full(fd, buf, 10, 3, "five") == 2,
       "reading stops at the end");
    close(fd);
    file_mkdirs("t/a/b");
    file_store("t/a/b/c", "x", 1);
    ok(symlink("../../five", "t/a/link") == 0 && file_remove_tree("t") == 0 && !file_exists("t") &&
           file_exists("five"), "a tree is removed, links are not followed");
    ok(file_remove_tree("t") == 0, "removing nothing is fine");
    fd = file_temporary(".");
    ok(fd >= 0 && write(fd, "x", 1) == 1, "a temporary file");
    close(fd);
    ok(file_free_space(".") > 0, "free space");
}

static void
begin_output(const char *path)
{
    struct outfile f;

    if (outfile_open(&f, path, false) != 0 || outfile_write(&f, "abc", 3) != 0)
        _exit(97);
}

static void
die_writing(void *arg)
{
    begin_output(arg);
    die(STATUS_INPUT, "no");
}

static void
signal_writing(void *arg)
{
    file_remove_on_signals();
    begin_output(arg);
    raise(SIGTERM);
}

static void
pipe_writing(void *arg)
{
    int fds[2];

    signal(SIGPIPE, SIG_IGN); /* as some parents leave it */
    begin_output(arg);
    if (pipe(fds) != 0)
        return;
    close(fds[0]);
    file_write_full(fds[1], "x", 1, "-");
}

static void
fork_writing(void *arg)
{
    pid_t pid;

    begin_output(arg);
    pid = fork();
    if (pid == 0)
        exit(0);
    waitpid(pid, NULL, 0);
    _exit(entries("s") == 1 ? 0 : 96); /* the child has not removed it */
}

static void
test_early_ends(void)
{
    char err[500], path[] = "s/x";

    file_mkdirs("s");
    is_int(in_child(die_writing, path, NULL, err, sizeof err), 3, "die while writing");
    is_int(entries("s"), 0, "leaves no file");
    is_int(in_child(signal_writing, path, NULL, err, sizeof err), 256 + SIGTERM, "SIGTERM while writing");
    is_int(entries("s"), 0, "leaves no file");
    is_int(in_child(pipe_writing, path, NULL, err, sizeof err), 256 + SIGPIPE,
           "a closed pipe ends by SIGPIPE even where that is ignored");
    is_str(err, "", "silently");
    is_int(entries("s"), 0, "and leaves no file");
    is_int(in_child(fork_writing, path, NULL, err, sizeof err), 0, "a child removes nothing of its parent's");
}

static void
stop_twice(void *arg)
{
    (void)arg;
    sys_catch_stop();
    raise(SIGTERM);
    raise(SIGTERM); /* an echo of the launcher */
    if (sys_stop_signal() != SIGTERM)
        _exit(1);
    usleep(300000);
    raise(SIGTERM);
}

static void
test_stop(void)
{
    char err[100];

    is_int(in_child(stop_twice, NULL, NULL, err, sizeof err), 256 + SIGTERM,
           "a stop signal sets a flag, its echo too, a second one ends the process");
    ok(sys_stop_signal() == 0, "none here");
    ok(sys_memory_available() > 1 << 20 && sys_memory_peak() >= sys_memory_resident() / 2 &&
           sys_memory_resident() > 100000, "memory figures");
}

static void
test_log(void)
{
    log_begin("ignored");
    ok(!log_enabled() && log_end() == 0, "without a sink nothing is logged");
    ok(log_open("-") == -1 && err_status() == STATUS_USAGE, "- is no log");
    log_open("log");
    log_begin("step");
    log_int("step", 3);
    log_real("loss", 0.1);
    log_real("bad", (double)__builtin_nanf(""));
    log_str("text", "a\"b");
    log_bool("yes", true);
    log_json("list", "[1]");
    ok(log_end() == 0 && log_close() == 0, "a line is written");
    ok(holds("log", "{\"event\":\"step\",\"step\":3,\"loss\":0.1,\"bad\":null,"
                    "\"text\":\"a\\\"b\",\"yes\":true,\"list\":[1]}\n"), "as JSON");
    log_open("/dev/full");
    log_begin("x");
    ok(log_end() == -1 && strstr(err_text(), "/dev/full"), "a full disk is an error");
    log_close();
}

int
main(void)
{
    test_outfile();
    test_descriptor();
    test_nonblocking();
    test_load();
    test_early_ends();
    test_stop();
    test_log();
    return done();
}

#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/*
 * Files over read(2) and write(2). "-" is standard input or output. Interrupted
 * and short calls are completed. Errors name the path.
 */

/* Opens for reading; "-" is a duplicate of standard input. fd or -1. */
int file_open_read(const char *path);

/*
 * Returns 0 when fd can be read or is at its end, calling threads_poll (base/threads.h) once and
 * about every 100 ms until then: other ranks that wait for this one learn that it lives. At
 * once when nobody set threads_hook and no stop signal is caught. -1 (STATUS_FAILED) when a caught stop
 * signal (base/sys.h) came while there was nothing to read: who fed us may stall for ever.
 */
int file_await(int fd);

/* Reads until n bytes or the end of file; bytes read, or -1. */
ssize_t file_read_full(int fd, void *buf, size_t n, const char *path);
ssize_t file_pread_full(int fd, void *buf, size_t n, uint64_t offset, const char *path);

/* Writes all. 0 or -1. EPIPE ends the process by SIGPIPE, silently. */
int file_write_full(int fd, const void *buf, size_t n, const char *path);
int file_pwrite_full(int fd, const void *buf, size_t n, uint64_t offset, const char *path);

/*
 * open (close-on-exec, mode 0666 where it creates), fsync and close for files that must be
 * durable: interrupted calls are made again, every failure is one. fd or -1; 0 or -1.
 */
int file_open(const char *path, int flags);
int file_sync(int fd, const char *path);
int file_close(int fd, const char *path);

/* The whole file, at most `limit` bytes (more: STATUS_INPUT). 0 or -1. */
int file_load(const char *path, size_t limit, struct str *out);

/* Writes `data` to path beside and renamed, fsynced. 0 or -1. */
int file_store(const char *path, const void *data, size_t n);

bool file_exists(const char *path);
bool file_exists_in(const char *dir, const char *name);
bool file_is_dir(const char *path);
bool file_is_regular(const char *path);         /* links are followed */
int file_mkdirs(const char *path);              /* mkdir -p; 0 or -1 */
int file_sync_dir(const char *path);            /* fsync of a directory; 0 or -1 */
int file_remove_tree(const char *path);         /* rm -r, does not follow links; 0 or -1 */
char *file_join(const char *dir, const char *name); /* allocated "dir/name" */

/*
 * An output that appears only when whole: a regular file is written beside
 * (".NAME.tmp-PID") and renamed; "-" is standard output; an existing FIFO, device
 * or /dev/fd/N is written directly. Unfinished files are removed by die(), at
 * exit and by the termination signals once file_remove_on_signals() was called.
 */
struct outfile {
    int fd;
    char *path, *temp; /* temp NULL: written directly */
    uint64_t written;
};

/* binary: refuses a terminal with STATUS_USAGE. 0 or -1. */
int outfile_open(struct outfile *f, const char *path, bool binary);
int outfile_write(struct outfile *f, const void *buf, size_t n);
int outfile_commit(struct outfile *f);  /* fsync, close, rename; 0 or -1 */
void outfile_abandon(struct outfile *f); /* removes what was written beside */

/* Installs handlers (TERM, INT, HUP, QUIT) that remove unfinished files and re-raise. */
void file_remove_on_signals(void);

/* Paths to remove if the process ends early; file_forget when it is done with. */
void file_remember(const char *path);
void file_forget(const char *path);

/* Removes every remembered path (async-signal-safe). */
void file_remove_remembered(void);

/* An unlinked temporary file in dir ($LLM_TMPDIR, $TMPDIR or /tmp when NULL). fd or -1. */
int file_temporary(const char *dir);
const char *file_tmpdir(const char *dir); /* the directory that call would use */
uint64_t file_free_space(const char *dir);

#endif

#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A meter on stderr: "tokenize  1.2 GB  35 MB/s  0:42 left". Shown when stderr
 * is a terminal of the foreground process group (or forced), a few times a
 * second, erased at the end. One at a time; calls are cheap and thread-safe.
 */
enum progress_unit { PROGRESS_BYTES, PROGRESS_COUNT };

/* total 0: unknown. force: -1 auto, 0 off, 1 on. */
void progress_start(const char *what, uint64_t total, enum progress_unit unit, int force);
void progress_add(uint64_t n);
void progress_set(uint64_t done);
void progress_note(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* text behind the figures */
void progress_end(void);

/* Takes the meter off the line, so that a message can stand there; it comes back by itself. */
void progress_erase(void);

#endif

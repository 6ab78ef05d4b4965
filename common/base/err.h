#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

/*
 * How code in common/ fails: it returns -1 (or NULL) and leaves one line of
 * context plus a status class here, in a record of the calling thread. Only
 * cmd/ prints and exits (base/die.h). A worker's record travels with its job
 * (base/threads.h does this).
 *
 * The line reads "file: place: fact", lower case, no full stop, for example
 * "a.shard: block 3: offset 1048576: ids hash differs".
 */

/* Exit status of every tool; the first four are also error classes. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,    /* a file cannot be opened, I/O, resources, a peer died */
    STATUS_USAGE = 2,     /* the command line */
    STATUS_INPUT = 3,     /* an input is corrupt, unsupported or does not fit */
    STATUS_DIFFERS = 4,   /* a comparison or threshold failed */
    STATUS_RESUMABLE = 75 /* stopped early, a checkpoint was written */
};

enum { ERR_TEXT_MAX = 1024 };

struct err {
    enum status status;
    char text[ERR_TEXT_MAX];
};

/* Records an error of class `status`; control bytes in the text are masked. Returns -1. */
int err_set(enum status status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Records STATUS_FAILED with ": strerror(errno)" appended. Returns -1. */
int err_sys(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Puts "text: " before the recorded line, keeping its class. Returns -1. */
int err_prefix(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The recorded line ("" when none) and its class (STATUS_OK when none). */
const char *err_text(void);
enum status err_status(void);

/* Forgets the record. */
void err_clear(void);

/* Moves the calling thread's record to *to, or sets it from *from. */
void err_take(struct err *to);
void err_give(const struct err *from);

/* Replaces control bytes (C0, DEL and, as UTF-8, C1) by '?': text from files reaches terminals. */
void err_mask(char *text);

#endif

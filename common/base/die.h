#ifndef BASE_DIE_H
#define BASE_DIE_H

#include <stdbool.h>

#include "base/err.h"

/*
 * Messages for people, on stderr, one write(2) each: "tool: [rank N: ]text\n",
 * control bytes masked. For cmd/ alone, but for die_out_of_memory (base/mem.h).
 */

/* Sets the name before every message; `name` must outlive the process. */
void die_set_tool(const char *name);

/* From now on messages carry "rank N: " (N < 0: no more). */
void die_set_rank(int rank);

/* Called by die() after printing, before exiting: llm-train stops all ranks there. */
void die_set_hook(void (*hook)(enum status status));

/*
 * Muted, die() prints nothing: of many ranks that fail alike one speaks. The hook may
 * still print die_last(), the text.
 */
void die_set_mute(bool mute);
const char *die_last(void);

/* 0: errors only (-q); 1: notes too (default); 2 and more: verbose (-v). */
void die_set_verbosity(int level);
int die_verbosity(void);

/* Prints and exits with `status`, having removed unfinished output files (base/file.h). */
void die(enum status status, const char *fmt, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* die() with the calling thread's error record. */
void die_err(void) __attribute__((noreturn));

/* Always printed / printed at verbosity >= 1 / at >= 2. */
void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Writes text to stdout (help, reports of common code); a failure ends the process. */
void print_text(const char *text);

/* Flushes and closes stdout, each checked (a full disk fails the tool), then exits. */
void finish(enum status status) __attribute__((noreturn));

#endif

#ifndef LLM_TRAIN_PAGE_H
#define LLM_TRAIN_PAGE_H

#include "cmd/embedded.h"

/* page.html, which stands in the program. */
extern const struct embedded_file page_files[];
extern const size_t page_files_count;

/*
 * --report FILE: one page with the curves of the runs whose logs these are, complete in itself: a browser
 * fetches nothing. A series of many steps is drawn by the mean, least and greatest of equal stretches. The
 * exit status; dies on a log that cannot be read.
 */
int page_write(const char *path, char **logs, int count);

/* --curve: loss and validation loss of the runs as text, as wide as the terminal. The exit status. */
int curve_print(char **logs, int count);

#endif

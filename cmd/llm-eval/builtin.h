#ifndef CMD_LLM_EVAL_BUILTIN_H
#define CMD_LLM_EVAL_BUILTIN_H

#include <stddef.h>

#include "base/str.h"

/*
 * The task and group files that are part of the program: tasks/NAME.json, which the build turns into C
 * (tasks/embed), in the order of their names.
 */
struct builtin_task {
    const char *name;
    const unsigned char *text;
    size_t n;
};
extern const struct builtin_task builtin_tasks[];
extern const size_t builtin_task_count;

/* The text of a task, or NULL. */
const char *task_builtin(const char *name, size_t *n);

/* For people: every task, by group, with what it is about. */
void task_builtin_list(struct str *out);

#endif

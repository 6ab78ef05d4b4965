#ifndef CMD_LLM_EVAL_BUILTIN_H
#define CMD_LLM_EVAL_BUILTIN_H

#include <stddef.h>

#include "base/str.h"
#include "cmd/embedded.h"

/* The task and group files that are part of the program: tasks/NAME.json. */
extern const struct embedded_file builtin_tasks[];
extern const size_t builtin_tasks_count;

/* The text of a task, or NULL. */
const char *task_builtin(const char *name, size_t *n);

/* For people: every task, by group, with what it is about. */
void task_builtin_list(struct str *out);

#endif

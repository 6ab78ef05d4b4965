#ifndef CMD_LLM_EVAL_BUILTIN_H
#define CMD_LLM_EVAL_BUILTIN_H

#include <stddef.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * The task files that are part of the program: tasks/NAME.json, which the build turns into C
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

/*
 * Appends the names of the tasks that a name stands for: the task's own, or those of a group
 * (japanese_leaderboard, english_six, llm_jp_eval). The number of them; 0: there is none of that name.
 */
typedef VEC(const char *) task_names;
size_t task_builtin_names(const char *name, task_names *out);

/* For people: every task, by group, with what it is about. */
void task_builtin_list(struct str *out);

#endif

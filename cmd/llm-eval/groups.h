#ifndef CMD_LLM_EVAL_GROUPS_H
#define CMD_LLM_EVAL_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/vec.h"
#include "cmd/llm-eval/scoreboard.h"
#include "json/json.h"

/*
 * A group of tasks as a file, llm-task(5):
 *
 *   {"group": NAME, "about": TEXT, "tasks": [TASK, …], "columns": [COLUMN, …], "average": "mean"}
 *
 * tasks: what --task NAME runs. columns (may be missing): the columns that a published table has, each
 * {"name": …, "scores": [{"task": …, "metric": …, "filter": …}, …], "scale": 1, "weight_by_size": false}: the
 * mean of these scores times scale, weighted by the number of samples if so said. average:
 * the plain mean of the columns as one more row.
 */
struct group {
    struct json_doc doc;
    const char *name;
    VEC(const char *) tasks;
};

/* Is this JSON object a group and not a task? */
bool group_is(const struct json_doc *doc);

/* Takes the document over. 0, or -1: STATUS_INPUT names the place. */
int group_parse(struct group *g, struct json_doc *doc);
void group_release(struct group *g);

/* Are the columns well formed, and of tasks that `known` knows? 0 or -1. */
int group_check(const struct group *g, bool (*known)(const void *arg, const char *task),
                const void *arg);

/* Appends its columns and average to the board that has its tasks' scores. 0, or -1: a score is missing. */
int group_scores(const struct group *g, struct scoreboard *b);

#endif

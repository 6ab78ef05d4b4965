#ifndef CMD_LLM_EVAL_SCOREBOARD_H
#define CMD_LLM_EVAL_SCOREBOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/opt.h"
#include "base/str.h"
#include "base/vec.h"

/* The scores of a run, and those of other models beside them: for people, as JSON lines, as Markdown. */
struct board_row {
    const char *task, *harness, *metric, *filter; /* a board's own: copies */
    int64_t version, shots, samples;
    double value, stderr_; /* stderr_: NaN where there is none */
    bool higher_is_better;
};

struct scoreboard {
    char *model;
    VEC(struct board_row) rows;
};

/* Strings are copied. */
void scoreboard_add(struct scoreboard *b, const struct board_row *row);
void scoreboard_release(struct scoreboard *b);

/*
 * JSON lines, a score each: {"model", "task", "version", "harness", "shots", "samples", "metric",
 * "filter", "value", "stderr" (null: none), "higher_is_better"}; and back. 0 or -1.
 */
void scoreboard_json(const struct scoreboard *b, struct str *out);
int scoreboard_load(struct scoreboard *b, const char *path);

/* A table; further boards are columns of values in the rows of the first, "-" where they have none. */
void scoreboard_text(const struct scoreboard *b, size_t boards, struct str *out);
void scoreboard_markdown(const struct scoreboard *b, size_t boards, struct str *out);

/*
 * --min-score TASK[/METRIC[/FILTER]]=X: the first score that fits must be at least X (at most, where
 * lower is better). 0, or -1: STATUS_USAGE (no such score), STATUS_DIFFERS (names the scores that fall short).
 */
int scoreboard_check(const struct scoreboard *b, const struct opt_list *minima);

#endif

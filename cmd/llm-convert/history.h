#ifndef CMD_LLM_CONVERT_HISTORY_H
#define CMD_LLM_CONVERT_HISTORY_H

#include "base/str.h"
#include "checkpoint/manifest.h"
#include "json/write.h"

/*
 * How a checkpoint was trained: options and layout from each step on, skipped steps, switches of
 * precision, and the command lines of llm-train that come to the same state from the start on.
 */

/* Puts "history", "skipped", "precisions" and "replay". */
void history_put(struct json_writer *w, const struct training_state *t, const char *path);

/* The same as lines for people. */
void history_text(struct str *out, const struct training_state *t, const char *path);

/* replay.c: appends the command lines, each ended by a line feed; `path` is the checkpoint's directory. */
void replay_commands(struct str *out, const struct training_state *t, const char *path);

int64_t history_ranks(const struct training_layout *l);

/* What an option was before entry `entry` of the history; NULL: it is new. */
const char *history_value_before(const struct training_state *t, size_t entry, const char *name);

#endif

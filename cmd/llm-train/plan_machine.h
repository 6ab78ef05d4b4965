#ifndef LLM_TRAIN_PLAN_MACHINE_H
#define LLM_TRAIN_PLAN_MACHINE_H

#include "cmd/llm-train/plan_time.h"

/*
 * The map of t's ranks on t->machine's network or --topology's, where there is one: links between
 * neighbours, and bytes × links of a step by axis, in rank order and by the map; and the map itself
 * into the file of --rank-map. A rank's bytes are spread over all ways between neighbours. On standard
 * output; with --json as member `map` of w instead. Dies on errors.
 */
struct json_writer;
void plan_machine_map(const struct trainer *t, const struct plan_time *time, struct json_writer *w);

#endif

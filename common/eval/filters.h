#ifndef EVAL_FILTERS_H
#define EVAL_FILTERS_H

#include <stdbool.h>

#include "base/str.h"
#include "eval/pyregex.h"
#include "eval/pystr.h"
#include "json/json.h"

/*
 * The "filters" of a task file: named chains of steps over an answer, as scores.h describes them.
 */

enum filter_function {
    FILTER_TAKE_FIRST,
    FILTER_REMOVE_WHITESPACE,
    FILTER_LOWERCASE,
    FILTER_REGEX,
    FILTER_MAP
};

struct filter_step {
    enum filter_function function;
    struct python_pattern *pattern; /* regex */
    int64_t group_select;
    struct piece fallback; /* regex, map: the document's */
    const json_t *mapping; /* map: the document's */
};

struct filter_chain {
    char *name;
    VEC(struct filter_step) steps;
    bool takes_first; /* the harness then has one answer, else a list of one */
};
typedef VEC(struct filter_chain) filter_chains;

/*
 * Reads "filters" (NULL: one chain "none"). `doc` must outlive the chains. 0, or -1: the place is
 * named.
 */
int filters_read(const struct json_doc *doc, const json_t *filters, filter_chains *out);
void filters_release(filter_chains *chains);

/*
 * The answer behind a chain, appended to *out. 0, or -1: STATUS_INPUT (a search that takes too
 * long).
 */
int filter_apply(const struct filter_chain *chain, struct piece answer, struct str *out);

#endif

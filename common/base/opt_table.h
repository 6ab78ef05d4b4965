#ifndef BASE_OPT_TABLE_H
#define BASE_OPT_TABLE_H

#include "base/opt.h"
#include "base/str.h"

/* Between opt.c and opt_help.c: walking a table and describing what is in it. */

static inline bool
opt_is_end(const struct opt *o)
{
    return o->type == OPT_GROUP && !o->help;
}

/* Does the option take an argument? */
bool opt_takes_argument(const struct opt *o);

/* The n-th of "a|b|c" into *length; NULL past the last. */
const char *opt_choice(const char *choices, int n, size_t *length);

/* What --help and --dump-options print. */
void opt_add_help(const struct opt_tool *tool, struct str *out);
void opt_add_dump(const struct opt_tool *tool, struct str *out);

/* The option that a misspelt name (without dashes) most likely meant, or NULL; allocated, with dashes. */
char *opt_nearest(const struct opt_tool *tool, const char *name);

#endif

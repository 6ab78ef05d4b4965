#include "archive/select.h"

#include <string.h>

#include "base/str.h"

/* --include and --exclude. */

static bool
match_name(const char *pattern, const char *name)
{
    const char *base = strrchr(name, '/');

    if (glob_match(pattern, name))
        return true;
    return base && !strchr(pattern, '/') && glob_match(pattern, base + 1);
}

static bool
match(const char *pattern, const char *const *names, size_t n, const char *joined)
{
    if (strchr(pattern, '!'))
        return glob_match(pattern, joined);
    for (size_t i = 0; i < n; i++)
        if (match_name(pattern, names[i]))
            return true;
    return false;
}

static bool
match_any(const char *const *patterns, size_t count, const char *const *names, size_t n,
          const char *joined)
{
    for (size_t i = 0; i < count; i++)
        if (match(patterns[i], names, n, joined))
            return true;
    return false;
}

bool
select_container(const struct select *s, const char *const *names, size_t n, const char *joined)
{
    return !match_any(s->exclude, s->excludes, names, n, joined);
}

bool
select_leaf(const struct select *s, const char *const *names, size_t n, const char *joined)
{
    if (match_any(s->exclude, s->excludes, names, n, joined))
        return false;
    return !s->includes || match_any(s->include, s->includes, names, n, joined);
}

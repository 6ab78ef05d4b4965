#include "cmd/llm-tokenize/filelist.h"

#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/vec.h"

/* Operands, and --files-from. */

const char *const *
filelist(char **operands, size_t n, const char *path, bool null, size_t *count)
{
    static struct str list; /* the names lie in it */
    VEC(const char *) names = {0};
    bool from_stdin = path && !strcmp(path, "-");

    for (size_t i = 0; i < n; i++)
        vec_push(&names, operands[i]);
    if (path && file_load(path, SIZE_MAX / 2, &list))
        return NULL;
    str_reserve(&list, 0); /* for an end of its own */
    for (char *p = list.data, *end = p + list.len, *stop; p < end; p = stop + 1) {
        stop = memchr(p, null ? '\0' : '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        *stop = '\0';
        if (strlen(p) != (size_t)(stop - p)) {
            err_set(STATUS_INPUT, "%s: a NUL in a name (--null?)", path);
            return NULL;
        }
        if (stop > p)
            vec_push(&names, p);
    }
    for (size_t i = 0; i < names.len && from_stdin; i++)
        if (!strcmp(names.data[i], "-")) {
            err_set(STATUS_USAGE, "standard input is the list of files, it cannot be one of them");
            return NULL;
        }
    if (path && !names.len) {
        err_set(STATUS_INPUT, "%s: names no file", path);
        return NULL;
    }
    if (!names.len)
        vec_push(&names, "-");
    *count = names.len;
    return names.data;
}

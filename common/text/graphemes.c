#include "text/graphemes.h"

#include <utf8proc.h>

#include "text/classes.h"

size_t
grapheme_end(const char *s, size_t n, size_t at)
{
    size_t used;
    utf8proc_int32_t state = 0;
    utf8proc_int32_t last = (utf8proc_int32_t)text_peek(s + at, &used);
    for (at += used; at < n; at += used) {
        utf8proc_int32_t next = (utf8proc_int32_t)text_peek(s + at, &used);
        if (utf8proc_grapheme_break_stateful(last, next, &state))
            break;
        last = next;
    }
    return at;
}

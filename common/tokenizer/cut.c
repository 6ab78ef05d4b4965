#include "tokenizer/cut.h"

#include <stdbool.h>

/* Kernels and scanners take turns; while the text is not ASCII the scanner goes on alone. */

static bool
is_foreign(const char *text, size_t at, size_t n)
{
    return (text[at] | (at + 1 < n ? text[at + 1] : 0)) & 0x80;
}

size_t
cut_pieces(const struct pattern *p, const struct text_kernels *k, const uint16_t *classes,
           const char *text, size_t at, size_t n, uint32_t *ends, size_t max)
{
    size_t count = 0;
    while (at < n && max - count > TEXT_SCAN_LEAST) {
        size_t more = k->scan[p->scan](text, at, n, ends + count, max - count);
        count += more;
        if (more)
            at = ends[count - 1];
        if (at == n)
            break;
        do {
            at = p->next(classes, text, at, n);
            ends[count++] = (uint32_t)at;
        } while (at < n && count < max && is_foreign(text, at, n));
    }
    return count;
}

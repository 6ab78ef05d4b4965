#include <stdbool.h>
#include <string.h>

#include "store_state.h"

/* Least significant digit first, 11 bits at a time; digits that are all alike are passed over. */
void
sort_by_key(struct sort_item *items, struct sort_item *room, size_t n)
{
    enum { BITS = 11, DIGITS = 1 << BITS, PASSES = 6 };
    static size_t count[PASSES][DIGITS];
    struct sort_item *from = items, *to = room;
    memset(count, 0, sizeof count);
    for (size_t i = 0; i < n; i++)
        for (int p = 0; p < PASSES; p++)
            count[p][items[i].key >> p * BITS & (DIGITS - 1)]++;
    for (int p = 0; p < PASSES; p++) {
        size_t sum = 0;
        bool alike = false;
        for (size_t d = 0; d < DIGITS; d++) {
            size_t here = count[p][d];
            alike |= here == n;
            count[p][d] = sum;
            sum += here;
        }
        if (alike)
            continue;
        for (size_t i = 0; i < n; i++)
            to[count[p][from[i].key >> p * BITS & (DIGITS - 1)]++] = from[i];
        struct sort_item *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, n * sizeof *items);
}

/* Looking up files that are part of a program. */
#include "cmd/embedded.h"

#include <string.h>

const struct embedded_file *
embedded_find(const struct embedded_file *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* Names that differ in a third of their letters are not meant; of those it begins, the first is. */
const char *
embedded_nearest(const struct embedded_file *table, size_t count, const char *name)
{
    unsigned best = (unsigned)strlen(name) / 3 + 2;
    const char *nearest = NULL;

    for (size_t i = 0; i < count; i++) {
        unsigned distance = *name && str_starts(table[i].name, name) ? 1 : edit_distance(name, table[i].name);

        if (distance < best) {
            best = distance;
            nearest = table[i].name;
        }
    }
    return nearest;
}

void
embedded_add_names(const struct embedded_file *table, size_t count, struct str *out)
{
    for (size_t i = 0; i < count; i++)
        str_addf(out, "%s%s", i ? " " : "", table[i].name);
}

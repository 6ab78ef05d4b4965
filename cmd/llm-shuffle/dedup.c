#include <inttypes.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "shuffle.h"

/*
 * Exact duplicates by the hash of the text: a table of hash and first document, 16
 * bytes a slot, at most two thirds full. It lies outside --memory.
 */
struct slot {
    uint64_t hash;
    uint64_t first; /* source << 48 | ordinal, plus 1; 0: free */
};

static struct slot *table;
static size_t slots, used;
static struct outfile report_file;
static struct str line;

static uint64_t
identity(const struct document *d)
{
    return ((uint64_t)d->source << 48 | d->ordinal) + 1;
}

/* Where the hash is, or the free slot where it would be. */
static struct slot *
find(uint64_t hash)
{
    size_t i = (size_t)hash64_seeded(&hash, sizeof hash, hash64("dedup", 5)) & (slots - 1);
    while (table[i].first && table[i].hash != hash)
        i = (i + 1) & (slots - 1);
    return &table[i];
}

static void
grow(void)
{
    struct slot *old = table;
    size_t count = slots;
    slots = slots ? 2 * slots : 1 << 12;
    table = mem_zarray(slots, sizeof *table);
    for (size_t i = 0; i < count; i++)
        if (old[i].first)
            *find(old[i].hash) = old[i];
    free(old);
}

static void
add_quoted(const char *text)
{
    str_addc(&line, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            str_addc(&line, '\\');
        if ((unsigned char)*text < 0x20)
            str_addf(&line, "\\u%04x", (unsigned)*text);
        else
            str_addc(&line, *text);
    }
    str_addc(&line, '"');
}

/* One JSON line: the duplicate, and the document that is kept. Ordinals count from 0. */
static int
write_report(const struct inputs *in, const struct document *d, uint64_t first)
{
    if (!settings.dedup_report)
        return 0;
    str_clear(&line);
    str_adds(&line, "{\"source\":");
    add_quoted(in->sources.data[d->source].name);
    str_addf(&line, ",\"document\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"hash\":\"%016" PRIx64
             "\",\"kept_source\":", d->ordinal, d->bytes, d->hash);
    add_quoted(in->sources.data[(first - 1) >> 48].name);
    str_addf(&line, ",\"kept_document\":%" PRIu64 "}\n", (first - 1) & ((UINT64_C(1) << 48) - 1));
    return outfile_write(&report_file, line.data, line.len);
}

int
dedup_see(const struct inputs *in, const struct document *d)
{
    if (settings.dedup == DEDUP_NONE)
        return 0;
    if (used * 3 >= slots * 2)
        grow();
    struct slot *s = find(d->hash);
    if (s->first)
        return write_report(in, d, s->first) ? -1 : 1;
    *s = (struct slot){d->hash, identity(d)};
    used++;
    return 0;
}

bool
dedup_is_kept(const struct document *d)
{
    return settings.dedup == DEDUP_NONE || find(d->hash)->first == identity(d);
}

int
dedup_open(void)
{
    return settings.dedup_report ? outfile_open(&report_file, settings.dedup_report, false) : 0;
}

int
dedup_close(void)
{
    free(table);
    table = NULL;
    slots = used = 0;
    str_release(&line);
    return settings.dedup_report ? outfile_commit(&report_file) : 0;
}

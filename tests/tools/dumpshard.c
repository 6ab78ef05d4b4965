/*
 * Prints a shard's documents, a line each: source, bytes and hash of the text, ids
 * (with ! behind an id whose loss is off). Blocks and segments do not show.
 * A file of "-" is standard input.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/die.h"
#include "shard/reader.h"

static void
print_span(const struct shard_reader *r, const struct shard_block *b, const struct shard_span *s)
{
    if (s->flags & SPAN_PADDING)
        fputs("padding", stdout);
    if (s->flags & SPAN_BEGINS)
        printf("%s %" PRIu64 " %016" PRIx64, shard_reader_source_at(r, s->source)->name, s->bytes,
               s->hash);
    for (uint32_t i = s->first; i < s->first + s->tokens; i++)
        printf(" %" PRIu32 "%s", b->ids[i], b->loss && !b->loss[i] ? "!" : "");
    if (s->flags & (SPAN_ENDS | SPAN_PADDING))
        putchar('\n');
}

int
main(int argc, char **argv)
{
    die_set_tool("dumpshard");
    for (int i = 1; i < argc; i++) {
        struct shard_reader *r = shard_reader_open(argv[i], -1);
        struct shard_block b;
        int got = 0;
        while (r && (got = shard_reader_next(r, &b)) > 0)
            for (uint32_t k = 0; k < b.spans; k++)
                print_span(r, &b, &b.span[k]);
        if (!r || got < 0)
            die_err();
        shard_reader_close(r);
    }
    finish(STATUS_OK);
}

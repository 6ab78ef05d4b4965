#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "shuffle.h"

/* --verify: every frame, hash and count of each shard; a line each on standard output. */

static const char *
shown(const struct operand *o)
{
    return strcmp(o->path, "-") == 0 ? "standard input" : o->path;
}

static enum status
verify_one(const struct operand *o)
{
    struct shard_reader *r = shard_reader_open(o->path, -1);
    struct shard_block b;
    int got = r ? 1 : -1;
    if (r && settings.threads > 1)
        shard_reader_threads(r, settings.threads);
    while (got > 0)
        got = shard_reader_next(r, &b);
    if (got < 0) {
        const char *fact = err_text();
        size_t n = strlen(shown(o));
        if (strncmp(fact, shown(o), n) == 0 && strncmp(fact + n, ": ", 2) == 0)
            fact += n + 2;
        printf("%s: %s: %s\n", shown(o), err_status() == STATUS_INPUT ? "corrupt" : "unreadable",
               fact);
        warn("%s", err_text());
        shard_reader_close(r);
        return err_status();
    }
    const struct shard_totals *t = shard_reader_totals(r);
    printf("%s: ok: %" PRIu64 " blocks, %" PRIu64 " documents, %" PRIu64 " bytes, %" PRIu64
           " tokens, chain %016" PRIx64, shown(o), t->blocks, t->documents, t->bytes, t->tokens,
           t->chain);
    if (shard_reader_foreign(r))
        printf(", %" PRIu64 " foreign frames", shard_reader_foreign(r));
    putchar('\n');
    shard_reader_close(r);
    return STATUS_OK;
}

int
run_verify(struct inputs *in)
{
    enum status worst = STATUS_OK;
    for (size_t i = 0; i < in->count; i++) {
        enum status status = verify_one(&in->operands[i]);
        worst = status > worst ? status : worst;
    }
    finish(worst);
}

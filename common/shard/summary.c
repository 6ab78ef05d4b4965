#include "shard/reader.h"

#include <stdlib.h>

#include "base/mem.h"
#include "shard/index.h"

/* What a file says about itself: its tails and heads, no block. */
int
shard_summarize(const char *path, struct shard_summary *out)
{
    struct shard_index x;
    if (shard_index_open(&x, path) != 0)
        return -1;
    *out = (struct shard_summary){
        .totals = x.totals,
        .sources = x.sources.data,
        .source_count = x.sources.len,
        .segments = x.segments.len,
        .file_bytes = x.file_bytes,
    };
    head_copy(&out->head, &x.segments.data[0].head);
    x.sources.data = NULL; /* now the summary's */
    x.sources.len = x.sources.cap = 0;
    shard_index_close(&x);
    return 0;
}

void
shard_summary_release(struct shard_summary *s)
{
    for (size_t i = 0; i < s->source_count; i++) {
        free(s->sources[i].name);
        free(s->sources[i].language);
    }
    free(s->sources);
    free(s->head.provenance);
    *s = (struct shard_summary){0};
}

#include "cmd/llm-tokenize/count.h"

#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "json/write.h"
#include "shard/reader.h"

/* --count of shards: their sources' totals, every block checked on the way. */

int
count_write(struct outfile *out, const struct count *c)
{
    struct str line = {0};
    struct json_writer w = {.out = &line};

    json_begin_object(&w, NULL);
    json_put_string(&w, "source", c->source);
    json_put_string(&w, "language", c->language);
    json_put_uint(&w, "documents", c->documents);
    json_put_uint(&w, "bytes", c->bytes);
    if (c->has_tokens)
        json_put_uint(&w, "tokens", c->tokens);
    else
        json_put_null(&w, "tokens");
    json_end_object(&w);
    str_addc(&line, '\n');
    int r = outfile_write(out, line.data, line.len);
    str_release(&line);
    return r;
}

/* Sources by name, in order of first use. */
struct counts VEC_BODY(struct count);

static void
add_source(struct counts *all, const struct shard_source *s)
{
    struct count new = {.has_tokens = true};
    struct count *c = NULL;

    for (size_t i = 0; i < all->len && !c; i++)
        if (!strcmp(all->data[i].source, s->name))
            c = &all->data[i];
    if (!c) {
        new.source = mem_strdup(s->name);
        new.language = mem_strdup(s->language);
        vec_push(all, new);
        c = &all->data[all->len - 1];
    }
    c->documents += s->documents;
    c->bytes += s->bytes;
    c->tokens += s->tokens;
}

static int
count_shard(struct counts *all, const char *path)
{
    struct shard_reader *r = shard_reader_open(path, -1);
    struct shard_block block;
    int more;

    if (!r)
        return -1;
    shard_reader_skip_ids(r, true);
    while ((more = shard_reader_next(r, &block)) > 0)
        ;
    for (size_t i = 0; more == 0 && i < shard_reader_sources(r); i++)
        add_source(all, shard_reader_source_at(r, i));
    shard_reader_close(r);
    return more;
}

int
count_shards(void)
{
    struct outfile out;
    struct counts all = {0};
    int r = 0;

    if (outfile_open(&out, options.output, false))
        return -1;
    for (size_t i = 0; i < options.operand_count && !r; i++)
        r = count_shard(&all, options.operands[i]);
    for (size_t i = 0; i < all.len && !r; i++)
        r = count_write(&out, &all.data[i]);
    if (r)
        outfile_abandon(&out);
    else
        r = outfile_commit(&out);
    vec_release(&all);
    return r;
}

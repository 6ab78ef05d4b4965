#include "shard/block.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"

static void
make_room(struct block_buffer *b)
{
    size_t tokens = b->fields.tokens;
    if (b->content && b->room >= tokens)
        return;
    free(b->content);
    free(b->ids);
    b->room = tokens < SHARD_BLOCK_TOKENS ? SHARD_BLOCK_TOKENS : tokens;
    b->content = mem_array(b->room, 3);
    b->ids = b->packed ? NULL : mem_array(b->room, sizeof *b->ids);
}

int
block_buffer_decode(struct block_buffer *b, const struct shard_head *head, struct codec *codec)
{
    uint32_t tokens = b->fields.tokens;
    size_t n = (size_t)tokens * head->width;
    if (hash64(b->data.data, b->data.len) != b->fields.data_hash)
        return err_set(STATUS_INPUT, "hash of the data frame differs");
    if (!codec)
        return 0;
    make_room(b);
    if (codec_decompress(codec, b->data.data, b->data.len, b->content, n) != 0)
        return -1;
    if (hash64(b->content, n) != b->fields.ids_hash)
        return err_set(STATUS_INPUT, "hash of the ids differs");
    uint32_t largest = ids_largest(b->content, tokens, head->width);
    if (tokens && largest >= head->vocabulary)
        return err_set(STATUS_INPUT, "id %u is not below the vocabulary %u", largest,
                       head->vocabulary);
    if (!b->packed)
        ids_unpack(b->content, tokens, head->width, b->ids);
    return 0;
}

void
block_buffer_release(struct block_buffer *b)
{
    span_table_release(&b->table);
    str_release(&b->data);
    free(b->content);
    free(b->ids);
}

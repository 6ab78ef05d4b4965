/* The compression library that shards are made with. */
#include "shard/format.h"

#include <zstd.h>

const char *
shard_zstd_version(void)
{
    return ZSTD_versionString();
}

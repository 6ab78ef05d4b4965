#ifndef ARCHIVE_SNIFF_H
#define ARCHIVE_SNIFF_H

#include <stdbool.h>
#include <stddef.h>

/* What a stream of bytes is, by its first bytes; names and suffixes play no part. */
enum content {
    CONTENT_DATA,  /* none of the following: a document, or something to skip */
    CONTENT_SHARD, /* an llm-shard(5) */
    CONTENT_GZIP,
    CONTENT_BZIP2,
    CONTENT_XZ,
    CONTENT_ZSTD,
    CONTENT_TAR,
    CONTENT_ZIP,
    CONTENT_AR
};

enum { SNIFF_BYTES = 512 }; /* as many bytes are looked at */

enum content sniff(const void *head, size_t n);

/* Is it a compressed stream of no bytes? To tell one from a stream that breaks at once. */
bool sniff_is_empty(enum content c, const void *head, size_t n);

/* One compressed stream, as opposed to an archive of named members. */
bool content_is_filter(enum content c);
bool content_is_archive(enum content c);

/* "gzip", "tar", ... for messages. */
const char *content_name(enum content c);

#endif

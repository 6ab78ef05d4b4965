#ifndef ARCHIVE_GUNZIP_H
#define ARCHIVE_GUNZIP_H

#include <stddef.h>
#include <sys/types.h>

/*
 * The members of a gzip stream (RFC 1952) one after the other, over zlib.
 * libarchive's own filter checks neither the CRC nor the length and takes a short
 * file cut in its trailer for an empty one.
 */
struct gunzip;

/* read gives up to n bytes, 0 at the end, -1 on error, which is passed on. */
struct gunzip *gunzip_open(ssize_t (*read)(void *arg, void *buf, size_t n), void *arg);

/* Bytes given out, 0 at the end, -1 on error; *error is what is wrong, NULL when read failed. */
ssize_t gunzip_read(struct gunzip *g, void *buf, size_t n, const char **error);
void gunzip_close(struct gunzip *g);

#endif

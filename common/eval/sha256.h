#ifndef EVAL_SHA256_H
#define EVAL_SHA256_H

#include <stddef.h>

/* SHA-256 (FIPS 180-4) of a text as 64 lower-case hexadecimal digits and NUL; returns out. */
char *sha256_hex(const void *data, size_t n, char out[65]);

#endif

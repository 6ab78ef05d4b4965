#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"
#include "base/utf8.h"

/*
 * What the fuzz targets share. A target is one function over bytes, which libFuzzer
 * calls (make fuzz: tests/fuzz/run), and so does replay.c with the files it is given
 * (make check: every finding that was mended lies in tests/fuzz/corpus/TARGET). It
 * aborts when what comes out is wrong; AddressSanitizer and UBSan see to the rest.
 * First inputs are made by seeds.py.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define must(condition)                                                                \
    ((condition) ? (void)0                                                             \
                 : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition), abort()))

/* A copy that ends where the sanitizer looks. */
static inline char *
fuzz_copy(const void *data, size_t n)
{
    char *p = calloc(n ? n : 1, 1);

    if (n)
        memcpy(p, data, n);
    return p;
}

/* An error has a line and a class. */
static inline void
fuzz_error(void)
{
    must(*err_text() && err_status() != STATUS_OK);
    err_clear();
}

static inline void
fuzz_utf8(const struct str *s)
{
    must(!s->len || utf8_valid(s->data, s->len) == s->len);
}

#endif

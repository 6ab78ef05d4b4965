/*
 * Times a tokenizer for tests/bench/tokenize_peers.py.
 *
 *     tokenizer_bench TOKENIZER FILE PASSES
 *
 * FILE holds documents (u32 length, bytes), all of which are read first. Prints one
 * line: user seconds to load the tokenizer, then of each pass over all documents by
 * one thread, then the number of ids and the kB of memory beyond the texts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/bytes.h"
#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "tokenizer/tokenizer.h"

static struct rusage
usage(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return u;
}

static double
user_seconds(void)
{
    struct rusage u = usage();

    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

static size_t
encode_all(const struct tokenizer *t, struct tokenizer_scratch *s, const struct str *texts)
{
    struct ids ids = {0};
    size_t tokens = 0;

    for (size_t at = 0; at + 4 <= texts->len;) {
        size_t n = load_u32(texts->data + at);
        if (n > texts->len - at - 4)
            die(STATUS_INPUT, "a document ends beyond the file");
        vec_clear(&ids);
        if (tokenizer_encode(t, s, texts->data + at + 4, n, 0, &ids) < 0)
            die_err();
        tokens += ids.len;
        at += 4 + n;
    }
    vec_release(&ids);
    return tokens;
}

int
main(int argc, char **argv)
{
    struct str texts = {0};
    size_t tokens = 0;

    die_set_tool("tokenizer_bench");
    if (argc != 4)
        die(STATUS_USAGE, "expected TOKENIZER FILE PASSES");
    if (file_load(argv[2], (size_t)1 << 40, &texts))
        die_err();
    long before = usage().ru_maxrss;
    double begin = user_seconds();
    struct tokenizer *t = tokenizer_load(argv[1]);
    if (!t)
        die_err();
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    printf("%.4f", user_seconds() - begin);
    for (long i = strtol(argv[3], NULL, 10); i > 0; i--) {
        begin = user_seconds();
        tokens = encode_all(t, s, &texts);
        printf(" %.4f", user_seconds() - begin);
    }
    printf(" %zu %ld\n", tokens, usage().ru_maxrss - before);
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    str_release(&texts);
    finish(STATUS_OK);
}

/*
 * Lists the leaves of its operands, a line each: bytes, place (and " shard"). What
 * cannot be read is a line "error STATUS: …", after which it goes on. Limits by
 * environment: RATIO, DEPTH, MEMBERS; globs: INCLUDE, EXCLUDE (one each).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/input.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

static uint64_t
limit(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);
    uint64_t value;

    return text && parse_count(text, &value) == 0 ? value : fallback;
}

static void
print_error(void)
{
    printf("error %d: %s\n", (int)err_status(), err_text());
    err_clear();
}

int
main(int argc, char **argv)
{
    static char buf[100000];
    const char *include = getenv("INCLUDE"), *exclude = getenv("EXCLUDE");
    struct input_options o = {
        .limits = {limit("RATIO", INPUT_MAX_RATIO), limit("DEPTH", INPUT_MAX_DEPTH),
                   limit("MEMBERS", INPUT_MAX_MEMBERS)},
        .select = {&include, &exclude, include != NULL, exclude != NULL},
    };
    struct input *in = input_open((const char *const *)argv + 1, (size_t)argc - 1, &o);
    int r;

    while ((r = input_next(in)) != 0) {
        ssize_t n = 0;
        uint64_t bytes = 0;
        if (r < 0) {
            print_error();
            continue;
        }
        char *path = mem_strdup(input_path(in));
        bool shard = input_is_shard(in);
        while ((n = input_read(in, buf, sizeof buf)) > 0)
            bytes += (uint64_t)n;
        if (n < 0)
            print_error();
        else
            printf("%" PRIu64 " %s%s\n", bytes, path, shard ? " shard" : "");
        free(path);
    }
    input_close(in);
    return 0;
}

/* Archives in each other: leaves are read or refused with a line, and the reading goes on. */
#include <unistd.h>

#include "archive/input.h"
#include "tests/fuzz/fuzz.h"

enum { LEAF_MAX = 4 << 20, LEAVES = 200, ERRORS = 200 };

static void
read_leaf(struct input *in)
{
    char buf[4096];
    ssize_t got = 1;

    must(*input_path(in));
    for (size_t total = 0; got > 0 && total < LEAF_MAX; total += got > 0 ? (size_t)got : 0)
        got = input_read(in, buf, sizeof buf);
    if (got < 0)
        fuzz_error();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static char path[64];
    const char *operand = path;
    struct input_options o = {.limits = {100, 4, 100}};
    int r = 1, errors = 0;

    if (!*path)
        snprintf(path, sizeof path, "/dev/shm/fuzz-%ld", (long)getpid());
    FILE *f = fopen(path, "w");
    must(f && fwrite(data, 1, n, f) == n && !fclose(f));
    struct input *in = input_open(&operand, 1, &o);
    for (int i = 0; i < LEAVES && errors < ERRORS && (r = input_next(in)) != 0; i++) {
        if (r > 0)
            read_leaf(in);
        else
            fuzz_error();
        errors += r < 0;
    }
    input_close(in);
    unlink(path);
    return 0;
}

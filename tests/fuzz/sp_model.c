/* SentencePiece's .model: loads or is refused with a line; what loads encodes and decodes. */
#include <unistd.h>

#include "base/file.h"
#include "tests/fuzz/encode.h"

/* Models are loaded from files. */
static struct tokenizer *
load(const uint8_t *data, size_t n)
{
    static char path[64];
    if (!*path)
        snprintf(path, sizeof path, "/dev/shm/fuzz-%ld.model", (long)getpid());
    FILE *f = fopen(path, "w");
    must(f && fwrite(data, 1, n, f) == n && !fclose(f));
    struct tokenizer *t = tokenizer_load(path);
    unlink(path);
    return t;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    size_t tail = fuzz_tail(data, n);
    struct tokenizer *t = load(data + 2, n - 2 - tail);
    return fuzz_tokenizer(t, data + n - tail, tail);
}

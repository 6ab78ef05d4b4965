/* A safetensors file: refused with a line, or all its tensors are found and read, none outside it. */
#include <sys/mman.h>
#include <unistd.h>

#include "checkpoint/safetensors.h"
#include "tests/fuzz/fuzz.h"

static void
read_all(const struct safetensors *s, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct tensor_info *t = &s->tensor[i];
        uint64_t size = t->end - t->begin;
        char last;
        must(t->begin == bytes && t->end >= t->begin);
        bytes = t->end;
        must(safetensors_find(s, t->name) == t);
        must(size == 0 || safetensors_read(s, t, size - 1, &last, 1) == 0);
        must(safetensors_read(s, t, size, &last, 1) < 0);
        fuzz_error();
        if (dtype_is_real(t->dtype) && t->elements > 0) {
            float x;
            must(safetensors_read_float(s, t, t->elements - 1, 1, &x) == 0);
        }
    }
    must(s->header + bytes == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char path[64];
    struct safetensors s;
    int fd = memfd_create("safetensors", MFD_CLOEXEC);
    must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (safetensors_open(&s, path) < 0)
        fuzz_error();
    else
        read_all(&s, n);
    safetensors_close(&s);
    close(fd);
    return 0;
}

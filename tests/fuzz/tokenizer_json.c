/* tokenizer.json: loads or is refused with a line; what loads encodes and decodes. */
#include "tests/fuzz/encode.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    size_t tail = fuzz_tail(data, n);
    char *json = fuzz_copy(data + 2, n - 2 - tail);
    struct tokenizer *t = tokenizer_load_json("t.json", json, n - 2 - tail);
    free(json);
    return fuzz_tokenizer(t, data + n - tail, tail);
}

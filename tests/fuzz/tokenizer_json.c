/* tokenizer.json: loads or is refused with a line; what loads encodes and decodes. */
#include "tests/fuzz/encode.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t fingerprint[16];

    if (n < 2)
        return 0;
    size_t tail = fuzz_tail(data, n);
    char *json = fuzz_copy(data + 2, n - 2 - tail);
    struct tokenizer *t = tokenizer_load_json("t.json", json, n - 2 - tail);
    free(json);
    if (!t) {
        fuzz_error();
        return 0;
    }
    tokenizer_fingerprint(t, fingerprint);
    struct fuzz_scratch s = fuzz_scratch(t);
    fuzz_encode(t, &s, data + n - tail, tail, 0);
    fuzz_encode(t, &s, data + n - tail, tail, ENCODE_POST_PROCESS);
    fuzz_scratch_free(&s);
    tokenizer_free(t);
    return 0;
}

/* One line of JSON: the field's text, or what is wrong and where. */
#include "tests/fuzz/fuzz.h"
#include "text/format.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"text", "a.b", "a.b.c.d"};
    struct jsonl_field field;
    struct jsonl_result r;
    struct str out = {0};

    if (!n)
        return 0;
    jsonl_field_init(&field, names[data[0] % 3]);
    char *line = fuzz_copy(data + 1, n - 1);
    enum jsonl_status status = jsonl_text(&field, line, n - 1, &out, &r);
    if (status == JSONL_MALFORMED)
        must(r.fault && r.at <= n - 1);
    must(status == JSONL_TEXT || !out.len);
    must(out.len <= n);
    text_detect(line, n - 1, "x", &field);
    free(line);
    str_release(&out);
    jsonl_field_release(&field);
    return 0;
}

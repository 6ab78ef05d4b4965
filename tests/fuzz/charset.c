/* Any bytes out of any charset become UTF-8, and lines are cut as they come. */
#include "tests/fuzz/fuzz.h"
#include "text/charset_convert.h"

static void
cut_lines(enum charset c, const char *p, size_t n)
{
    size_t whole = charset_whole_lines(c, p, n), at = 0, last = 0, newline = 1;

    must(whole <= n);
    while (at < n && newline) {
        size_t line = charset_line(c, p + at, n - at, &newline);
        must(line + newline <= n - at);
        at += line + newline;
        last = newline ? at : last;
    }
    must(last == whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct charset_converter *c = charset_converter_new();
    struct charset_faults faults;
    struct str out = {0}, again = {0};

    if (!n)
        goto out;
    char *text = fuzz_copy(data + 1, n - 1);
    enum charset from = data[0] < 128 ? (enum charset)(data[0] % CHARSET_COUNT)
                                      : charset_guess(text, n - 1);
    if (charset_convert(c, from, text, n - 1, &out, &faults)) {
        must(from == CHARSET_OTHER);
        fuzz_error();
    } else {
        fuzz_utf8(&out);
        must(!faults.count || faults.first < n - 1);
        must(out.len <= 8 * n);
        must(!charset_convert(c, from, text, n - 1, &again, &faults));
        must(again.len == out.len && (!out.len || !memcmp(again.data, out.data, out.len)));
    }
    cut_lines(from, text, n - 1);
    free(text);
out:
    str_release(&out);
    str_release(&again);
    charset_converter_free(c);
    return 0;
}

/* A pattern of a task file and an answer, a NUL between them: searches end, pieces lie inside the answer. */
#include "eval/metrics.h"
#include "eval/normalise.h"
#include "eval/pyregex.h"
#include "eval/token_sort.h"
#include "tests/fuzz/fuzz.h"

enum { TEXT_MAX = 400 };

static void
check_pattern(struct piece pattern, struct piece text)
{
    char why[200] = "";
    struct str deleted = {0};
    python_matches matches = {0};
    struct python_pattern *p = python_pattern_new(pattern, why, sizeof why);
    if (!p) {
        must(*why);
        return;
    }
    if (python_findall(p, text, &matches) < 0 || python_delete(p, text, &deleted) < 0)
        fuzz_error();
    for (size_t i = 0; i < matches.len; i++) {
        struct piece m = matches.data[i].text;
        must(!m.n || (m.data >= text.data && m.data + m.n <= text.data + text.n));
    }
    must(deleted.len <= text.n);
    vec_release(&matches);
    str_release(&deleted);
    python_pattern_free(p);
}

static void
check_text(struct piece text)
{
    static void (*const steps[])(struct piece, struct str *) = {python_lower, python_squeeze,
                                                                neologdn, remove_emoji};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct str out = {0};
        steps[i](text, &out);
        must(out.len <= 3 * text.n);
        str_release(&out);
    }
    struct piece half = {text.data, text.n / 2};
    int ratio = token_sort_ratio(text, half);
    must(ratio >= 0 && ratio <= 100 && token_sort_ratio(text, text) == 100);
    must(python_strip(text).n <= python_rstrip(text).n);
    must(python_length(text) <= text.n && python_blank_parts(text) <= text.n + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *stop = n ? memchr(data, 0, n) : NULL;
    size_t pattern = stop ? (size_t)(stop - data) : n;
    size_t rest = stop ? n - pattern - 1 : 0;
    rest = rest < TEXT_MAX ? rest : TEXT_MAX;
    char *copy = fuzz_copy(data, pattern), *text = fuzz_copy(stop ? stop + 1 : NULL, rest);
    check_pattern((struct piece){copy, pattern}, (struct piece){text, rest});
    check_text((struct piece){text, rest});
    free(copy);
    free(text);
    return 0;
}

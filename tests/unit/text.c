/* base/str.h and base/utf8.h: strings, numbers as people write them, patterns, UTF-8. */
#include <math.h>
#include <stdlib.h>

#include "base/str.h"
#include "base/utf8.h"
#include "tests/unit/tap.h"

static void
test_str(void)
{
    struct str s = {0};
    char *taken;

    str_addf(&s, "%d-%s", 12, "ab");
    str_addc(&s, '!');
    str_add_utf8(&s, 0x3042);
    is_str(s.data, "12-ab!あ", "a string grows by all means");
    is_int((int64_t)s.len, 9, "and knows its length");
    for (int i = 0; i < 1000; i++)
        str_add(&s, "0123456789", 10);
    ok(s.len == 10009 && strlen(s.data) == 10009, "long strings end with NUL");
    taken = str_take(&s);
    ok(s.data == NULL && s.len == 0 && strlen(taken) == 10009, "str_take gives the bytes away");
    free(taken);
    str_add_json(&s, "a\"\\\n\x01\0é\xff", 9);
    is_str(s.data, "\"a\\\"\\\\\\n\\u0001\\u0000é\xef\xbf\xbd\"", "JSON escapes; bad bytes become U+FFFD");
    str_release(&s);
    str_add_real(&s, 0.1);
    str_addc(&s, ' ');
    str_add_real(&s, 1.0 / 3);
    str_addc(&s, ' ');
    str_add_real(&s, 1e-8);
    str_addc(&s, ' ');
    str_add_real(&s, 5e-324);
    str_addc(&s, ' ');
    str_add_real(&s, 1000000);
    is_str(s.data, "0.1 0.3333333333333333 1e-08 5e-324 1000000.0", "shortest texts of real numbers");
    str_release(&s);
}

struct number_case {
    const char *text;
    int64_t size, count; /* -1: refused */
};

static void
test_numbers(void)
{
    static const struct number_case cases[] = {
        {"0", 0, 0},          {"17", 17, 17},     {"4K", 4096, 4000},     {"1.5M", 1572864, 1500000},
        {"1.1G", 1181116006, 1100000000},         {"2k", -1, 2000},       {"8T", 8ll << 40, 8000000000000},
        {"", -1, -1},         {"K", -1, -1},      {"1.5", -1, -1},        {"1.", -1, -1},
        {"1.K", -1, -1},      {"-1", -1, -1},     {"+1", -1, -1},         {" 1", -1, -1},
        {"1KB", -1, -1},      {"0x10", -1, -1},   {"1e3", -1, -1},        {"99999999999999999999", -1, -1},
        {"20000000T", -1, -1},
    };
    static const char *const not_numbers[] = {"", "nan", "inf", "0x1p3", " 1", "1 ", "1e999", "--1"};
    double x;
    int64_t n;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t size = 0, count = 0;
        int64_t got_size = parse_size(cases[i].text, &size) ? -1 : (int64_t)size;
        int64_t got_count = parse_count(cases[i].text, &count) ? -1 : (int64_t)count;

        ok(got_size == cases[i].size && got_count == cases[i].count, "size and count of '%s'",
           cases[i].text);
    }
    for (size_t i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++)
        ok(parse_double(not_numbers[i], &x) == -1, "'%s' is no number", not_numbers[i]);
    ok(parse_double("-1.5e-3", &x) == 0 && x == -1.5e-3, "-1.5e-3 is one");
    ok(parse_int("-9223372036854775808", &n) == 0 && n == INT64_MIN, "the least integer");
    ok(parse_int("9223372036854775808", &n) == -1, "the one above the largest is refused");
    ok(parse_int("1.0", &n) == -1 && parse_int("", &n) == -1 && parse_int("-", &n) == -1,
       "no integers");
}

static void
test_human(void)
{
    char buf[32];

    is_str(human_bytes(999, buf), "999 B", "bytes");
    is_str(human_bytes(1536000, buf), "1.54 MB", "megabytes");
    is_str(human_count(12345, buf), "12.3k", "thousands");
    is_str(human_count(999999, buf), "1.00M", "no 1000k");
    is_str(human_time(3.21, buf), "3.2s", "seconds");
    is_str(human_time(75, buf), "1m15s", "minutes");
    is_str(human_time(3720, buf), "1h02m", "hours");
    is_str(human_time((double)NAN, buf), "?", "no time");
}

static void
test_match(void)
{
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"*.txt", "a/b.txt", true},  {"*.txt", "a.txt.gz", false}, {"**/x", "a/b/x", true},
        {"a?c", "abc", true},        {"a?c", "aあc", true},         {"a?c", "ac", false},
        {"[a-c]*", "bird", true},    {"[!a-c]*", "bird", false},   {"[]]", "]", true},
        {"[", "[", true},            {"\\*", "*", true},           {"\\*", "a", false},
        {"", "", true},              {"*", "", true},              {"a*b*c", "aXbXbc", true},
        {"*aab", "aaaaaaaab", true}, {"*aab", "aaaaaaaaab!", false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ok(glob_match(cases[i].pattern, cases[i].text) == cases[i].match, "'%s' %s '%s'",
           cases[i].pattern, cases[i].match ? "matches" : "does not match", cases[i].text);
    is_int(edit_distance("kitten", "sitting"), 3, "the textbook distance");
    is_int(edit_distance("sede", "seed"), 1, "a swap counts once");
    is_int(edit_distance("", "abc"), 3, "distance from nothing");
}

struct decode_case {
    const char *bytes;
    const char *clean; /* one U+FFFD per maximal subpart, shown as '?' */
};

/* Unicode 15, section 3.9, tables 3-8 to 3-11, and the bounds of table 3-7. */
static void
test_utf8_tables(void)
{
    static const struct decode_case cases[] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "????????A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "????????A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "?????A??B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "????A"},
        {"\xc2", "?"}, {"\xe3\x81", "?"}, {"\xf0\x9f\x98", "?"}, {"\xf5\x80", "??"},
        {"\xef\xbf\xbf", "\xef\xbf\xbf"}, {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf4\x90\x80\x80", "????"}, {"\xee\x80\x80", "\xee\x80\x80"}, {"\xc1\xbf", "??"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str clean = {0}, want = {0};
        size_t n = strlen(cases[i].bytes), count = 0, got;

        for (const char *p = cases[i].clean; *p; p++) {
            if (*p == '?')
                str_add_utf8(&want, 0xfffd);
            else
                str_addc(&want, *p);
            count += *p == '?';
        }
        got = utf8_clean(cases[i].bytes, n, &clean);
        ok(got == count && strcmp(clean.data, want.data) == 0, "ill-formed example %zu", i);
        ok((utf8_valid(cases[i].bytes, n) == n) == (count == 0), "and its validity");
        str_release(&clean);
        str_release(&want);
    }
}

static void
test_utf8_all(void)
{
    bool all = true;
    char bytes[4], padded[80];

    for (uint32_t c = 0; c < 0x110000; c++) {
        size_t used = 0, n;

        if (c >= 0xd800 && c < 0xe000)
            continue;
        n = utf8_encode(c, bytes);
        all &= utf8_decode(bytes, n, &used) == (int32_t)c && used == n && utf8_valid(bytes, n) == n;
        all &= n == 1 || utf8_valid(bytes, n - 1) == 0;
    }
    ok(all, "every scalar value encodes and decodes");
    all = true;
    for (size_t at = 0; at < 70; at++) {
        memset(padded, 'x', sizeof padded);
        padded[at] = (char)0xff;
        all &= utf8_valid(padded, sizeof padded) == at;
        memcpy(padded + at, "日本", 6);
        all &= utf8_valid(padded, sizeof padded) == sizeof padded &&
               utf8_count(padded, sizeof padded) == sizeof padded - 4;
    }
    ok(all, "a bad byte is found at every place of a block");
}

int
main(void)
{
    test_str();
    test_numbers();
    test_human();
    test_match();
    test_utf8_tables();
    test_utf8_all();
    return done();
}

/* Methods of strings. */
#include "tokenizer/jinja_methods.h"

#include <utf8proc.h>
#include <wchar.h>

#include "base/utf8.h"
#include "text/python.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

/* Markup escapes such arguments: only where nothing is to escape is it like a string. */
static void
no_escaping(struct jinja_run *run, struct value self, struct value argument)
{
    if (self.safe && !argument.safe && argument.type == JINJA_STRING)
        for (size_t i = 0; i < argument.n; i++)
            if (argument.text[i] && strchr("&<>'\"", argument.text[i]))
                jinja_fail(run, "escaping into a safe string is not supported");
}

/* ---- case ---------------------------------------------------------------------------------- */

static struct value
change_case(struct jinja_run *run, struct value self, enum text_case to)
{
    struct str s = {0};
    struct value v;

    jinja_step(run, self.n);
    if (!run->failed)
        text_change_case(self.text, self.n, to, &s);
    v = value_take(run, &s);
    v.safe = self.safe;
    return v;
}

#define CASE_METHOD(name, to)                                                          \
    struct value name(struct jinja_run *run, struct value self, const struct value *p) \
    {                                                                                  \
        (void)p;                                                                       \
        return change_case(run, self, to);                                             \
    }
CASE_METHOD(jinja_upper, CASE_UPPER)
CASE_METHOD(jinja_lower, CASE_LOWER)
CASE_METHOD(jinja_capitalize, CASE_CAPITALIZE)
static CASE_METHOD(title, CASE_TITLE) static CASE_METHOD(swapcase, CASE_SWAP)

    /* ---- making ------------------------------------------------------------------------------------- */

    struct value jinja_replace(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value from = argument_text(run, p[0], "replace"),
                 to = argument_text(run, p[1], "replace");
    int64_t most = argument_int(run, p[2], -1);
    struct str s = {0};
    size_t at = 0;
    struct value v;

    no_escaping(run, self, to);
    for (; most && jinja_step(run, 1); most--) {
        const char *hit = at <= self.n ? memmem(self.text + at, self.n - at, from.text, from.n)
                                       : NULL;
        size_t next = hit ? (size_t)(hit - self.text) : self.n;

        if (!hit)
            break;
        jinja_put(run, &s, self.text + at, next - at);
        jinja_put(run, &s, to.text, to.n);
        at = next + from.n;
        if (!from.n) { /* between all characters */
            size_t one = at < self.n ? text_offset(self.text + at, self.n - at, 1) : 0;

            jinja_put(run, &s, self.text + at, one);
            at += one;
            if (!one) {
                at = self.n;
                break;
            }
        }
    }
    jinja_put(run, &s, self.text + at, self.n - at);
    v = value_take(run, &s);
    v.safe = self.safe;
    return v;
}

static struct value
join(struct jinja_run *run, struct value self, const struct value *p)
{
    struct sequence items = value_items(run, p[0]);
    struct str s = {0};
    struct value v;

    for (size_t i = 0; i < items.n && jinja_step(run, 1); i++) {
        struct value item = argument_text(run, items.items[i], "join");

        no_escaping(run, self, item);
        if (i)
            jinja_put(run, &s, self.text, self.n);
        jinja_put(run, &s, item.text, item.n);
    }
    v = value_take(run, &s);
    v.safe = self.safe;
    return v;
}

static struct value
padded(struct jinja_run *run, struct value self, const struct value *p, int side)
{
    int64_t n = (int64_t)value_length(run, self), width = argument_int(run, p[0], 0), left, all;
    struct value fill = given(p[1]) ? argument_text(run, p[1], "padding") : value_text(" ", 1);
    struct str s = {0};
    struct value v;

    if (!run->failed && value_length(run, fill) != 1)
        jinja_fail(run, "the fill character must be exactly one character long");
    all = width > n ? width - n : 0;
    left = side == 0 ? all / 2 + (all & width & 1) : side > 0 ? all : 0;
    for (int64_t i = 0; i < left && jinja_step(run, 1); i++)
        jinja_put(run, &s, fill.text, fill.n);
    jinja_put(run, &s, self.text, self.n);
    for (int64_t i = left; i < all && jinja_step(run, 1); i++)
        jinja_put(run, &s, fill.text, fill.n);
    v = value_take(run, &s);
    v.safe = self.safe;
    return v;
}

static struct value
center(struct jinja_run *run, struct value self, const struct value *p)
{
    return padded(run, self, p, 0);
}

static struct value
ljust(struct jinja_run *run, struct value self, const struct value *p)
{
    return padded(run, self, p, -1);
}

static struct value
rjust(struct jinja_run *run, struct value self, const struct value *p)
{
    return padded(run, self, p, 1);
}

static struct value
zfill(struct jinja_run *run, struct value self, const struct value *p)
{
    int64_t n = (int64_t)value_length(run, self), width = argument_int(run, p[0], 0);
    size_t sign = self.n && (*self.text == '-' || *self.text == '+');
    struct str s = {0};

    jinja_put(run, &s, self.text, sign);
    for (int64_t i = n; i < width && jinja_step(run, 1); i++)
        jinja_put(run, &s, "0", 1);
    jinja_put(run, &s, self.text + sign, self.n - sign);
    return value_take(run, &s);
}

/* ---- asking ------------------------------------------------------------------------------------- */

static bool
is_alpha(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);

    return k == UTF8PROC_CATEGORY_LU || k == UTF8PROC_CATEGORY_LL || k == UTF8PROC_CATEGORY_LT ||
           k == UTF8PROC_CATEGORY_LM || k == UTF8PROC_CATEGORY_LO;
}

static bool
is_decimal(int32_t c)
{
    return utf8proc_category(c) == UTF8PROC_CATEGORY_ND;
}

/* Beyond the decimal digits Python also takes superscripts and circled ones. */
static bool
is_digit(int32_t c)
{
    return is_decimal(c) || c == 0xb2 || c == 0xb3 || c == 0xb9 || c == 0x2070 ||
           (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089) ||
           (c >= 0x2460 && c <= 0x2468);
}

static bool
is_numeric(int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);

    return is_digit(c) || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO ||
           (c < 0xffff && wcschr(L"〇一二三四五六七八九十百千万億兆壱壹弐貳参參", c) && c);
}

static bool
is_alnum(int32_t c)
{
    return is_alpha(c) || is_numeric(c);
}

/* All characters are so, and there is one. */
static struct value
all_are(struct jinja_run *run, struct value self, bool (*so)(int32_t))
{
    jinja_step(run, self.n / 16);
    for (size_t at = 0, used; at < self.n; at += used)
        if (!so(utf8_decode(self.text + at, self.n - at, &used)))
            return value_bool(false);
    return value_bool(self.n > 0);
}

/* Some are so and none is of the other case. */
static struct value
cased_are(struct value self, bool (*so)(int32_t))
{
    bool some = false;

    for (size_t at = 0, used; at < self.n; at += used) {
        int32_t c = utf8_decode(self.text + at, self.n - at, &used);

        if (text_is_cased(c) && !so(c))
            return value_bool(false);
        some = some || so(c);
    }
    return value_bool(some);
}

#define ASKING(name, answer)                                                                  \
    static struct value name(struct jinja_run *run, struct value self, const struct value *p) \
    {                                                                                         \
        (void)p;                                                                              \
        (void)run;                                                                            \
        return answer;                                                                        \
    }
ASKING(isalpha_text, all_are(run, self, is_alpha))
ASKING(isalnum_text, all_are(run, self, is_alnum))
ASKING(isdigit_text, all_are(run, self, is_digit))
ASKING(isdecimal_text, all_are(run, self, is_decimal))
ASKING(isnumeric_text, all_are(run, self, is_numeric))
ASKING(isspace_text, all_are(run, self, text_is_space))
ASKING(isupper_text, cased_are(self, text_is_upper))
ASKING(islower_text, cased_are(self, text_is_lower))

static struct value
format(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return jinja_format(run, self, a);
}

const struct builtin jinja_text_methods[] = {
    {.name = "capitalize", .parameters = "", .call = jinja_capitalize},
    {.name = "center", .parameters = "width fillchar", .needed = 1, .call = center},
    {.name = "count", .parameters = "sub start end", .needed = 1, .call = method_count},
    {.name = "endswith", .parameters = "suffix start end", .needed = 1, .call = method_endswith},
    {.name = "find", .parameters = "sub start end", .needed = 1, .call = method_find},
    {.name = "format", .call_any = format},
    {.name = "index", .parameters = "sub start end", .needed = 1, .call = method_index},
    {.name = "isalnum", .parameters = "", .call = isalnum_text},
    {.name = "isalpha", .parameters = "", .call = isalpha_text},
    {.name = "isdecimal", .parameters = "", .call = isdecimal_text},
    {.name = "isdigit", .parameters = "", .call = isdigit_text},
    {.name = "islower", .parameters = "", .call = islower_text},
    {.name = "isnumeric", .parameters = "", .call = isnumeric_text},
    {.name = "isspace", .parameters = "", .call = isspace_text},
    {.name = "isupper", .parameters = "", .call = isupper_text},
    {.name = "join", .parameters = "iterable", .needed = 1, .call = join},
    {.name = "ljust", .parameters = "width fillchar", .needed = 1, .call = ljust},
    {.name = "lower", .parameters = "", .call = jinja_lower},
    {.name = "lstrip", .parameters = "chars", .call = method_lstrip},
    {.name = "partition", .parameters = "sep", .needed = 1, .call = method_partition},
    {.name = "removeprefix", .parameters = "prefix", .needed = 1, .call = method_removeprefix},
    {.name = "removesuffix", .parameters = "suffix", .needed = 1, .call = method_removesuffix},
    {.name = "replace", .parameters = "old new count", .needed = 2, .call = jinja_replace},
    {.name = "rfind", .parameters = "sub start end", .needed = 1, .call = method_rfind},
    {.name = "rindex", .parameters = "sub start end", .needed = 1, .call = method_rindex},
    {.name = "rjust", .parameters = "width fillchar", .needed = 1, .call = rjust},
    {.name = "rpartition", .parameters = "sep", .needed = 1, .call = method_rpartition},
    {.name = "rsplit", .parameters = "sep maxsplit", .call = method_rsplit},
    {.name = "rstrip", .parameters = "chars", .call = method_rstrip},
    {.name = "split", .parameters = "sep maxsplit", .call = method_split},
    {.name = "splitlines", .parameters = "keepends", .call = method_splitlines},
    {.name = "startswith",
     .parameters = "prefix start end",
     .needed = 1,
     .call = method_startswith},
    {.name = "strip", .parameters = "chars", .call = jinja_strip},
    {.name = "swapcase", .parameters = "", .call = swapcase},
    {.name = "title", .parameters = "", .call = title},
    {.name = "upper", .parameters = "", .call = jinja_upper},
    {.name = "zfill", .parameters = "width", .needed = 1, .call = zfill},
    {0},
};

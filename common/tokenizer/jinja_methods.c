/* Methods of strings. */
#include <errno.h>
#include <math.h>
#include <utf8proc.h>
#include <wchar.h>

#include "base/utf8.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"
#include "tokenizer/jinja_text.h"

/* What is cut out of a safe string is safe. */
static struct value
part(struct value self, size_t from, size_t to)
{
    struct value v = value_text(self.text + from, to - from);

    v.safe = self.safe;
    return v;
}

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

#define CASE_METHOD(name, to)                                                     \
    struct value name(struct jinja_run *run, struct value self, const struct value *p) \
    {                                                                             \
        (void)p;                                                                  \
        return change_case(run, self, to);                                        \
    }
CASE_METHOD(jinja_upper, CASE_UPPER)
CASE_METHOD(jinja_lower, CASE_LOWER)
CASE_METHOD(jinja_capitalize, CASE_CAPITALIZE)
static CASE_METHOD(title, CASE_TITLE) static CASE_METHOD(swapcase, CASE_SWAP)

/* ---- stripping ------------------------------------------------------------------------------- */

/* Is the character in the set, or white space where there is no set? */
static bool
in_set(int32_t c, const char *at, size_t used, struct value set)
{
    if (set.type != JINJA_STRING)
        return text_is_space(c);
    return memmem(set.text, set.n, at, used) != NULL;
}

static struct value
strip(struct jinja_run *run, struct value self, struct value set, bool left, bool right)
{
    size_t from = 0, to = self.n, used;

    if (given(set) && set.type != JINJA_NONE)
        set = argument_text(run, set, "strip");
    jinja_step(run, self.n / 64);
    while (left && from < to) {
        int32_t c = utf8_decode(self.text + from, to - from, &used);

        if (!in_set(c, self.text + from, used, set))
            break;
        from += used;
    }
    while (right && from < to) {
        size_t start = to - 1;

        while (start > from && ((unsigned char)self.text[start] & 0xc0) == 0x80)
            start--;
        if (!in_set(utf8_decode(self.text + start, to - start, &used), self.text + start, used, set))
            break;
        to = start;
    }
    return part(self, from, to);
}

struct value
jinja_strip(struct jinja_run *run, struct value self, const struct value *p)
{
    return strip(run, self, p[0], true, true);
}

static struct value
lstrip(struct jinja_run *run, struct value self, const struct value *p)
{
    return strip(run, self, p[0], true, false);
}

static struct value
rstrip(struct jinja_run *run, struct value self, const struct value *p)
{
    return strip(run, self, p[0], false, true);
}

/* ---- finding ---------------------------------------------------------------------------------- */

/* The last place of `what` in text[0, n); NULL: none. */
static const char *
find_last(const char *text, size_t n, struct value what)
{
    const char *found = NULL;

    for (const char *at = text; at && (size_t)(text + n - at) >= what.n;) {
        at = memmem(at, n - (size_t)(at - text), what.text, what.n);
        if (at)
            found = at++;
    }
    return found;
}

/* text[from:to] as start and end of p[1], p[2] ask. */
static struct value
within(struct jinja_run *run, struct value self, const struct value *p, size_t *skipped)
{
    struct value parts[3] = {p[1], p[2], {.type = JINJA_ABSENT}};
    int64_t start = given(p[1]) && p[1].type != JINJA_NONE ? argument_int(run, p[1], 0) : 0;
    int64_t n = (int64_t)value_length(run, self);

    start = start < 0 ? start + n : start;
    *skipped = (size_t)(start < 0 ? 0 : start);
    if (!given(p[1]) && !given(p[2]))
        return self;
    return jinja_slice(run, self, parts);
}

static int64_t
find_index(struct jinja_run *run, struct value self, const struct value *p, bool last)
{
    struct value what = argument_text(run, p[0], "find");
    size_t skipped;
    struct value text = within(run, self, p, &skipped);
    const char *at;

    if (run->failed || skipped > value_length(run, self))
        return -1;
    jinja_step(run, text.n / 16);
    at = last ? find_last(text.text, text.n, what)
              : memmem(text.text, text.n, what.text, what.n);
    if (!what.n)
        at = text.text + (last ? text.n : 0);
    return at ? (int64_t)(skipped + utf8_count(text.text, (size_t)(at - text.text))) : -1;
}

static struct value
find(struct jinja_run *run, struct value self, const struct value *p)
{
    return value_int(find_index(run, self, p, false));
}

static struct value
rfind(struct jinja_run *run, struct value self, const struct value *p)
{
    return value_int(find_index(run, self, p, true));
}

static struct value
found(struct jinja_run *run, int64_t at)
{
    return at < 0 ? jinja_fail(run, "substring not found") : value_int(at);
}

static struct value
text_index(struct jinja_run *run, struct value self, const struct value *p)
{
    return found(run, find_index(run, self, p, false));
}

static struct value
rindex_of(struct jinja_run *run, struct value self, const struct value *p)
{
    return found(run, find_index(run, self, p, true));
}

static struct value
count(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value what = argument_text(run, p[0], "count");
    size_t skipped;
    struct value text = within(run, self, p, &skipped);
    int64_t n = 0;

    if (run->failed || skipped > value_length(run, self))
        return value_int(0);
    if (!what.n)
        return value_int((int64_t)value_length(run, text) + 1);
    for (size_t at = 0; at < text.n && jinja_step(run, 1); n++) {
        const char *hit = memmem(text.text + at, text.n - at, what.text, what.n);

        if (!hit)
            break;
        at = (size_t)(hit - text.text) + what.n;
    }
    return value_int(n);
}

static bool
has_affix(struct value self, struct value affix, bool end)
{
    return self.n >= affix.n &&
           (!affix.n || !memcmp(self.text + (end ? self.n - affix.n : 0), affix.text, affix.n));
}

static struct value
affixed(struct jinja_run *run, struct value self, const struct value *p, bool end)
{
    size_t skipped;
    struct value text = within(run, self, p, &skipped), one = p[0];
    struct sequence s = {.items = &one, .n = 1};

    if (run->failed || skipped > value_length(run, self))
        return value_bool(false);
    if (p[0].type == JINJA_TUPLE)
        s = *p[0].sequence;
    for (size_t i = 0; i < s.n && jinja_step(run, 1); i++)
        if (has_affix(text, argument_text(run, s.items[i], end ? "endswith" : "startswith"), end))
            return value_bool(true);
    return value_bool(false);
}

static struct value
startswith(struct jinja_run *run, struct value self, const struct value *p)
{
    return affixed(run, self, p, false);
}

static struct value
endswith(struct jinja_run *run, struct value self, const struct value *p)
{
    return affixed(run, self, p, true);
}

static struct value
removeprefix(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value affix = argument_text(run, p[0], "removeprefix");

    return has_affix(self, affix, false) ? part(self, affix.n, self.n) : self;
}

static struct value
removesuffix(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value affix = argument_text(run, p[0], "removesuffix");

    return has_affix(self, affix, true) ? part(self, 0, self.n - affix.n) : self;
}

/* ---- splitting -------------------------------------------------------------------------------- */

static void
reverse(struct sequence *s)
{
    for (size_t i = 0; i < s->n / 2; i++) {
        struct value swap = s->items[i];

        s->items[i] = s->items[s->n - 1 - i];
        s->items[s->n - 1 - i] = swap;
    }
}

static struct value
split_words(struct jinja_run *run, struct value self, int64_t most, bool right)
{
    struct value list = value_sequence(run, JINJA_LIST, "list", 0);
    struct value none = {.type = JINJA_ABSENT};
    size_t used;

    for (; jinja_step(run, 1); most--) {
        size_t end = 0;

        self = strip(run, self, none, !right, right);
        if (!self.n)
            break;
        if (most == 0) { /* the rest, its far end as it is */
            sequence_add(run, list.sequence, self);
            break;
        }
        if (right) {
            for (end = self.n; end;) {
                size_t start = end - 1;

                while (start && ((unsigned char)self.text[start] & 0xc0) == 0x80)
                    start--;
                if (text_is_space(utf8_decode(self.text + start, end - start, &used)))
                    break;
                end = start;
            }
            sequence_add(run, list.sequence, part(self, end, self.n));
            self = part(self, 0, end);
        } else {
            for (; end < self.n; end += used)
                if (text_is_space(utf8_decode(self.text + end, self.n - end, &used)))
                    break;
            sequence_add(run, list.sequence, part(self, 0, end));
            self = part(self, end, self.n);
        }
        jinja_step(run, (end + self.n) / 64);
    }
    if (right)
        reverse(list.sequence);
    return list;
}

static struct value
split_at(struct jinja_run *run, struct value self, struct value by, int64_t most, bool right)
{
    struct value list = value_sequence(run, JINJA_LIST, "list", 0);

    if (!by.n)
        return jinja_fail(run, "empty separator");
    for (; most && jinja_step(run, self.n / 64 + 1); most--) {
        const char *hit = right ? find_last(self.text, self.n, by)
                                : memmem(self.text, self.n, by.text, by.n);
        size_t at = hit ? (size_t)(hit - self.text) : 0;

        if (!hit)
            break;
        sequence_add(run, list.sequence, 
                     right ? part(self, at + by.n, self.n) : part(self, 0, at));
        self = right ? part(self, 0, at) : part(self, at + by.n, self.n);
    }
    sequence_add(run, list.sequence, self);
    if (right)
        reverse(list.sequence);
    return list;
}

static struct value
split_any(struct jinja_run *run, struct value self, const struct value *p, bool right)
{
    int64_t most = argument_int(run, p[1], -1);

    if (!given(p[0]) || p[0].type == JINJA_NONE)
        return split_words(run, self, most < 0 ? -1 : most, right);
    return split_at(run, self, argument_text(run, p[0], "split"), most < 0 ? -1 : most, right);
}

static struct value
split(struct jinja_run *run, struct value self, const struct value *p)
{
    return split_any(run, self, p, false);
}

static struct value
rsplit(struct jinja_run *run, struct value self, const struct value *p)
{
    return split_any(run, self, p, true);
}

static struct value
splitlines(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value list = value_sequence(run, JINJA_LIST, "list", 0);
    bool keep = given(p[0]) && value_truth(p[0]);

    for (size_t at = 0; at < self.n && jinja_step(run, 1);) {
        size_t skip, n = text_line(self.text + at, self.n - at, &skip);

        sequence_add(run, list.sequence, part(self, at, at + n + (keep ? skip : 0)));
        at += n + skip;
    }
    return list;
}

static struct value
partition_any(struct jinja_run *run, struct value self, struct value by, bool right)
{
    struct value tuple = value_sequence(run, JINJA_TUPLE, "tuple", 3);
    size_t at;
    const char *hit;

    by = argument_text(run, by, "partition");
    if (!by.n)
        return jinja_fail(run, "empty separator");
    jinja_step(run, self.n / 64);
    hit = right ? find_last(self.text, self.n, by) : memmem(self.text, self.n, by.text, by.n);
    at = hit ? (size_t)(hit - self.text) : right ? 0 : self.n;
    sequence_add(run, tuple.sequence, part(self, 0, at));
    sequence_add(run, tuple.sequence, hit ? by : part(self, 0, 0));
    sequence_add(run, tuple.sequence, part(self, at + (hit ? by.n : 0), self.n));
    return tuple;
}

static struct value
partition(struct jinja_run *run, struct value self, const struct value *p)
{
    return partition_any(run, self, p[0], false);
}

static struct value
rpartition(struct jinja_run *run, struct value self, const struct value *p)
{
    return partition_any(run, self, p[0], true);
}

/* ---- making ------------------------------------------------------------------------------------- */

struct value
jinja_replace(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value from = argument_text(run, p[0], "replace"), to = argument_text(run, p[1], "replace");
    int64_t most = argument_int(run, p[2], -1);
    struct str s = {0};
    size_t at = 0;
    struct value v;

    no_escaping(run, self, to);
    for (; most && jinja_step(run, 1); most--) {
        const char *hit = at <= self.n ? memmem(self.text + at, self.n - at, from.text, from.n) : NULL;
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

#define ASKING(name, answer)                                                                    \
    static struct value name(struct jinja_run *run, struct value self, const struct value *p)   \
    {                                                                                           \
        (void)p;                                                                                \
        (void)run;                                                                              \
        return answer;                                                                          \
    }
ASKING(isalpha_text, all_are(run, self, is_alpha))
ASKING(isalnum_text, all_are(run, self, is_alnum))
ASKING(isdigit_text, all_are(run, self, is_digit))
ASKING(isdecimal_text, all_are(run, self, is_decimal))
ASKING(isnumeric_text, all_are(run, self, is_numeric))
ASKING(isspace_text, all_are(run, self, text_is_space))
ASKING(isupper_text, cased_are(self, text_is_upper))
ASKING(islower_text, cased_are(self, text_is_lower))

/* ---- numbers ------------------------------------------------------------------------------------- */

/* A number's text without white space around and single underscores within; false: too odd. */
static bool
number_text(struct value text, char *out, size_t size)
{
    struct value none = {.type = JINJA_ABSENT};
    struct jinja_run quiet = {0};
    size_t n = 0;

    text = strip(&quiet, text, none, true, true);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.text[i];

        if (c == '_' && i && i + 1 < text.n && text.text[i - 1] != '_')
            continue;
        if (n + 1 >= size || !strchr("0123456789+-.eEinfatyINFATYxXoObBabcdefABCDEF", c) || !c)
            return false;
        out[n++] = c;
    }
    out[n] = 0;
    return n > 0;
}

bool
jinja_parse_int(struct jinja_run *run, struct value text, int64_t base, struct value *out)
{
    char s[80], *end;
    const char *digits = s;

    if (!number_text(text, s, sizeof s))
        return false;
    digits += *s == '-' || *s == '+';
    if (base < 2 || base > 36 || !*digits || *digits == '-' || *digits == '+')
        return false;
    if (digits[0] == '0' && digits[1] &&
        ((base == 16 && (digits[1] | 32) == 'x') || (base == 8 && (digits[1] | 32) == 'o') ||
         (base == 2 && (digits[1] | 32) == 'b')))
        digits += 2;
    else if (base == 16 && digits[0] == '0' && digits[1] && strchr("xX", digits[1]))
        return false;
    errno = 0;
    *out = value_int(strtoll(digits, &end, (int)base));
    if (*end || end == digits)
        return false;
    if (errno)
        jinja_fail(run, "integers beyond 64 bits are not supported");
    if (*s == '-')
        out->i = -out->i;
    return true;
}

bool
jinja_parse_float(struct value text, double *out)
{
    char s[400], *end;

    if (!number_text(text, s, sizeof s) || strpbrk(s, "xXpP("))
        return false;
    *out = strtod(s, &end);
    return !*end && end != s;
}

static struct value
format(struct jinja_run *run, struct value self, const struct arguments *a)
{
    return jinja_format(run, self, a);
}

const struct builtin jinja_text_methods[] = {
    {.name = "capitalize", .parameters = "", .call = jinja_capitalize},
    {.name = "center", .parameters = "width fillchar", .needed = 1, .call = center},
    {.name = "count", .parameters = "sub start end", .needed = 1, .call = count},
    {.name = "endswith", .parameters = "suffix start end", .needed = 1, .call = endswith},
    {.name = "find", .parameters = "sub start end", .needed = 1, .call = find},
    {.name = "format", .call_any = format},
    {.name = "index", .parameters = "sub start end", .needed = 1, .call = text_index},
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
    {.name = "lstrip", .parameters = "chars", .call = lstrip},
    {.name = "partition", .parameters = "sep", .needed = 1, .call = partition},
    {.name = "removeprefix", .parameters = "prefix", .needed = 1, .call = removeprefix},
    {.name = "removesuffix", .parameters = "suffix", .needed = 1, .call = removesuffix},
    {.name = "replace", .parameters = "old new count", .needed = 2, .call = jinja_replace},
    {.name = "rfind", .parameters = "sub start end", .needed = 1, .call = rfind},
    {.name = "rindex", .parameters = "sub start end", .needed = 1, .call = rindex_of},
    {.name = "rjust", .parameters = "width fillchar", .needed = 1, .call = rjust},
    {.name = "rpartition", .parameters = "sep", .needed = 1, .call = rpartition},
    {.name = "rsplit", .parameters = "sep maxsplit", .call = rsplit},
    {.name = "rstrip", .parameters = "chars", .call = rstrip},
    {.name = "split", .parameters = "sep maxsplit", .call = split},
    {.name = "splitlines", .parameters = "keepends", .call = splitlines},
    {.name = "startswith", .parameters = "prefix start end", .needed = 1, .call = startswith},
    {.name = "strip", .parameters = "chars", .call = jinja_strip},
    {.name = "swapcase", .parameters = "", .call = swapcase},
    {.name = "title", .parameters = "", .call = title},
    {.name = "upper", .parameters = "", .call = jinja_upper},
    {.name = "zfill", .parameters = "width", .needed = 1, .call = zfill},
    {0},
};

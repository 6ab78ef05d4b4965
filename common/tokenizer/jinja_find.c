/* Methods of strings that find, strip and split. */
#include "tokenizer/jinja_methods.h"

#include "base/utf8.h"
#include "text/python.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

/* What is cut out of a safe string is safe. */
static struct value
part(struct value self, size_t from, size_t to)
{
    struct value v = value_text(self.text + from, to - from);

    v.safe = self.safe;
    return v;
}

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
        if (!in_set(utf8_decode(self.text + start, to - start, &used), self.text + start, used,
                    set))
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

struct value
method_lstrip(struct jinja_run *run, struct value self, const struct value *p)
{
    return strip(run, self, p[0], true, false);
}

struct value
method_rstrip(struct jinja_run *run, struct value self, const struct value *p)
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
    at = last ? find_last(text.text, text.n, what) : memmem(text.text, text.n, what.text, what.n);
    if (!what.n)
        at = text.text + (last ? text.n : 0);
    return at ? (int64_t)(skipped + utf8_count(text.text, (size_t)(at - text.text))) : -1;
}

struct value
method_find(struct jinja_run *run, struct value self, const struct value *p)
{
    return value_int(find_index(run, self, p, false));
}

struct value
method_rfind(struct jinja_run *run, struct value self, const struct value *p)
{
    return value_int(find_index(run, self, p, true));
}

static struct value
found(struct jinja_run *run, int64_t at)
{
    return at < 0 ? jinja_fail(run, "substring not found") : value_int(at);
}

struct value
method_index(struct jinja_run *run, struct value self, const struct value *p)
{
    return found(run, find_index(run, self, p, false));
}

struct value
method_rindex(struct jinja_run *run, struct value self, const struct value *p)
{
    return found(run, find_index(run, self, p, true));
}

struct value
method_count(struct jinja_run *run, struct value self, const struct value *p)
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

struct value
method_startswith(struct jinja_run *run, struct value self, const struct value *p)
{
    return affixed(run, self, p, false);
}

struct value
method_endswith(struct jinja_run *run, struct value self, const struct value *p)
{
    return affixed(run, self, p, true);
}

struct value
method_removeprefix(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value affix = argument_text(run, p[0], "removeprefix");

    return has_affix(self, affix, false) ? part(self, affix.n, self.n) : self;
}

struct value
method_removesuffix(struct jinja_run *run, struct value self, const struct value *p)
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
        sequence_add(run, list.sequence, right ? part(self, at + by.n, self.n) : part(self, 0, at));
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

struct value
method_split(struct jinja_run *run, struct value self, const struct value *p)
{
    return split_any(run, self, p, false);
}

struct value
method_rsplit(struct jinja_run *run, struct value self, const struct value *p)
{
    return split_any(run, self, p, true);
}

struct value
method_splitlines(struct jinja_run *run, struct value self, const struct value *p)
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

struct value
method_partition(struct jinja_run *run, struct value self, const struct value *p)
{
    return partition_any(run, self, p[0], false);
}

struct value
method_rpartition(struct jinja_run *run, struct value self, const struct value *p)
{
    return partition_any(run, self, p[0], true);
}

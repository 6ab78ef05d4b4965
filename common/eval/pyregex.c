#include "eval/pyregex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "eval/pyregex_syntax.h"

/*
 * Limits of PCRE2's matcher: internal calls, of one attempt at first and of all matches of a text
 * together; depth; heap in KiB.
 */
enum { FIRST_LIMIT = 4096, TOTAL_LIMIT = 32 << 20, DEPTH_LIMIT = 250000, HEAP_LIMIT = 65536 };

struct python_pattern {
    pcre2_code *code;
    uint32_t groups;
};

static pcre2_code *
compile(const struct str *pattern, char *why, size_t why_size)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    int code;
    PCRE2_SIZE at;
    pcre2_set_newline(context, PCRE2_NEWLINE_LF); /* '.' and '$' know no other line end */
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)pattern->data, pattern->len,
                                         PCRE2_UTF | PCRE2_UCP | PCRE2_ALT_CIRCUMFLEX |
                                             PCRE2_NEVER_BACKSLASH_C,
                                         &code, &at, context);
    pcre2_compile_context_free(context);
    if (!compiled) {
        char message[128];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
        snprintf(why, why_size, "%s", message);
    }
    return compiled;
}

struct python_pattern *
python_pattern_new(struct piece pattern, char *why, size_t why_size)
{
    struct str translated = {0};
    pcre2_code *code = NULL;
    if (python_pattern_translate(pattern, &translated, why, why_size) == 0)
        code = compile(&translated, why, why_size);
    str_release(&translated);
    if (!code)
        return NULL;
    struct python_pattern *p = mem_zalloc(sizeof *p);
    p->code = code;
    pcre2_pattern_info(code, PCRE2_INFO_CAPTURECOUNT, &p->groups);
    return p;
}

void
python_pattern_free(struct python_pattern *p)
{
    if (!p)
        return;
    pcre2_code_free(p->code);
    free(p);
}

static int
match_error(int code)
{
    char message[128];
    if (code == PCRE2_ERROR_MATCHLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
        code == PCRE2_ERROR_HEAPLIMIT)
        return err_set(STATUS_INPUT, "the pattern takes too long on this text");
    pcre2_get_error_message(code, (PCRE2_UCHAR *)message, sizeof message);
    return err_set(STATUS_INPUT, "matching: %s", message);
}

/* What findall returns for one match, as the harness reads it. */
static struct piece
chosen_group(const struct python_pattern *p, struct piece s, const PCRE2_SIZE *at, int set)
{
    struct piece none = {s.data + at[0], 0};
    if (!p->groups)
        return (struct piece){s.data + at[0], at[1] - at[0]};
    for (uint32_t g = 1; g <= p->groups && (int)g < set; g++)
        if (at[2 * g] != PCRE2_UNSET && at[2 * g + 1] > at[2 * g])
            return (struct piece){s.data + at[2 * g], at[2 * g + 1] - at[2 * g]};
    return none;
}

/* What one walk over a text needs. */
struct search {
    const struct python_pattern *p;
    struct piece s;
    pcre2_match_data *data;
    pcre2_match_context *limits;
    uint32_t left; /* of TOTAL_LIMIT */
};

/*
 * A match at `at` alone. PCRE2 does not tell how many calls it took: attempts with growing limits
 * do, to a factor of eight.
 */
static int
match_at(struct search *search, size_t at, uint32_t options)
{
    PCRE2_SPTR text = (PCRE2_SPTR)(search->s.data ? search->s.data : "");
    for (uint32_t limit = FIRST_LIMIT;; limit *= 8) {
        limit = limit < search->left ? limit : search->left;
        pcre2_set_match_limit(search->limits, limit);
        int set = pcre2_match(search->p->code, text, search->s.n, at, options | PCRE2_ANCHORED,
                              search->data, search->limits);
        if (set != PCRE2_ERROR_MATCHLIMIT || limit == search->left) {
            search->left -= limit > FIRST_LIMIT ? limit / 8 : 0;
            return set;
        }
        search->left -= limit;
    }
}

/*
 * The next match from `from` on, or PCRE2's error. Position by position, because PCRE2 limits the
 * calls at each, not of all.
 */
static int
next_match(struct search *search, size_t from, uint32_t options)
{
    int set = match_at(search, from, options);
    for (size_t at = from + 1; set == PCRE2_ERROR_NOMATCH && at <= search->s.n; at++)
        if (at == search->s.n || ((unsigned char)search->s.data[at] & 0xC0) != 0x80)
            set = match_at(search, at, PCRE2_NO_UTF_CHECK);
    return set;
}

/*
 * All matches from left to right: `found` gets each with its bounds. As Python 3.7 has it: an empty
 * match may stand right behind another match, but not where an empty one has just been.
 */
static int
each_match(const struct python_pattern *p, struct piece s,
           void (*found)(void *arg, struct python_match m, const PCRE2_SIZE *at, int set),
           void *arg)
{
    struct search search = {.p = p, .s = s, .left = TOTAL_LIMIT};
    uint32_t options = 0;
    int result = 0;
    search.data = pcre2_match_data_create_from_pattern(p->code, NULL);
    search.limits = pcre2_match_context_create(NULL);
    pcre2_set_depth_limit(search.limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(search.limits, HEAP_LIMIT);
    for (size_t from = 0; from <= s.n;) {
        int set = next_match(&search, from, options);
        if (set < 0) {
            result = set == PCRE2_ERROR_NOMATCH ? 0 : match_error(set);
            break;
        }
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(search.data);
        if (at[1] < at[0] || at[0] < from) { /* a look-around with \K, which is refused */
            result = err_set(STATUS_INPUT, "matching: a match ends before it begins");
            break;
        }
        found(arg, (struct python_match){chosen_group(p, s, at, set), (int)p->groups}, at, set);
        options = (at[0] == at[1] ? (uint32_t)PCRE2_NOTEMPTY_ATSTART : 0) | PCRE2_NO_UTF_CHECK;
        from = at[1];
    }
    pcre2_match_context_free(search.limits);
    pcre2_match_data_free(search.data);
    return result;
}

static void
add_match(void *arg, struct python_match m, const PCRE2_SIZE *at, int set)
{
    python_matches *out = arg;
    (void)at, (void)set;
    vec_push(out, m);
}

int
python_findall(const struct python_pattern *p, struct piece s, python_matches *out)
{
    return each_match(p, s, add_match, out);
}

struct deletion {
    struct piece s;
    size_t copied;
    struct piece with; /* python_replace's */
    struct str *out;
};

static void
delete_match(void *arg, struct python_match m, const PCRE2_SIZE *at, int set)
{
    struct deletion *d = arg;
    (void)m, (void)set;
    str_add(d->out, d->s.data + d->copied, at[0] - d->copied);
    d->copied = at[1];
}

int
python_delete(const struct python_pattern *p, struct piece s, struct str *out)
{
    struct deletion d = {.s = s, .out = out};
    if (each_match(p, s, delete_match, &d) < 0)
        return -1;
    if (s.n)
        str_add(out, s.data + d.copied, s.n - d.copied);
    return 0;
}

static void
replace_match(void *arg, struct python_match m, const PCRE2_SIZE *at, int set)
{
    struct deletion *d = arg;
    const char *with = d->with.data;
    delete_match(arg, m, at, set);
    for (size_t i = 0; i < d->with.n; i++) {
        char next = i + 1 < d->with.n ? with[i + 1] : '\0';
        if (with[i] != '\\' || (next != '\\' && (next < '1' || next > '9'))) {
            str_addc(d->out, with[i]);
            continue;
        }
        int group = next - '0';
        i++;
        if (next == '\\')
            str_addc(d->out, next);
        else if (group < set && at[2 * group] != PCRE2_UNSET)
            str_add(d->out, d->s.data + at[2 * group], at[2 * group + 1] - at[2 * group]);
    }
}

int
python_replace(const struct python_pattern *p, struct piece s, struct piece with, struct str *out)
{
    struct deletion d = {.s = s, .with = with, .out = out};
    if (each_match(p, s, replace_match, &d) < 0)
        return -1;
    if (s.n)
        str_add(out, s.data + d.copied, s.n - d.copied);
    return 0;
}

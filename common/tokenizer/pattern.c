#include "tokenizer/pattern.h"

#include <string.h>

#include "tokenizer/pattern_text.h"

/*
 * Scanners for the patterns of GPT-2, cl100k (Llama 3, Qwen), o200k (GPT-4o,
 * gpt-oss) and tekken (Mistral). An alternative of a pattern is tried where the
 * comment names it; what a backtracking matcher would do is worked out beforehand.
 */

static inline size_t
run_without(const struct text *t, size_t at, unsigned mask)
{
    for (size_t used; at < t->n; at += used)
        if (class_at(t, at, &used) & mask)
            break;
    return at;
}

static unsigned
ascii_lower(unsigned c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* 's|'t|'re|'ve|'m|'ll|'d at `at`, where an apostrophe stands; `at` when there is none. */
static size_t
contraction(const struct text *t, size_t at, bool any_case)
{
    size_t left = t->n - at;
    if (left < 2)
        return at;
    unsigned a = (unsigned char)t->s[at + 1];
    unsigned b = left > 2 ? (unsigned char)t->s[at + 2] : 0;
    if (any_case) {
        if (a == 0xC5 && b == 0xBF)
            return at + 3; /* U+017F, long s, folds to s */
        a = ascii_lower(a);
        b = ascii_lower(b);
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l'))
        return at + 3;
    return at;
}

/* ' ?' before a run of what is neither space, letter nor number: its end, or `at`. */
static inline size_t
symbols(const struct text *t, size_t at)
{
    size_t begin = t->s[at] == ' ' ? at + 1 : at;
    size_t end = run_without(t, begin, CLASS_SPACE | CLASS_L | CLASS_N);
    return end > begin ? end : at;
}

static size_t
gpt2_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    if (text[at] == '\'') {
        size_t end = contraction(&t, at, false);
        if (end > at)
            return end;
    }
    size_t used, begin = text[at] == ' ' && at + 1 < n ? at + 1 : at;
    unsigned class = class_at(&t, begin, &used);
    if (class & CLASS_L)
        return run_of(&t, begin + used, CLASS_L);
    if (class & CLASS_N)
        return run_of(&t, begin + used, CLASS_N);
    if (!(class & CLASS_SPACE))
        return run_without(&t, begin + used, CLASS_SPACE | CLASS_L | CLASS_N);
    return white_space(&t, at, false);
}

/* cl100k as Hugging Face files write it; `digits` is the longest run of \p{N}. */
static inline size_t
cl100k_next(const struct text *t, size_t at, int digits)
{
    const char *s = t->s;
    if (s[at] == '\'') {
        size_t end = contraction(t, at, true);
        if (end > at)
            return end;
    }
    size_t used;
    unsigned class = class_at(t, at, &used);
    if (class & CLASS_L) /* [^\r\n\p{L}\p{N}]?\p{L}+ */
        return run_of(t, at + used, CLASS_L);
    if (class & CLASS_N)
        return run_at_most(t, at, CLASS_N, digits);
    if (!is_newline(s[at]) && at + used < t->n) {
        size_t letter;
        if (class_at(t, at + used, &letter) & CLASS_L)
            return run_of(t, at + used + letter, CLASS_L);
    }
    size_t end = symbols(t, at); /*  ?[^\s\p{L}\p{N}]+[\r\n]* */
    if (end > at) {
        while (end < t->n && is_newline(s[end]))
            end++;
        return end;
    }
    return white_space(t, at, true);
}

static size_t
llama3_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    return cl100k_next(&t, at, 3);
}

static size_t
qwen_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    return cl100k_next(&t, at, 1);
}

enum {
    O200K_UPPER = CLASS_LU | CLASS_LT | CLASS_LM | CLASS_LO | CLASS_M,
    O200K_LOWER = CLASS_LL | CLASS_LM | CLASS_LO | CLASS_M,
    O200K_BOTH = O200K_UPPER & O200K_LOWER
};

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)?, which only o200k has. */
static inline size_t
with_contraction(const struct text *t, size_t at, bool suffix)
{
    return suffix && at < t->n && t->s[at] == '\'' ? contraction(t, at, true) : at;
}

/*
 * UPPER*LOWER+ at `at`, or 0. UPPER* first takes its whole run. When no Ll follows
 * to feed LOWER+, it gives back to the last code point that is in both classes.
 */
static size_t
o200k_lower_word(const struct text *t, size_t at, size_t *upper_end)
{
    size_t end = at, both = 0;
    for (size_t used; end < t->n; end += used) {
        unsigned class = class_at(t, end, &used);
        if (!(class & O200K_UPPER)) {
            if (class & CLASS_LL)
                return run_of(t, end, O200K_LOWER);
            break;
        }
        if (class & O200K_BOTH)
            both = end + used;
    }
    *upper_end = end;
    return both;
}

/*
 * The two word alternatives, each with an optional code point X before it that is no
 * letter, number or newline: X?UPPER*LOWER+, then X?UPPER+LOWER*. Marks are X, UPPER
 * and LOWER. Returns `at` when neither matches.
 */
static inline size_t
o200k_word(const struct text *t, size_t at, unsigned class, size_t used, bool suffix)
{
    bool letter = class & CLASS_L;
    bool before = !letter && !(class & CLASS_N) && !is_newline(t->s[at]);
    size_t end, upper = at;
    if (before) {
        size_t upper_before = at + used;
        if ((end = o200k_lower_word(t, at + used, &upper_before)))
            return with_contraction(t, end, suffix);
        if (!(class & CLASS_M))
            return upper_before > at + used ? with_contraction(t, upper_before, suffix) : at;
    }
    if (!letter && !(class & CLASS_M))
        return at;
    if ((end = o200k_lower_word(t, at, &upper)))
        return with_contraction(t, end, suffix);
    return upper > at ? with_contraction(t, upper, suffix) : at;
}

static inline size_t
cased_next(const struct text *t, size_t at, bool suffix, int digits)
{
    size_t used;
    unsigned class = class_at(t, at, &used);
    size_t end = o200k_word(t, at, class, used, suffix);
    if (end > at)
        return end;
    if (class & CLASS_N)
        return run_at_most(t, at, CLASS_N, digits);
    end = symbols(t, at); /*  ?[^\s\p{L}\p{N}]+[\r\n/]* */
    if (end > at) {
        while (end < t->n && (is_newline(t->s[end]) || t->s[end] == '/'))
            end++;
        return end;
    }
    return white_space(t, at, true);
}

static size_t
o200k_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    return cased_next(&t, at, true, 3);
}

static size_t
tekken_next(const uint16_t *classes, const char *text, size_t at, size_t n)
{
    const struct text t = {classes, text, n};
    return cased_next(&t, at, false, 1);
}

/* clang-format off */
static const struct pattern patterns[] = {
    {"gpt2", TEXT_GPT2,
     "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
     gpt2_next},
    {"r50k", TEXT_GPT2,
     "'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s",
     gpt2_next},
    {"llama3", TEXT_LLAMA3,
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     llama3_next},
    {"qwen", TEXT_QWEN,
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     qwen_next},
    {"o200k", TEXT_O200K,
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*"
     "(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
     "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     o200k_next},
    {"tekken", TEXT_TEKKEN,
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
     "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|"
     "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     tekken_next},
};
/* clang-format on */

enum { PATTERN_COUNT = sizeof patterns / sizeof *patterns };

const struct pattern *
pattern_by_name(const char *name)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++)
        if (!strcmp(patterns[i].name, name))
            return &patterns[i];
    return NULL;
}

const struct pattern *
pattern_by_regex(const char *regex, size_t n)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++)
        if (strlen(patterns[i].regex) == n && !memcmp(patterns[i].regex, regex, n))
            return &patterns[i];
    return NULL;
}

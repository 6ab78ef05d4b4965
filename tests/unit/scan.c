/*
 * The kernels that find bytes and that cut text at pre-tokenizer patterns, these against
 * the scanners of tokenizer/pattern.c, piece by piece: hard strings, random ones from alphabets biased
 * to trouble, every offset of the blocks, every instruction set that runs here.
 */
#include "tokenizer/cut.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "tap.h"
#include "text/classes.h"

static const char *const isas[] = {"ref", "avx2", "avx512"};
static const char *const patterns[] = {"gpt2", "llama3", "qwen", "o200k", "tekken"};
enum {
    ISAS = sizeof isas / sizeof *isas,
    PATTERNS = sizeof patterns / sizeof *patterns,
    MOST = 2 * TEXT_SCAN_LEAST
};

static const struct text_kernels *
kernels_of(const char *isa)
{
    setenv("LLM_ISA", isa, 1);
    return text_kernels();
}

/* Says, the first times, where pieces differ. */
static bool
same_pieces(const struct pattern *p, const struct text_kernels *k, const char *text, size_t n)
{
    const uint16_t *classes = text_classes();
    uint32_t ends[MOST];
    size_t at = 0, want = 0;
    static int told;
    while (at < n) {
        size_t count = cut_pieces(p, k, classes, text, at, n, ends, MOST);
        if (count == 0 || count > MOST) {
            diag("%s %s: %zu pieces at %zu", k->name, p->name, count, at);
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            want = p->next(classes, text, want, n);
            if (ends[i] != want && told++ > 20)
                return false;
            if (ends[i] != want) {
                size_t from = at > 20 ? at - 20 : 0;
                diag("%s %s: a piece of %zu bytes ends at %u, not %zu", k->name, p->name, n,
                     ends[i], want);
                diag("<%.*s>", (int)((n < want + 20 ? n : want + 20) - from), text + from);
                return false;
            }
        }
        at = ends[count - 1];
    }
    return at == n && want == n;
}

/* In a block of its own, so that a sanitizer sees what is read beyond the text. */
static bool
check_copy(const struct pattern *p, const struct text_kernels *k, const char *text, size_t n)
{
    char *copy = mem_alloc(n);
    memcpy(copy, text, n);
    bool same = same_pieces(p, k, copy, n);
    free(copy);
    return same;
}

static const char *const hard[] = {
    "don't'll've X's's 're'll 'S 'Ll'lLx ''s !'s\t's 's'",
    "it'll it'LL It'l l'l 'r'e r're're'rer we're'x don't!x 'sabc''t",
    "a\xC5\xBF'\xC5\xBF's x'\xC5\xBFt \xE2\x84\xAA'd",
    "!!!abc !abc  !abc\t!abc\n!abc 1!abc a!abc ! abc",
    "x\n\n  y\n \n z \n\n\t\tq !\n\n  x !\n \n.\r\n\r\n;\n\n\n a",
    ";\n//comment\n/x !/\n/\n/!/a\n//\n//a //\r\n//\n",
    "1 12 123 1234 12345 1234567890123456789012345678901234567890a12 3a 4567",
    "ー゛゜・゠か゛\n漢字、123漢  5  漢 ・\xE2\x80\x8D" "a\xE2\x80\x8D\xE2\x80\x8D.",
    "camelCase HTMLParser XMLHttpRequest aB Ab AB ab aBC abCDe A B a.B 'A'b",
    "   \t  \v \f a\x1C\x1D z\x7F\x01 q  5  \t5 \n 5",
    "\xE3\x80\x80 \xE3\x81\x82\xE3\x80\x80\xE3\x80\x80" "a\xC2\x85 \xE2\x80\xA8 b\xC2\xA0 c",
    "e\xCC\x81 A\xCC\x81 B\xCC\x81" "a \xC7\x85" "a aǅ ʰA aʰB 々 ー ﾞ ｱﾞ Ⅻ²¾ ٣",
    "“Hello,” she’s said—it’s…don’t “I’ll” ’tis",
    "                                                                          x",
    "________________________________________________________________________ x",
    "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n x",
};
enum { HARD = sizeof hard / sizeof *hard };

/* Every hard string behind 0..79 letters and in front of others: all offsets in a block. */
static void
check_hard(const struct pattern *p, const struct text_kernels *k)
{
    size_t wrong = 0;
    for (size_t i = 0; i < HARD; i++)
        for (size_t pad = 0; pad < 80; pad++) {
            struct str s = {0};
            for (size_t j = 0; j < pad; j++)
                str_addc(&s, j % 7 == 3 ? ' ' : 'k');
            str_adds(&s, hard[i]);
            wrong += !check_copy(p, k, s.data, s.len);
            str_adds(&s, hard[(i + pad) % HARD]);
            wrong += !check_copy(p, k, s.data, s.len);
            str_release(&s);
        }
    is_int((int64_t)wrong, 0, "%s, %s: hard strings at every offset", k->name, p->name);
}

static const char *const alphabets[] = {
    "ab AB\n'",
    "etsrvdmlETSRVDML'' ",
    "a1 !\n\r/ \t.,",
    "012345678 9a",
    " \n\t\r\v\fa",
    "!/\n/ a;",
    "theand of  ,.'\"AIT\n5-",
};
static const char *const others[] = {"é", "ſ", "あ", "漢", "、", "\xE3\x80\x80", "\xCC\x81",
                                     "’", "—", "ǅ", "ʰ", "É", "\xC2\xA0", "٣", "😀", "²"};
enum {
    ALPHABETS = sizeof alphabets / sizeof *alphabets,
    OTHERS = sizeof others / sizeof *others,
    RANDOM = 4000
};

struct random {
    uint64_t key, index;
};

static size_t
below(struct random *r, size_t n)
{
    return (size_t)(rng_u64(r->key, r->index++) % n);
}

static void
random_text(struct random *rng, struct str *out)
{
    const char *alphabet = alphabets[below(rng, ALPHABETS)];
    size_t letters = strlen(alphabet), foreign = below(rng, 4);
    size_t n = below(rng, 300);
    str_clear(out);
    while (out->len < n) {
        if (foreign == 0 && below(rng, 20) == 0)
            str_adds(out, others[below(rng, OTHERS)]);
        size_t run = below(rng, 16) == 0 ? below(rng, 80) : 1;
        char c = alphabet[below(rng, letters)];
        while (run-- > 0)
            str_addc(out, c);
    }
}

static void
check_random(const struct pattern *p, const struct text_kernels *k)
{
    struct random rng = {rng_key(4711, "scan"), 0};
    struct str s = {0};
    size_t wrong = 0;
    for (int i = 0; i < RANDOM; i++) {
        random_text(&rng, &s);
        wrong += s.len > 0 && !check_copy(p, k, s.data, s.len);
    }
    is_int((int64_t)wrong, 0, "%s, %s: %d random strings", k->name, p->name, RANDOM);
    str_release(&s);
}

/* A set against its definition, at every alignment and length up to three registers. */
static void
check_find(const struct text_kernels *k)
{
    struct random rng = {rng_key(4711, "find"), 0};
    size_t wrong = 0;
    for (int round = 0; round < 20000; round++) {
        bool member[256] = {false};
        struct text_set set = {0};
        size_t members = below(&rng, 6), n = below(&rng, 200), from = below(&rng, n + 1), at;
        for (size_t i = 0; i < members; i++) {
            uint8_t byte = (uint8_t)below(&rng, 256);
            member[byte] = true;
            text_set_add(&set, byte);
        }
        char *text = mem_alloc(n ? n : 1);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)below(&rng, 256);
        for (at = from; at < n && !member[(uint8_t)text[at]];)
            at++;
        wrong += k->find(&set, text, from, n) != at;
        free(text);
    }
    is_int((int64_t)wrong, 0, "%s: the first byte of a set", k->name);
}

int
main(void)
{
    for (int i = 0; i < ISAS; i++) {
        const struct text_kernels *k = kernels_of(isas[i]);
        if (!k || strcmp(k->name, isas[i])) {
            skip(isas[i], "does not run here");
            continue;
        }
        check_find(k);
        for (int j = 0; j < PATTERNS; j++) {
            check_hard(pattern_by_name(patterns[j]), k);
            check_random(pattern_by_name(patterns[j]), k);
        }
        check_hard(&pattern_deepseek3, k);
        check_random(&pattern_deepseek3, k);
    }
    setenv("LLM_ISA", "mmx", 1);
    ok(!text_kernels(), "an unknown instruction set is refused");
    return done();
}

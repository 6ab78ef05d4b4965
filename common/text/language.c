#include "text/language.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "text/language_words.h"

/* Guesses languages by scripts and function words. */

enum {
    LOOK_AT = 256 << 10, /* bytes that are looked at at most */
    WINDOWS = 16,
    TABLE_SIZE = 4096, /* of function words, a power of two, sparsely filled */
    WORD_MAX = 24,
    SHARE = 5040 /* a found word's weight, divided among up to ten languages */
};

/* ---- scripts ------------------------------------------------------------------ */

enum script {
    KANA, HAN, HANGUL, LATIN, CYRILLIC, GREEK, ARABIC, HEBREW, DEVANAGARI, BENGALI, TAMIL, TELUGU,
    THAI, GEORGIAN, ARMENIAN, KHMER, SCRIPTS,
    NO_LETTER = SCRIPTS
};

static const struct {
    int32_t first, last;
    enum script script;
} ranges[] = { /* letters only, in order of code points */
    {0x41, 0x5A, LATIN},          {0x61, 0x7A, LATIN},          {0xC0, 0x24F, LATIN},
    {0x370, 0x3FF, GREEK},        {0x400, 0x52F, CYRILLIC},     {0x531, 0x587, ARMENIAN},
    {0x5D0, 0x5EA, HEBREW},       {0x620, 0x6D3, ARABIC},       {0x900, 0x97F, DEVANAGARI},
    {0x980, 0x9FF, BENGALI},      {0xB80, 0xBFF, TAMIL},        {0xC00, 0xC7F, TELUGU},
    {0xE01, 0xE4E, THAI},         {0x10A0, 0x10FF, GEORGIAN},   {0x1100, 0x11FF, HANGUL},
    {0x1780, 0x17D3, KHMER},      {0x1E00, 0x1EFF, LATIN},      {0x3041, 0x3096, KANA},
    {0x30A1, 0x30FA, KANA},       {0x3400, 0x4DBF, HAN},        {0x4E00, 0x9FFF, HAN},
    {0xAC00, 0xD7A3, HANGUL},     {0xF900, 0xFAFF, HAN},        {0xFF66, 0xFF9D, KANA},
    {0x20000, 0x3FFFF, HAN},
};

static enum script
script_of(int32_t c)
{
    size_t low = 0, high = sizeof ranges / sizeof *ranges;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c < ranges[middle].first)
            high = middle;
        else if (c > ranges[middle].last)
            low = middle + 1;
        else
            return ranges[middle].script;
    }
    return NO_LETTER;
}

/* Letters that tell the languages of a script apart. */
enum mark { MARK_UK, MARK_RU, MARK_SR, MARK_BE, MARK_HARD, MARK_FA, MARK_UR, MARKS };

static enum mark
mark_of(int32_t c)
{
    switch (c) {
    case 0x404: case 0x407: case 0x490: case 0x454: case 0x457: case 0x491:
        return MARK_UK; /* Є Ї Ґ */
    case 0x42B: case 0x44B: case 0x42D: case 0x44D:
        return MARK_RU; /* Ы Э, which Belarusian has, too */
    case 0x402: case 0x408: case 0x409: case 0x40A: case 0x40B: case 0x452: case 0x458:
    case 0x459: case 0x45A: case 0x45B:
        return MARK_SR; /* Ђ Ј Љ Њ Ћ */
    case 0x40E: case 0x45E:
        return MARK_BE; /* Ў */
    case 0x42A: case 0x44A:
        return MARK_HARD; /* Ъ: a vowel in Bulgarian */
    case 0x67E: case 0x686: case 0x698: case 0x6AF: case 0x6CC:
        return MARK_FA;
    case 0x679: case 0x688: case 0x691: case 0x6BA: case 0x6D2:
        return MARK_UR;
    default:
        return MARKS;
    }
}

/* ---- function words ----------------------------------------------------------- */

struct word {
    char text[WORD_MAX];
    uint32_t languages; /* a bit each, by place in language_words */
};

static struct word words[TABLE_SIZE];
static pthread_once_t words_once = PTHREAD_ONCE_INIT;

/* The word's place in the table, or the free one where it belongs. */
static struct word *
find_word(const char *text, size_t n)
{
    for (size_t i = hash64(text, n);; i++) {
        struct word *w = &words[i % TABLE_SIZE];
        if (!w->languages || (!memcmp(w->text, text, n) && !w->text[n]))
            return w;
    }
}

static void
fill_words(void)
{
    for (unsigned l = 0; l < language_words_count; l++) {
        for (const char *p = language_words[l].words; *p;) {
            size_t n = strcspn(p, " ");
            struct word *w = find_word(p, n);
            memcpy(w->text, p, n);
            w->languages |= UINT32_C(1) << l;
            p += n + (p[n] == ' ');
        }
    }
}

/* ---- what is counted in a text ------------------------------------------------ */

struct evidence {
    size_t letters[SCRIPTS + 1];
    size_t marks[MARKS + 1];
    size_t words;
    uint64_t scores[32];
    char word[WORD_MAX]; /* the word being read, in lower case */
    size_t word_len;     /* WORD_MAX: it is too long to matter */
};

static void
end_word(struct evidence *e)
{
    if (!e->word_len)
        return;
    e->words++;
    if (e->word_len < WORD_MAX) {
        uint32_t languages = find_word(e->word, e->word_len)->languages;
        for (uint32_t left = languages; left; left &= left - 1)
            e->scores[__builtin_ctz(left)] += SHARE / (unsigned)__builtin_popcount(languages);
    }
    e->word_len = 0;
}

static int32_t
lower_latin(int32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
    if (c <= 0xDE)
        return c >= 0xC0 && c != 0xD7 ? c + 0x20 : c;
    /* Latin Extended: capitals stand before their small letters, mostly at even places. */
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E))
        return c % 2 ? c + 1 : c;
    return (c >= 0x100 && c <= 0x17F) || (c >= 0x1E00 && c <= 0x1EFF) ? c | 1 : c;
}

static void
add_latin(struct evidence *e, int32_t c)
{
    char bytes[4];
    size_t n = utf8_encode((uint32_t)lower_latin(c), bytes);

    if (e->word_len + n >= WORD_MAX) {
        e->word_len = WORD_MAX;
        return;
    }
    memcpy(e->word + e->word_len, bytes, n);
    e->word_len += n;
}

static void
look_at(struct evidence *e, const char *text, size_t n)
{
    for (size_t i = 0, used; i < n; i += used) {
        int32_t c = utf8_decode(text + i, n - i, &used);
        enum script s = c < 0 ? NO_LETTER : script_of(c);
        e->letters[s]++;
        if (s == LATIN) {
            add_latin(e, c);
            continue;
        }
        end_word(e);
        if (s == CYRILLIC || s == ARABIC)
            e->marks[mark_of(c)]++;
    }
    end_word(e);
}

/* ---- the answer --------------------------------------------------------------- */

static const char *
latin_language(const struct evidence *e)
{
    unsigned best = 0, second = 1;

    for (unsigned l = 1; l < language_words_count; l++) {
        if (e->scores[l] > e->scores[best]) {
            second = best;
            best = l;
        } else if (l != best && (second == best || e->scores[l] > e->scores[second])) {
            second = l;
        }
    }
    /* At least 6 % of the words, three of them, and a fifth more than the next language. */
    if (e->scores[best] * 100 < (uint64_t)e->words * SHARE * 6 || e->scores[best] < 3 * SHARE ||
        e->scores[best] * 5 < e->scores[second] * 6)
        return "und";
    return language_words[best].language;
}

static const char *
cyrillic_language(const struct evidence *e)
{
    size_t letters = e->letters[CYRILLIC];

    if (e->marks[MARK_BE] * 200 > letters)
        return "be";
    if (e->marks[MARK_UK] * 200 > letters)
        return "uk";
    if (e->marks[MARK_SR] * 200 > letters)
        return "sr";
    return e->marks[MARK_HARD] > e->marks[MARK_RU] ? "bg" : "ru";
}

static const char *
arabic_language(const struct evidence *e)
{
    if (e->marks[MARK_UR] * 100 > e->letters[ARABIC])
        return "ur";
    return e->marks[MARK_FA] * 50 > e->letters[ARABIC] ? "fa" : "ar";
}

static const char *
script_language(const struct evidence *e, enum script s)
{
    static const char *const languages[SCRIPTS] = {
        [GREEK] = "el",   [HEBREW] = "he",   [DEVANAGARI] = "hi", [BENGALI] = "bn",
        [TAMIL] = "ta",   [TELUGU] = "te",   [THAI] = "th",       [GEORGIAN] = "ka",
        [ARMENIAN] = "hy", [KHMER] = "km",
    };

    switch (s) {
    case LATIN:
        return latin_language(e);
    case CYRILLIC:
        return cyrillic_language(e);
    case ARABIC:
        return arabic_language(e);
    default:
        return languages[s];
    }
}

static const char *
decide(const struct evidence *e)
{
    size_t all = 0, east_asian = e->letters[KANA] + e->letters[HAN];
    enum script best = LATIN;

    for (int s = 0; s < SCRIPTS; s++)
        all += e->letters[s];
    if (!all)
        return "und";
    if (e->letters[HANGUL] * 5 >= all && e->letters[HANGUL] >= east_asian)
        return "ko";
    if (east_asian * 5 >= all)
        return e->letters[KANA] * 20 >= east_asian ? "ja" : "zh";
    for (int s = LATIN; s < SCRIPTS; s++)
        if (e->letters[s] > e->letters[best])
            best = (enum script)s;
    return script_language(e, best);
}

const char *
language_guess(const char *text, size_t n)
{
    struct evidence e = {0};

    pthread_once(&words_once, fill_words);
    if (n <= LOOK_AT) {
        look_at(&e, text, n);
        return decide(&e);
    }
    for (size_t w = 0; w < WINDOWS; w++) {
        size_t from = n / WINDOWS * w, size = LOOK_AT / WINDOWS;
        while ((text[from] & 0xC0) == 0x80)
            from++;
        look_at(&e, text + from, size);
    }
    return decide(&e);
}

/* ---- lists of languages --------------------------------------------------------- */

static bool
is_known(const char *tag, size_t n)
{
    static const char *const others[] = {"ja", "zh", "ko", "be", "uk", "sr", "bg", "ru", "ur", "fa",
                                         "ar", "el", "he", "hi", "bn", "ta", "te", "th", "ka", "hy",
                                         "km", "und"};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i]) == n && !strncasecmp(others[i], tag, n))
            return true;
    for (unsigned l = 0; l < language_words_count; l++)
        if (strlen(language_words[l].language) == n &&
            !strncasecmp(language_words[l].language, tag, n))
            return true;
    return false;
}

int
language_list_check(const char *list)
{
    for (;;) {
        if (!is_known(list, strcspn(list, ",-")))
            return err_set(STATUS_USAGE, "'%.*s' is not a language that can be told",
                           (int)strcspn(list, ","), list);
        list += strcspn(list, ",");
        if (!*list++)
            return 0;
    }
}

bool
language_listed(const char *language, const char *list)
{
    size_t n = strlen(language);

    for (;; list++) {
        if (strcspn(list, ",-") == n && !strncasecmp(list, language, n))
            return true;
        list += strcspn(list, ",");
        if (!*list)
            return false;
    }
}

#include "text/normalize.h"

#include <pthread.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "text/classes.h"

/*
 * A code point is stable in a form when it is its own decomposition, is a starter
 * and composes with nothing before it: text may be cut before it without changing
 * the result (UAX #15, section 9.1, "quick check" and stream-safe borders). Text of
 * stable code points is in the form already.
 */

static uint8_t stable[CLASS_CODE_POINTS]; /* bit `form`: stable in that form */
static pthread_once_t once = PTHREAD_ONCE_INIT;

enum { HANGUL_FIRST = 0xAC00, HANGUL_LAST = 0xD7A3 };

/* Not only marks compose with what stands before them: Hangul vowels and finals do, too. */
static bool
composes_backwards(uint32_t c, const utf8proc_property_t *p)
{
    bool jamo = (c >= 0x1161 && c <= 0x1175) || (c >= 0x11A8 && c <= 0x11C2);
    return jamo || (p->comb_index != UINT16_MAX && p->comb_index >= 0x8000);
}

static unsigned
stable_forms(uint32_t c)
{
    const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
    if (p->combining_class)
        return 0;
    bool hangul = c >= HANGUL_FIRST && c <= HANGUL_LAST;
    bool decomposes = p->decomp_seqindex != UINT16_MAX;
    bool canonical = decomposes && p->decomp_type == 0;
    bool back = composes_backwards(c, p);
    unsigned bits = 0;
    /* a canonical decomposition may compose again to the same: such code points are left to
     * utf8proc unless they are plain letters with one mark, which always do, below */
    if (!canonical && !back)
        bits |= 1u << FORM_NFC;
    if (!canonical && !hangul)
        bits |= 1u << FORM_NFD;
    if (!decomposes && !back)
        bits |= 1u << FORM_NFKC;
    if (!decomposes && !hangul)
        bits |= 1u << FORM_NFKD;
    return bits;
}

static utf8proc_option_t
form_options(enum text_form form)
{
    static const utf8proc_option_t options[] = {
        [FORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [FORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [FORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [FORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    return options[form];
}

/* The form of s[0..n) as code points; returns their number. *cp is grown as needed. */
static size_t
normalize_points(enum text_form form, const char *s, size_t n, utf8proc_int32_t **cp, size_t *cap)
{
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)s;
    utf8proc_option_t options = form_options(form);
    for (;;) {
        utf8proc_ssize_t need = utf8proc_decompose(bytes, (utf8proc_ssize_t)n, *cp,
                                                   (utf8proc_ssize_t)*cap, options);
        if (need < 0)
            return 0; /* only invalid UTF-8 gets here, which callers exclude */
        if ((size_t)need <= *cap) {
            need = utf8proc_normalize_utf32(*cp, need, options);
            return need < 0 ? 0 : (size_t)need;
        }
        *cap = (size_t)need;
        *cp = mem_grow_array(*cp, *cap, sizeof **cp);
    }
}

/* Precomposed letters keep their form in NFC and NFKC: worth knowing for Latin and kana. */
static bool
composes_to_itself(uint32_t c, enum text_form form)
{
    char s[4];
    size_t used = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)s);
    utf8proc_int32_t points[32], *cp = points;
    utf8proc_option_t options = form_options(form);
    utf8proc_ssize_t n = utf8proc_decompose((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)used, cp,
                                            32, options);
    if (n < 1 || n > 32)
        return false;
    return utf8proc_normalize_utf32(cp, n, options) == 1 && (uint32_t)cp[0] == c;
}

static void
build(void)
{
    for (uint32_t c = 0; c < CLASS_CODE_POINTS; c++) {
        if (c >= 0xD800 && c <= 0xDFFF)
            continue;
        unsigned bits = stable_forms(c);
        const utf8proc_property_t *p = utf8proc_get_property((utf8proc_int32_t)c);
        bool starter = !p->combining_class && !composes_backwards(c, p);
        if (starter && p->decomp_seqindex != UINT16_MAX) {
            if (composes_to_itself(c, FORM_NFC))
                bits |= 1u << FORM_NFC;
            if (composes_to_itself(c, FORM_NFKC))
                bits |= 1u << FORM_NFKC;
        }
        stable[c] = (uint8_t)bits;
    }
}

/* The end of the ASCII text at `at`, in steps of 32 bytes: it is stable in every form. */
static size_t
ascii_end(const char *s, size_t n, size_t at)
{
    for (; at + 32 <= n; at += 32) {
        uint64_t w[4];
        memcpy(w, s + at, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080u)
            break;
    }
    return at;
}

/* The end of the stable stretch that begins at `at`; *last is where its last code point begins. */
static size_t
stable_end(unsigned bit, const char *s, size_t n, size_t at, size_t *last)
{
    *last = at;
    while (at < n) {
        size_t used, ascii = ascii_end(s, n, at);
        if (ascii > at) {
            at = ascii;
            *last = at - 1;
        }
        for (size_t step = at + 16; at < n && at < step; at += used) {
            if (!(stable[text_peek(s + at, &used)] & bit))
                return at;
            *last = at;
        }
    }
    return at;
}

/* The end of the stretch that must be normalized as one: before the next stable code point. */
static size_t
unstable_end(unsigned bit, const char *s, size_t n, size_t at)
{
    while (at < n) {
        size_t used;
        if (stable[text_peek(s + at, &used)] & bit)
            break;
        at += used;
    }
    return at;
}

bool
text_normalize(enum text_form form, const char *s, size_t n, struct str *out)
{
    pthread_once(&once, build);
    unsigned bit = 1u << form;
    size_t last, at = stable_end(bit, s, n, 0, &last);
    if (at == n)
        return false;
    utf8proc_int32_t *cp = NULL;
    size_t cap = 0, copied = 0;
    while (at < n) {
        /* a stable code point may compose with what follows it: take it along */
        size_t begin = at > copied ? last : at;
        str_add(out, s + copied, begin - copied);
        size_t end = unstable_end(bit, s, n, at);
        size_t points = normalize_points(form, s + begin, end - begin, &cp, &cap);
        for (size_t i = 0; i < points; i++)
            str_add_utf8(out, (uint32_t)cp[i]);
        copied = end;
        at = stable_end(bit, s, n, end, &last);
    }
    str_add(out, s + copied, n - copied);
    free(cp);
    return true;
}

void
text_lowercase(const char *s, size_t n, struct str *out)
{
    for (size_t at = 0, used; at < n; at += used) {
        uint32_t c = text_peek(s + at, &used);
        if (c == 0x130) /* the only one that becomes two (SpecialCasing.txt) */
            str_adds(out, "i\xCC\x87");
        else
            str_add_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
}

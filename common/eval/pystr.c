#include "eval/pystr.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "text/classes.h"

const char python_punctuation[] = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";

struct piece
piece_of(const char *text)
{
    return (struct piece){text, strlen(text)};
}

struct piece
piece_in(const struct str *s)
{
    return (struct piece){s->data ? s->data : "", s->len};
}

bool
piece_equal(struct piece a, struct piece b)
{
    return a.n == b.n && (!a.n || !memcmp(a.data, b.data, a.n));
}

int
piece_compare(struct piece a, struct piece b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

static int
compare_pieces(const void *a, const void *b)
{
    return piece_compare(*(const struct piece *)a, *(const struct piece *)b);
}

void
pieces_sort(piece_list *list)
{
    if (list->len)
        qsort(list->data, list->len, sizeof *list->data, compare_pieces);
}

size_t
pieces_common(const piece_list *a, const piece_list *b)
{
    size_t common = 0;
    for (size_t i = 0, j = 0; i < a->len && j < b->len;) {
        int order = piece_compare(a->data[i], b->data[j]);
        common += order == 0;
        i += order <= 0;
        j += order >= 0;
    }
    return common;
}

uint32_t
python_peek(struct piece s, size_t *used)
{
    int32_t c = utf8_decode(s.data, s.n, used);
    if (c >= 0)
        return (uint32_t)c;
    *used = 1;
    return 0xFFFD;
}

bool
python_is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool
python_is_word(uint32_t c)
{
    return c == '_' || (text_classes()[c] & (CLASS_L | CLASS_N)) != 0;
}

struct piece
python_rstrip(struct piece s)
{
    while (s.n) {
        size_t at = s.n - 1, used;
        while (at && ((unsigned char)s.data[at] & 0xC0) == 0x80 && s.n - at < 4)
            at--;
        uint32_t c = python_peek((struct piece){s.data + at, s.n - at}, &used);
        if (used != s.n - at || !python_is_space(c))
            break;
        s.n = at;
    }
    return s;
}

struct piece
python_strip(struct piece s)
{
    for (size_t used; s.n && python_is_space(python_peek(s, &used)); s.n -= used)
        s.data += used;
    return python_rstrip(s);
}

void
python_split(struct piece s, piece_list *out)
{
    for (size_t at = 0, begin = 0, used; at <= s.n; at += used) {
        bool end = at == s.n;
        used = 1;
        if (!end && !python_is_space(python_peek((struct piece){s.data + at, s.n - at}, &used)))
            continue;
        if (at > begin)
            vec_push(out, ((struct piece){s.data + begin, at - begin}));
        begin = at + used;
    }
}

size_t
python_blank_parts(struct piece s)
{
    size_t parts = 1;
    bool blank = false;
    for (size_t at = 0, used; at < s.n; at += used) {
        bool space = python_is_space(python_peek((struct piece){s.data + at, s.n - at}, &used));
        parts += space && !blank;
        blank = space;
    }
    return parts;
}

void
python_squeeze(struct piece s, struct str *out)
{
    piece_list parts = {0};
    python_split(s, &parts);
    for (size_t i = 0; i < parts.len; i++) {
        if (i)
            str_addc(out, ' ');
        str_add(out, parts.data[i].data, parts.data[i].n);
    }
    vec_release(&parts);
}

size_t
python_length(struct piece s)
{
    size_t n = 0;
    for (size_t at = 0, used; at < s.n; at += used, n++)
        python_peek((struct piece){s.data + at, s.n - at}, &used);
    return n;
}

/*
 * Cased and Case_Ignorable (Unicode 15, section 3.13); the few cased letters that are no L are
 * left out.
 */
static bool
cased(uint32_t c)
{
    return (text_classes()[c] & (CLASS_LU | CLASS_LL | CLASS_LT)) || c == 0xAA || c == 0xBA ||
           (c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9);
}

static bool
case_ignorable(uint32_t c)
{
    static const uint32_t middle[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,
                                      0x5F4,  0x2018, 0x2019, 0x2024, 0x2027, 0xFE13,
                                      0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof middle / sizeof *middle; i++)
        if (c == middle[i])
            return true;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return false;
    }
}

/* Is the sigma at s.data[at] the end of a word (SpecialCasing.txt, Final_Sigma)? */
static bool
final_sigma(struct piece s, size_t at)
{
    bool before = false;
    for (size_t i = 0, used; i < at; i += used) {
        uint32_t c = python_peek((struct piece){s.data + i, s.n - i}, &used);
        if (!case_ignorable(c))
            before = cased(c);
    }
    if (!before)
        return false;
    for (size_t i = at + 2, used; i < s.n; i += used) {
        uint32_t c = python_peek((struct piece){s.data + i, s.n - i}, &used);
        if (!case_ignorable(c))
            return !cased(c);
    }
    return true;
}

void
python_lower(struct piece s, struct str *out)
{
    str_reserve(out, s.n);
    for (size_t at = 0, used; at < s.n; at += used) {
        uint32_t c = python_peek((struct piece){s.data + at, s.n - at}, &used);
        if (c < 0x80)
            str_addc(out, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
        else if (c == 0x130)
            str_adds(out, "i\xCC\x87");
        else if (c == 0x3A3)
            str_add_utf8(out, final_sigma(s, at) ? 0x3C2 : 0x3C3);
        else
            str_add_utf8(out, (uint32_t)utf8proc_tolower((utf8proc_int32_t)c));
    }
}

void
python_delete_ascii(struct piece s, const char *set, struct str *out)
{
    str_reserve(out, s.n);
    for (size_t i = 0; i < s.n; i++)
        if (!s.data[i] || !strchr(set, s.data[i]))
            str_addc(out, s.data[i]);
}

bool
python_float(struct piece s, double *out)
{
    s = python_strip(s);
    size_t digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.data[i];
        if (c >= '0' && c <= '9')
            digits++;
        else if (!(c == '.' && !memchr(s.data, '.', i)) && !((c == '-' || c == '+') && !i))
            return false;
    }
    if (!digits)
        return false;
    char *text = mem_strndup(s.data, s.n);
    *out = strtod(text, NULL);
    free(text);
    return true;
}

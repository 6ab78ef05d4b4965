#include "eval/pystr.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/classes.h"
#include "text/python.h"

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
    return text_is_space((int32_t)c);
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

void
python_lower(struct piece s, struct str *out)
{
    text_change_case(s.data, s.n, CASE_LOWER, out);
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

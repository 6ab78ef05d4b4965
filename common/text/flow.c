#include "text/flow.h"

#include <string.h>

#include "base/utf8.h"

/* Lays out the words that come out of markup. */

void
flow_start(struct flow *f, struct str *out)
{
    *f = (struct flow){.out = out, .start = out->len};
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Kana, kanji, their punctuation, full-width forms: written without spaces. */
static bool
is_unspaced(int32_t c)
{
    return (c >= 0x2E80 && c < 0xA4D0) || (c >= 0xF900 && c < 0xFB00) ||
           (c >= 0xFE30 && c < 0xFE50) || (c >= 0xFF00 && c < 0xFFF0) ||
           (c >= 0x20000 && c < 0x40000);
}

/* Full-width punctuation that has its space in itself: no blank belongs behind it. */
static bool
has_own_space(int32_t c)
{
    return c == 0x3001 || c == 0x3002 || c == 0x300D || c == 0x300F || c == 0xFF01 ||
           c == 0xFF09 || c == 0xFF0C || c == 0xFF0E || c == 0xFF1F;
}

/* The last character written on the present line; 0: none. */
static int32_t
last_character(const struct flow *f)
{
    const char *begin = f->out->data + f->start, *end = f->out->data + f->out->len, *p = end;
    size_t used;

    if (f->out->len == f->start)
        return 0;
    do
        p--;
    while (p > begin && (*p & 0xC0) == 0x80 && end - p < 4);
    return utf8_decode(p, (size_t)(end - p), &used);
}

static bool
at_line_start(const struct flow *f)
{
    return f->out->len == f->start || f->out->data[f->out->len - 1] == '\n';
}

/* Line ends never come with spaces before them. */
static void
trim(struct flow *f)
{
    while (f->out->len > f->start &&
           (f->out->data[f->out->len - 1] == ' ' || f->out->data[f->out->len - 1] == '\t'))
        f->out->len--;
}

static void
pay_breaks(struct flow *f)
{
    unsigned have = 0;

    if (!f->breaks)
        return;
    trim(f);
    if (f->out->len > f->start) {
        while (have < f->out->len - f->start && f->out->data[f->out->len - 1 - have] == '\n')
            have++;
        for (; have < f->breaks; have++)
            str_addc(f->out, '\n');
    }
    f->breaks = 0;
    f->space = f->tab = false;
}

/* Does white space before code point c, with a line break in it or not, vanish? */
static bool
vanishes(const struct flow *f, int32_t c)
{
    if (!is_unspaced(c))
        return false;
    int32_t last = last_character(f);
    return f->folded ? is_unspaced(last) : has_own_space(last);
}

/* Writes what is owed before the word that begins with code point c. */
static void
pay(struct flow *f, int32_t c)
{
    pay_breaks(f);
    if (at_line_start(f)) {
        if (f->prefix)
            str_adds(f->out, f->prefix);
    } else if (f->tab) {
        str_addc(f->out, '\t');
    } else if (f->space && !vanishes(f, c)) {
        str_addc(f->out, ' ');
    }
    f->prefix = NULL;
    f->space = f->folded = f->tab = false;
}

static void
add_verbatim(struct flow *f, const char *text, size_t n)
{
    const char *end = text + n;

    while (text < end) {
        const char *eol = memchr(text, '\n', (size_t)(end - text));
        const char *stop = eol ? eol : end;
        if (stop > text) {
            f->space = f->space && !at_line_start(f);
            f->folded = false;
            pay(f, 0);
            str_add(f->out, text, (size_t)(stop - text) - (stop[-1] == '\r'));
        }
        if (eol)
            flow_newline(f);
        text = stop + (eol != NULL);
    }
}

void
flow_text(struct flow *f, const char *text, size_t n)
{
    const char *end = text + n;

    if (f->verbatim) {
        add_verbatim(f, text, n);
        return;
    }
    while (text < end) {
        const char *word = text;
        while (word < end && is_space(*word)) {
            f->space = true;
            f->folded |= *word == '\n';
            word++;
        }
        for (text = word; text < end && !is_space(*text);)
            text++;
        if (text > word) {
            size_t used;
            pay(f, utf8_decode(word, (size_t)(text - word), &used));
            str_add(f->out, word, (size_t)(text - word));
        }
    }
}

void
flow_code_point(struct flow *f, uint32_t c)
{
    char bytes[4];
    size_t n = utf8_encode(c, bytes);

    flow_text(f, bytes, n);
}

void
flow_break(struct flow *f)
{
    if (f->breaks < 1)
        f->breaks = 1;
}

void
flow_paragraph(struct flow *f)
{
    /* The paragraph that a list item begins with stands behind its mark. */
    if (!f->prefix)
        f->breaks = 2;
}

void
flow_newline(struct flow *f)
{
    if (f->breaks)
        pay_breaks(f);
    trim(f);
    if (f->out->len == f->start)
        return;
    /* Never more than one empty line. */
    if (f->out->len - f->start < 2 || memcmp(f->out->data + f->out->len - 2, "\n\n", 2))
        str_addc(f->out, '\n');
    f->space = f->tab = false;
}

void
flow_cell(struct flow *f)
{
    f->tab = !f->breaks && !at_line_start(f);
}

void
flow_item(struct flow *f, const char *prefix)
{
    flow_break(f);
    f->prefix = prefix;
}

void
flow_end(struct flow *f)
{
    while (f->out->len > f->start && is_space(f->out->data[f->out->len - 1]))
        f->out->len--;
    if (f->out->len > f->start)
        str_addc(f->out, '\n');
}

#include "text/format.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "text/charset.h"

/* Tells what kind of text a file holds. */

static const char *const names[] = {"auto", "text", "lines", "jsonl",   "html",
                                    "man",  "warc", "wikixml", "xml", "parquet", "binary"};

const char *
text_format_name(enum text_format f)
{
    return names[f];
}

static bool
begins(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);

    return (size_t)(end - p) >= n && !strncasecmp(p, word, n);
}

/* Magic numbers of formats whose beginning might pass for text. */
static bool
has_binary_magic(const char *p, const char *end)
{
    static const char *const magics[] = {"%PDF-", "%!PS", "GIF8", "\x89PNG", "\xFF\xD8\xFF",
                                         "\177ELF", "wOF", "7z\xBC\xAF", "Rar!", "OggS",
                                         "SQLite format 3"};

    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        size_t n = strlen(magics[i]);
        if ((size_t)(end - p) >= n && !memcmp(p, magics[i], n))
            return true;
    }
    return false;
}

/* A NUL, or more than one control character in a hundred bytes. */
static bool
is_binary(const char *p, const char *end)
{
    size_t controls = 0, n = (size_t)(end - p);

    if (has_binary_magic(p, end) || memchr(p, 0, n))
        return true;
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        controls += (c < 0x20 && !strchr("\t\n\v\f\r\b\x1B", c)) || c == 0x7F;
    }
    return controls * 100 > n;
}

static const char *
skip_space(const char *p, const char *end)
{
    while (p < end && strchr(" \t\r\n\f", *p) && *p)
        p++;
    return p;
}

/* Behind the comment or declaration at p, or NULL when it does not end. */
static const char *
skip_to(const char *p, const char *end, const char *mark)
{
    const char *at = memmem(p, (size_t)(end - p), mark, strlen(mark));

    return at ? at + strlen(mark) : NULL;
}

/* Looks past XML declaration, comments and doctype for the root element. */
static enum text_format
detect_markup(const char *p, const char *end)
{
    bool xml = begins(p, end, "<?xml");

    while (p && (p = skip_space(p, end)) < end) {
        if (begins(p, end, "<!--"))
            p = skip_to(p, end, "-->");
        else if (begins(p, end, "<?"))
            p = skip_to(p, end, ">");
        else if (begins(p, end, "<!doctype html") || begins(p, end, "<html") ||
                 begins(p, end, "<head") || begins(p, end, "<body"))
            return TEXT_HTML;
        else if (begins(p, end, "<mediawiki"))
            return TEXT_WIKIXML;
        else
            return xml || begins(p, end, "<!doctype") ? TEXT_XML : TEXT_PLAIN;
    }
    return xml ? TEXT_XML : TEXT_PLAIN;
}

/*
 * The first lines of a manual are comments, requests and definitions; one of them
 * is .TH, .Dd or the .so of a page that is only a link.
 */
static bool
is_man(const char *p, const char *end)
{
    static const char *const titles[] = {".TH ", ".TH\t", ".Dd ", ".Dt ", ".so "};
    bool first = true;

    for (const char *line = p; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        eol = eol ? eol : end;
        for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
            if ((size_t)(eol - line) > 4 && !memcmp(line, titles[i], 4))
                return true;
        if (eol > line && first && *line != '.' && *line != '\'')
            return false;
        first &= eol == line;
        line = eol + 1;
    }
    return false;
}

/* An object on the first line, in one piece, with the field. */
static bool
is_jsonl(const char *p, const char *end, const struct jsonl_field *field)
{
    struct jsonl_result r;
    struct str text = {0};

    p = skip_space(p, end);
    if (p == end || *p != '{' || !field)
        return false;
    const char *eol = memchr(p, '\n', (size_t)(end - p));
    if (!eol) { /* one long line: the field's name must do */
        struct str quoted = {0};
        str_addf(&quoted, "\"%s\"", field->key[0].name);
        bool has = memmem(p, (size_t)(end - p), quoted.data, quoted.len);
        str_release(&quoted);
        return has;
    }
    enum jsonl_status status = jsonl_text(field, p, (size_t)(eol - p), &text, &r);
    str_release(&text);
    return status == JSONL_TEXT;
}

static bool
has_suffix(const char *name, const char *suffix)
{
    static const char *const packed[] = {"", ".gz", ".xz", ".zst", ".bz2"};
    size_t n = strlen(name), s = strlen(suffix);

    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++) {
        size_t z = strlen(packed[i]);
        if (n >= s + z && !strcmp(name + n - z, packed[i]) && !memcmp(name + n - z - s, suffix, s))
            return true;
    }
    return false;
}

enum text_format
text_detect(const char *head, size_t n, const char *name, const struct jsonl_field *field)
{
    const char *end = head + n, *p = head + charset_mark(head, n);

    if (begins(p, end, "WARC/1."))
        return TEXT_WARC;
    if (has_suffix(name, ".jsonl") || has_suffix(name, ".ndjson"))
        return TEXT_JSONL;
    if (n >= 4 && !memcmp(head, "PAR1", 4) && is_binary(p, end))
        return TEXT_PARQUET;
    if (is_binary(p, end))
        return TEXT_BINARY;
    if (is_jsonl(p, end, field))
        return TEXT_JSONL;
    if (is_man(p, end))
        return TEXT_MAN;
    return detect_markup(p, end);
}

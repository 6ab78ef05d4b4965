#include "text/wikixml.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "text/entities.h"
#include "text/wikitext.h"

/* Takes pages of a MediaWiki dump apart. */

struct part {
    const char *p;
    size_t n;
};

/* Behind the '>' of the tag that begins at p, or NULL. */
static const char *
behind_tag(const char *p, const char *end)
{
    const char *close = memchr(p, '>', (size_t)(end - p));

    return close ? close + 1 : NULL;
}

/*
 * The content of the first element <name …> in [p, end), which may not hold another of
 * its name; false: there is none. *behind: behind it.
 */
static bool
element(const char *p, const char *end, const char *name, struct part *out, const char **behind)
{
    char open[32] = "<", close[32] = "</";
    size_t n = strlen(name);

    memcpy(open + 1, name, n + 1);
    memcpy(close + 2, name, n + 1);
    while ((p = memmem(p, (size_t)(end - p), open, n + 1))) {
        p += n + 1;
        if (p < end && (*p == '>' || *p == ' ' || *p == '/'))
            break;
    }
    if (!p || !(p = behind_tag(p, end)))
        return false;
    *out = (struct part){p, 0};
    *behind = p;
    if (p[-2] == '/')
        return true;
    const char *stop = memmem(p, (size_t)(end - p), close, n + 2);
    if (!stop)
        return false;
    out->n = (size_t)(stop - p);
    *behind = stop + n + 2;
    return true;
}

static bool
is(struct part v, const char *word)
{
    return v.n == strlen(word) && !memcmp(v.p, word, v.n);
}

/* Appends XML text without its references; control characters become spaces. */
static void
unescape(struct part v, struct str *out)
{
    const char *p = v.p, *end = v.p + v.n;

    while (p < end) {
        const char *amp = memchr(p, '&', (size_t)(end - p));
        uint32_t c;
        str_add(out, p, (size_t)((amp ? amp : end) - p));
        if (!amp)
            break;
        size_t used = entity_decode(amp, end, &c);
        if (used)
            str_add_utf8(out, c);
        else
            str_addc(out, '&');
        p = amp + (used ? used : 1);
    }
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20 && out->data[i] != '\n' && out->data[i] != '\t')
            out->data[i] = ' ';
}

static bool
begins_redirect(const struct str *s)
{
    static const char *const words[] = {"#REDIRECT", "#redirect", "#Redirect", "#転送",
                                        "#リダイレクト", "#WEITERLEITUNG", "#REDIRECTION"};
    size_t at = 0;

    while (at < s->len && (s->data[at] == ' ' || s->data[at] == '\n'))
        at++;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i]);
        if (s->len - at >= n && !memcmp(s->data + at, words[i], n))
            return true;
    }
    return false;
}

static enum wiki_page
add_article(const struct str *title, const struct str *text, struct str *out)
{
    size_t start = out->len;

    if (begins_redirect(text))
        return WIKI_REDIRECT;
    str_add(out, title->data ? title->data : "", title->len);
    str_adds(out, title->len ? "\n\n" : "");
    size_t head = out->len;
    wikitext_to_text(text->data ? text->data : "", text->len, out);
    if (out->len == head && out->data)
        out->data[out->len = start] = '\0';
    return WIKI_ARTICLE;
}

enum wiki_page
wikixml_page(const char *page, size_t n, struct str *out)
{
    const char *end = page + n, *p, *rest;
    struct part title = {"", 0}, v, text = {"", 0};
    struct str name = {0}, source = {0};

    /* What is about the page stands before its first revision. */
    const char *head = memmem(page, n, "<revision", 9);
    head = head ? head : end;
    (void)element(page, head, "title", &title, &rest);
    if (element(page, head, "ns", &v, &rest) && !is(v, "0"))
        return WIKI_NAMESPACE;
    if (element(page, head, "redirect", &v, &rest))
        return WIKI_REDIRECT;
    for (p = head; element(p, end, "text", &text, &rest);)
        p = rest;
    if (element(head, end, "model", &v, &rest) && !is(v, "wikitext"))
        return WIKI_OTHER_MODEL;
    unescape(title, &name);
    unescape(text, &source);
    enum wiki_page kind = add_article(&name, &source, out);
    str_release(&name);
    str_release(&source);
    return kind;
}

#include "text/wikitext.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "text/wikitext_internal.h"
#include "text/wikitext_nest.h"

/* Undoes templates, tables and links; tags before that and lines after it have files of their own. */

enum { KEPT_DEPTH = 16 }; /* links and kept templates inside each other */

struct walk {
    const char *text;
    const struct nests *nests;
    struct str *out;
};

static void walk_range(struct walk *w, size_t from, size_t to, unsigned depth);

/* The next '|' of [from, to) that is inside no pair; `to` when there is none. */
static size_t
next_bar(const struct walk *w, size_t from, size_t to)
{
    size_t next = nest_at(w->nests, from);

    while (from < to) {
        if (next < w->nests->len && w->nests->data[next].from == from) {
            from = w->nests->data[next].to;
            next = nest_at(w->nests, from);
        } else if (w->text[from] == '|') {
            return from;
        } else {
            from++;
        }
    }
    return to;
}

static bool
begins(const char *p, size_t n, const char *word)
{
    size_t len = strlen(word);

    return n >= len && !strncasecmp(p, word, len);
}

/* ---- templates ------------------------------------------------------------------ */

/* Templates that only mark their text: which of their arguments it is. */
static const struct {
    const char *name; /* with '*' at its end: a beginning */
    unsigned argument, reading; /* from 1; reading: goes into parentheses, 0: none */
} kept[] = {
    {"lang", 2, 0},     {"lang-*", 1, 0},  {"transl", 2, 0},   {"仮リンク", 1, 0},
    {"ill", 1, 0},      {"ill2", 1, 0},    {"nowrap", 1, 0},   {"nobr", 1, 0},
    {"ruby", 1, 2},     {"ルビ", 1, 2},    {"読み仮名", 1, 2}, {"読み仮名_ruby不使用", 1, 2},
    {"small", 1, 0},    {"仮名", 1, 0},    {"interlanguage link", 1, 0},
};

static size_t
trim(const char *text, size_t *from, size_t to)
{
    while (*from < to && strchr(" \t\n_", text[*from]) && text[*from])
        ++*from;
    while (to > *from && strchr(" \t\n_", text[to - 1]) && text[to - 1])
        to--;
    return to;
}

static bool
is_name(const char *p, size_t n, const char *name)
{
    size_t len = strlen(name);

    if (len && name[len - 1] == '*')
        return n > len - 1 && !strncasecmp(p, name, len - 1);
    return n == len && !strncasecmp(p, name, len);
}

/* Walks argument number `wanted` (from 1; those with a name do not count). */
static bool
walk_argument(struct walk *w, const struct nest *t, unsigned wanted, unsigned depth)
{
    size_t at = next_bar(w, t->inner, t->inner_end);
    unsigned left = wanted; /* without a name, until it is the one */

    for (unsigned i = 0; at < t->inner_end && i < 16; i++) {
        size_t from = at + 1, to = next_bar(w, from, t->inner_end);
        const char *equals = memchr(w->text + from, '=', to - from < 24 ? to - from : 24);
        at = to;
        if (equals && equals != w->text + from + 1)
            continue;
        if (equals && w->text[from] != '0' + (char)wanted)
            continue;
        if (equals)
            from += 2;
        else if (--left)
            continue;
        to = trim(w->text, &from, to);
        walk_range(w, from, to, depth);
        return to > from;
    }
    return false;
}

static void
walk_template(struct walk *w, const struct nest *t, unsigned depth)
{
    size_t from = t->inner, to = trim(w->text, &from, next_bar(w, t->inner, t->inner_end));

    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        if (!is_name(w->text + from, to - from, kept[i].name))
            continue;
        bool some = walk_argument(w, t, kept[i].argument, depth);
        size_t before = w->out->len;
        if (!some || !kept[i].reading)
            return;
        str_adds(w->out, "（");
        if (!walk_argument(w, t, kept[i].reading, depth))
            w->out->len = before;
        else
            str_adds(w->out, "）");
        return;
    }
}

/* ---- links ------------------------------------------------------------------------ */

/* Namespaces whose links show nothing in the text, in the languages of the largest wikis. */
static const char *const hidden[] = {
    "file:", "image:", "category:", "media:", "ファイル:", "画像:", "カテゴリ:", "datei:", "bild:",
    "kategorie:", "fichier:", "catégorie:", "archivo:", "imagen:", "categoría:", "immagine:",
    "categoria:", "ficheiro:", "imagem:", "файл:", "изображение:", "категория:", "파일:", "분류:",
    "文件:", "圖像:", "图像:", "档案:", "檔案:", "分类:", "分類:", "bestand:", "afbeelding:", "plik:",
    "grafika:", "kategoria:", "kategori:", "fil:", "tập tin:", "thể loại:", "berkas:", "dosya:",
};

/* A link to the same page in another language: two or three small letters and a colon. */
static bool
is_language(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && i < 12 && ((p[i] >= 'a' && p[i] <= 'z') || (i > 1 && p[i] == '-')))
        i++;
    if (i >= n || p[i] != ':')
        return false;
    return i == 2 || i == 3 || (i > 3 && p[2] == '-') || (i > 4 && p[3] == '-') ||
           (i == 6 && !memcmp(p, "simple", 6));
}

static bool
is_hidden(const char *p, size_t n)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (begins(p, n, hidden[i]))
            return true;
    return is_language(p, n);
}

/* "Foo (bar)" of [[Foo (bar)|]] is Foo; so is "Help:Foo". */
static void
add_short_target(struct walk *w, size_t from, size_t to)
{
    const char *p = w->text + from, *end = w->text + to;
    const char *colon = memchr(p, ':', (size_t)(end - p));
    const char *paren = memmem(p, (size_t)(end - p), " (", 2);

    p = colon && colon + 1 < end ? colon + 1 : p;
    end = paren && paren > p ? paren : end;
    str_add(w->out, p, (size_t)(end - p));
}

static void
walk_link(struct walk *w, const struct nest *link, unsigned depth)
{
    size_t from = link->inner, bar = next_bar(w, from, link->inner_end);
    size_t to = trim(w->text, &from, bar);

    if (from < to && w->text[from] == ':')
        from++; /* shown in spite of its namespace */
    else if (is_hidden(w->text + from, to - from))
        return;
    if (bar + 1 < link->inner_end)
        walk_range(w, bar + 1, link->inner_end, depth);
    else if (bar < link->inner_end)
        add_short_target(w, from, to);
    else
        walk_range(w, from, to, depth);
}

/* [http://… text]: the text; returns behind it, or 0 when it is none. */
static size_t
walk_external(struct walk *w, size_t at, size_t to, unsigned depth)
{
    static const char *const schemes[] = {"http://", "https://", "//", "ftp://", "mailto:"};
    const char *p = w->text + at + 1;
    size_t n = to - at - 1 < 2000 ? to - at - 1 : 2000;
    bool external = false;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        external |= begins(p, n, schemes[i]);
    const char *close = external ? memchr(p, ']', n) : NULL;
    if (!close || memchr(p, '\n', (size_t)(close - p)))
        return 0;
    const char *blank = memchr(p, ' ', (size_t)(close - p));
    if (blank)
        walk_range(w, (size_t)(blank + 1 - w->text), (size_t)(close - w->text), depth);
    return (size_t)(close + 1 - w->text);
}

/* ---- all -------------------------------------------------------------------------- */

static void
walk_pair(struct walk *w, const struct nest *pair, unsigned depth)
{
    if (pair->kind == NEST_LINK && depth < KEPT_DEPTH)
        walk_link(w, pair, depth + 1);
    else if (pair->kind == NEST_TEMPLATE && depth < KEPT_DEPTH)
        walk_template(w, pair, depth + 1);
}

/* Brackets without partners are left out. */
static size_t
add_plain(struct walk *w, size_t at, size_t to)
{
    const char *p = w->text + at;

    if (at + 1 < to && p[0] == p[1] && strchr("{}[]", p[0]))
        return 2;
    str_addc(w->out, *p);
    return 1;
}

static size_t
plain_stretch(const char *p, size_t n)
{
    size_t i = 0;

    while (i < n && p[i] != '{' && p[i] != '}' && p[i] != '[' && p[i] != ']')
        i++;
    return i;
}

static void
walk_range(struct walk *w, size_t from, size_t to, unsigned depth)
{
    size_t next = nest_at(w->nests, from), behind;

    while (from < to) {
        size_t plain = plain_stretch(w->text + from, to - from);
        str_add(w->out, w->text + from, plain);
        from += plain;
        if (from == to)
            break;
        while (next < w->nests->len && w->nests->data[next].from < from)
            next++;
        if (next < w->nests->len && w->nests->data[next].from == from) {
            walk_pair(w, &w->nests->data[next], depth);
            from = w->nests->data[next].to;
        } else if (w->text[from] == '[' && depth < KEPT_DEPTH &&
                   (behind = walk_external(w, from, to, depth + 1))) {
            from = behind;
        } else {
            from += add_plain(w, from, to);
        }
    }
}

void
wikitext_to_text(const char *text, size_t n, struct str *out)
{
    struct str untagged = {0}, plain = {0};
    struct nests nests = {0};

    wikitext_undo_tags(text, n, &untagged);
    str_reserve(&untagged, 0);
    nest_find(untagged.data, untagged.len, &nests);
    struct walk w = {untagged.data, &nests, &plain};
    walk_range(&w, 0, untagged.len, 0);
    str_reserve(&plain, 0);
    wikitext_undo_lines(plain.data, plain.len, out);
    vec_release(&nests);
    str_release(&untagged);
    str_release(&plain);
}

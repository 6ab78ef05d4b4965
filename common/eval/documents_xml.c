/*
 * Rows of an XML document: elements, attributes, texts, character references, CDATA and comments;
 * a document type (and with it entities of one's own) is refused. Elements become what Python's
 * xmltodict makes of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eval/documents.h"
#include "eval/pystr.h"

enum { DEPTH_MAX = 64, NAME_MAX_BYTES = 1024 };

struct xml {
    const char *path, *text;
    size_t n, at;
};

static int
fail(const struct xml *x, const char *why)
{
    size_t line = 1;

    for (size_t i = 0; i < x->at && i < x->n; i++)
        line += x->text[i] == '\n';
    return err_set(STATUS_INPUT, "%s: line %zu: %s", x->path, line, why);
}

static bool
looking_at(const struct xml *x, const char *what)
{
    size_t n = strlen(what);
    return x->n - x->at >= n && memcmp(x->text + x->at, what, n) == 0;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blanks(struct xml *x)
{
    while (x->at < x->n && is_blank(x->text[x->at]))
        x->at++;
}

/* Goes behind the next `what`. 0 or -1. */
static int
skip_to(struct xml *x, const char *what)
{
    const char *found = memmem(x->text + x->at, x->n - x->at, what, strlen(what));

    if (!found)
        return fail(x, "the file ends inside a comment, an instruction or a section");
    x->at = (size_t)(found - x->text) + strlen(what);
    return 0;
}

/* Skips comments, instructions and blanks between elements. 0 or -1. */
static int
skip_misc(struct xml *x)
{
    for (;;) {
        skip_blanks(x);
        if (looking_at(x, "<!--")) {
            if (skip_to(x, "-->") < 0)
                return -1;
        } else if (looking_at(x, "<?")) {
            if (skip_to(x, "?>") < 0)
                return -1;
        } else if (looking_at(x, "<!")) {
            return fail(x, "a document type is not supported");
        } else {
            return 0;
        }
    }
}

/* A name, allocated; NULL: there is none (recorded). */
static char *
read_name(struct xml *x)
{
    size_t begin = x->at;

    while (x->at < x->n && !is_blank(x->text[x->at]) && !strchr("<>/=\"'&", x->text[x->at]))
        x->at++;
    if (x->at == begin || x->at - begin > NAME_MAX_BYTES) {
        fail(x, "expected a name");
        return NULL;
    }
    return mem_strndup(x->text + begin, x->at - begin);
}

/* "&#12;", "&#x3042;": the number behind "&#". 0 or -1. */
static int
read_number(struct xml *x, size_t end, struct str *out)
{
    bool hex = x->at < end && x->text[x->at] == 'x';
    uint32_t c = 0;

    x->at += hex;
    if (x->at == end)
        return fail(x, "an empty character reference");
    for (; x->at < end; x->at++) {
        char d = x->text[x->at];
        uint32_t digit = d >= '0' && d <= '9'          ? (uint32_t)(d - '0')
                         : hex && d >= 'a' && d <= 'f' ? (uint32_t)(d - 'a' + 10)
                         : hex && d >= 'A' && d <= 'F' ? (uint32_t)(d - 'A' + 10)
                                                       : 99;
        if (digit == 99 || (c = c * (hex ? 16 : 10) + digit) > 0x10FFFF)
            return fail(x, "a bad character reference");
    }
    if (c == 0 || (c >= 0xD800 && c <= 0xDFFF))
        return fail(x, "a bad character reference");
    str_add_utf8(out, c);
    return 0;
}

static int
read_reference(struct xml *x, struct str *out)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    const char *s = x->text + x->at;
    const char *semicolon = memchr(s, ';', x->n - x->at < 16 ? x->n - x->at : 16);

    if (!semicolon)
        return fail(x, "a & that begins no reference");
    size_t end = (size_t)(semicolon - x->text), n = (size_t)(semicolon - s);
    if (n > 2 && s[1] == '#') {
        x->at += 2;
        if (read_number(x, end, out) < 0)
            return -1;
        x->at = end + 1;
        return 0;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n == strlen(known[i].name) + 1 && memcmp(s + 1, known[i].name, n - 1) == 0) {
            str_addc(out, known[i].c);
            x->at = end + 1;
            return 0;
        }
    return fail(x, "an unknown entity");
}

/* Text up to one of `stops`, references resolved; line ends become "\n". 0 or -1. */
static int
read_text(struct xml *x, const char *stops, struct str *out)
{
    while (x->at < x->n) {
        char c = x->text[x->at];

        if (c == '\0') /* which strchr would find */
            return fail(x, "a NUL byte");
        if (strchr(stops, c))
            return 0;
        if (c == '&') {
            if (read_reference(x, out) < 0)
                return -1;
            continue;
        }
        x->at++;
        if (c == '\r' && x->at < x->n && x->text[x->at] == '\n')
            continue;
        str_addc(out, c == '\r' ? '\n' : c);
    }
    return 0;
}

/* Sets a member; a second one of the name makes a list. Takes the value over. 0 or -1. */
static int
add_member(const struct xml *x, json_t *object, const char *name, json_t *value)
{
    json_t *there = json_object_get(object, name);

    if (!value)
        return fail(x, "not UTF-8");
    if (json_is_array(there))
        return json_array_append_new(there, value);
    if (there) {
        json_t *list = json_array();

        json_array_append(list, there);
        json_array_append_new(list, value);
        value = list;
    }
    if (json_object_set_new(object, name, value) < 0)
        return fail(x, "not UTF-8");
    return 0;
}

static int
read_attribute(struct xml *x, json_t *object)
{
    char *name = read_name(x), *key = NULL;
    struct str value = {0};
    int result = -1;

    if (!name)
        return -1;
    skip_blanks(x);
    if (!looking_at(x, "=")) {
        fail(x, "an attribute without a value");
        goto out;
    }
    x->at++;
    skip_blanks(x);
    if (!looking_at(x, "\"") && !looking_at(x, "'")) {
        fail(x, "an attribute's value without quotation marks");
        goto out;
    }
    const char quote[] = {x->text[x->at++], '<', '\0'};
    if (read_text(x, quote, &value) < 0)
        goto out;
    if (x->at == x->n || x->text[x->at] != quote[0]) {
        fail(x, "an attribute's value does not end");
        goto out;
    }
    x->at++;
    key = mem_printf("@%s", name);
    if (json_object_get(object, key))
        fail(x, "an attribute twice");
    else
        result = add_member(x, object, key, json_stringn(value.data ? value.data : "", value.len));
out:
    free(name);
    free(key);
    str_release(&value);
    return result;
}

static json_t *read_element(struct xml *x, int depth, char **name);

/* A child element within the content of its parent. 0 or -1. */
static int
read_child(struct xml *x, int depth, json_t *object)
{
    char *name = NULL;
    json_t *child = read_element(x, depth, &name);
    int result = child ? add_member(x, object, name, child) : -1;

    free(name);
    return result;
}

/* Everything up to "</": children into the object, texts into *text. 0 or -1. */
static int
read_content(struct xml *x, int depth, json_t *object, struct str *text)
{
    while (!looking_at(x, "</")) {
        int result;

        if (x->at >= x->n)
            return fail(x, "the file ends inside an element");
        if (looking_at(x, "<!--")) {
            result = skip_to(x, "-->");
        } else if (looking_at(x, "<?")) {
            result = skip_to(x, "?>");
        } else if (looking_at(x, "<![CDATA[")) {
            size_t begin = x->at += 9;

            result = skip_to(x, "]]>");
            if (result == 0)
                str_add(text, x->text + begin, x->at - 3 - begin);
        } else if (looking_at(x, "<")) {
            result = read_child(x, depth + 1, object);
        } else {
            result = read_text(x, "<", text);
        }
        if (result < 0)
            return -1;
    }
    return 0;
}

/* Behind the content: "</name>". 0 or -1. */
static int
read_end(struct xml *x, const char *name)
{
    size_t n = strlen(name);

    x->at += 2;
    if (!looking_at(x, name))
        return fail(x, "an end tag of another name");
    x->at += n;
    skip_blanks(x);
    if (!looking_at(x, ">"))
        return fail(x, "an end tag of another name");
    x->at++;
    return 0;
}

/* What an element is: its text alone, null where it is empty, or its members (takes object over). */
static json_t *
element_value(const struct xml *x, json_t *object, const struct str *text)
{
    struct piece s = python_strip((struct piece){text->data ? text->data : "", text->len});
    json_t *value = s.n ? json_stringn(s.data, s.n) : json_null();

    if (!value) {
        fail(x, "not UTF-8");
    } else if (json_object_size(object) > 0) {
        if (s.n)
            json_object_set(object, "#text", value);
        json_decref(value);
        return object;
    }
    json_decref(object);
    return value;
}

/* From '<'. A new value, NULL on an error; *name is the caller's. */
static json_t *
read_element(struct xml *x, int depth, char **name)
{
    json_t *object = json_object();
    struct str text = {0};
    bool open;

    if (depth > DEPTH_MAX) {
        fail(x, "elements nested too deep");
        goto fail;
    }
    x->at++;
    if (!(*name = read_name(x)))
        goto fail;
    for (;;) {
        skip_blanks(x);
        if (x->at >= x->n || looking_at(x, ">") || looking_at(x, "/"))
            break;
        if (read_attribute(x, object) < 0)
            goto fail;
    }
    open = looking_at(x, ">");
    if (!open && !looking_at(x, "/>")) {
        fail(x, "a start tag does not end");
        goto fail;
    }
    x->at += open ? 1 : 2;
    if (open && (read_content(x, depth, object, &text) < 0 || read_end(x, *name) < 0))
        goto fail;
    json_t *value = element_value(x, object, &text);
    str_release(&text);
    return value;
fail:
    str_release(&text);
    json_decref(object);
    return NULL;
}

int
documents_read_xml(const char *path, const char *text, size_t n, const struct template_path *rows,
                   document_list *out)
{
    struct xml x = {path, text, n, 0};
    char *name = NULL;
    json_t *root = NULL, *whole = NULL;
    int result = -1;

    if (skip_misc(&x) < 0)
        return -1;
    if (!looking_at(&x, "<"))
        return fail(&x, "expected an element");
    root = read_element(&x, 0, &name);
    if (!root || skip_misc(&x) < 0)
        goto out;
    if (x.at < x.n) {
        fail(&x, "text behind the root element");
        goto out;
    }
    whole = json_object();
    if (json_object_set(whole, name, root) < 0)
        fail(&x, "not UTF-8");
    else
        result = documents_flatten(path, whole, rows, out);
out:
    free(name);
    json_decref(root);
    json_decref(whole);
    return result;
}

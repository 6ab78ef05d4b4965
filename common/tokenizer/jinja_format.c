/* "{}".format(values). */
#include "text/python.h"
#include "tokenizer/jinja_eval.h"
#include "tokenizer/jinja_spec.h"

struct formatter {
    struct jinja_run *run;
    const struct arguments *a;
    size_t next;
    bool automatic, manual;
};

static bool
parse_spec(struct jinja_run *run, const char *at, const char *end, struct spec *spec)
{
    size_t one = (size_t)(end - at) ? text_offset(at, (size_t)(end - at), 1) : 0;

    *spec = (struct spec){.fill = " ", .fill_n = 1, .precision = -1};
    if (at + one < end && at[one] && strchr("<>=^", at[one])) {
        spec->fill = at;
        spec->fill_n = one;
        spec->align = at[one];
        at += one + 1;
    } else if (at < end && *at && strchr("<>=^", *at)) {
        spec->align = *at++;
    }
    if (at < end && *at && strchr("+- ", *at)) {
        spec->sign = *at == '-' ? 0 : *at;
        at++;
    }
    if (at < end && *at == '#') {
        spec->alternate = true;
        at++;
    }
    if (at < end && *at == '0') {
        if (!spec->align) {
            spec->fill = "0";
            spec->align = '=';
        }
        at++;
    }
    spec->width = spec_number(run, &at, end);
    if (at < end && *at == ',') {
        spec->grouped = true;
        at++;
    }
    if (at < end && *at == '.') {
        at++;
        if (at == end || *at < '0' || *at > '9')
            jinja_fail(run, "format specifier missing precision");
        spec->precision = spec_number(run, &at, end);
    }
    if (at < end)
        spec->type = *at++;
    if (at != end)
        jinja_fail(run, "invalid format specifier");
    return !run->failed;
}

static void
format_value(struct jinja_run *run, struct value v, const char *at, const char *end,
             struct str *out)
{
    struct spec spec;

    if (at == end) {
        value_print(run, v, out);
        return;
    }
    if (!parse_spec(run, at, end, &spec))
        return;
    if (v.type == JINJA_STRING || v.type == JINJA_BOOL) {
        if (v.type == JINJA_BOOL || (spec.type && spec.type != 's') || spec.sign ||
            spec.alternate || spec.grouped || (spec.align == '=' && *spec.fill != '0')) {
            jinja_fail(run, "this format of a '%s' is not supported", value_type_name(v));
            return;
        }
        if (!spec.align || spec.align == '=')
            spec.align = '<';
        spec_put_text(run, &spec, v, out);
        return;
    }
    if (!spec.align)
        spec.align = '>';
    if (v.type == JINJA_INT && (!spec.type || strchr("dxXob", spec.type))) {
        if (spec.precision >= 0)
            jinja_fail(run, "precision not allowed in integer format specifier");
        if (spec.grouped && (spec.align == '=' || (spec.type && spec.type != 'd')))
            jinja_fail(run, "this grouping is not supported");
        if (!run->failed)
            spec_put_integer(run, &spec, v.i, out);
    } else if (value_is_number(v) && (!spec.type || strchr("eEfFgG%", spec.type))) {
        if (spec.grouped && spec.align == '=')
            jinja_fail(run, "this grouping is not supported");
        if (!run->failed)
            spec_put_real(run, &spec, value_real(v), out);
    } else {
        jinja_fail(run, "this format of a '%s' is not supported", value_type_name(v));
    }
}

static struct value
positional(struct formatter *f, size_t i)
{
    if (f->automatic && f->manual)
        return jinja_fail(f->run, "format numbers its fields either itself or by hand");
    if (i >= f->a->n)
        return jinja_fail(f->run, "replacement index %zu out of range", i);
    return f->a->values[i];
}

/* "0", "name" or nothing, with .attribute and [item] behind. */
static struct value
field(struct formatter *f, const char *at, const char *end)
{
    const char *name = at;
    struct value v = value_none();
    size_t n;

    while (at < end && *at != '.' && *at != '[')
        at++;
    n = (size_t)(at - name);
    if (!n) {
        f->automatic = true;
        v = positional(f, f->next++);
    } else if (*name >= '0' && *name <= '9') {
        f->manual = true;
        v = positional(f, (size_t)spec_number(f->run, &name, at));
    } else {
        v.type = JINJA_ABSENT;
        for (size_t i = 0; i < f->a->keywords_n; i++)
            if (strlen(f->a->keywords[i].name) == n && !memcmp(f->a->keywords[i].name, name, n))
                v = f->a->keywords[i].value;
        if (v.type == JINJA_ABSENT)
            jinja_fail(f->run, "format has no value '%.*s'", (int)n, name);
    }
    while (at < end && !f->run->failed) {
        bool item = *at++ == '[';
        const char *key = at;
        struct value k;

        while (at < end && (item ? *at != ']' : *at != '.' && *at != '['))
            at++;
        k = value_copy(f->run, key, (size_t)(at - key));
        if (!item)
            v = jinja_attribute(f->run, v, k.text, k.n);
        else if (k.n && strspn(k.text, "0123456789") == k.n)
            v = jinja_item(f->run, v, value_int(spec_number(f->run, &key, at)));
        else
            v = jinja_item(f->run, v, k);
        at += item && at < end;
    }
    return v;
}

/* What stands between braces. */
static void
replacement(struct formatter *f, const char *at, const char *end, struct str *out)
{
    const char *colon = memchr(at, ':', (size_t)(end - at)), *name_end = colon ? colon : end;
    const char *bang = memchr(at, '!', (size_t)(name_end - at));
    struct str s = {0};
    struct value v = field(f, at, bang ? bang : name_end);

    if (f->run->failed)
        return;
    if (bang) {
        if (name_end - bang != 2 || (bang[1] != 'r' && bang[1] != 's')) {
            jinja_fail(f->run, "this conversion of format is not supported");
            return;
        }
        if (bang[1] == 'r')
            value_repr(f->run, v, &s);
        else
            value_print(f->run, v, &s);
        v = value_take(f->run, &s);
    }
    if (!f->run->failed)
        format_value(f->run, v, colon ? colon + 1 : end, end, out);
}

struct value
jinja_format(struct jinja_run *run, struct value format, const struct arguments *a)
{
    struct formatter f = {.run = run, .a = a};
    const char *at = format.text, *end = format.text + format.n;
    struct str out = {0};

    if (format.safe)
        return jinja_fail(run, "formatting a safe string is not supported");
    while (at < end && jinja_step(run, 1)) {
        const char *close;

        if (*at != '{' && *at != '}') {
            const char *from = at;

            while (at < end && *at != '{' && *at != '}')
                at++;
            jinja_put(run, &out, from, (size_t)(at - from));
            continue;
        }
        if (at + 1 < end && at[1] == *at) {
            jinja_put(run, &out, at, 1);
            at += 2;
            continue;
        }
        close = *at == '{' ? memchr(at, '}', (size_t)(end - at)) : NULL;
        if (!close || memchr(at + 1, '{', (size_t)(close - at - 1))) {
            jinja_fail(run,
                       close ? "nested fields of format are not supported"
                             : "single '%c' encountered in format string",
                       *at);
            break;
        }
        replacement(&f, at + 1, close, &out);
        at = close + 1;
    }
    return value_take(run, &out);
}

/* "%s" % values and "{}".format(values). */
#include <math.h>

#include "base/utf8.h"
#include "tokenizer/jinja_eval.h"
#include "tokenizer/jinja_text.h"

enum { WIDEST = 100000 };

/* A conversion: [[fill]align][sign][#][0][width][,][.precision][type]. */
struct spec {
    const char *fill; /* one character */
    size_t fill_n;
    char align; /* < > ^ = or 0 */
    char sign;  /* + space or 0 */
    bool alternate, grouped;
    int64_t width, precision; /* precision -1: none */
    char type;                /* 0: none */
};

/* Puts text of so many characters, its sign or prefix first, into the width. */
static void
put_padded(struct jinja_run *run, const struct spec *spec, const char *prefix, const char *text,
           size_t n, struct str *out)
{
    int64_t length = (int64_t)(strlen(prefix) + utf8_count(text, n));
    int64_t pad = spec->width > length ? spec->width - length : 0, left;

    left = spec->align == '<' ? 0 : spec->align == '^' ? pad / 2 : pad;
    if (spec->align == '=')
        jinja_puts(run, out, prefix);
    for (int64_t i = 0; i < left && jinja_step(run, 1); i++)
        jinja_put(run, out, spec->fill, spec->fill_n);
    if (spec->align != '=')
        jinja_puts(run, out, prefix);
    jinja_put(run, out, text, n);
    for (int64_t i = left; i < pad && jinja_step(run, 1); i++)
        jinja_put(run, out, spec->fill, spec->fill_n);
}

static void
put_text(struct jinja_run *run, const struct spec *spec, struct value v, struct str *out)
{
    size_t n = spec->precision >= 0 ? text_offset(v.text, v.n, (size_t)spec->precision) : v.n;

    put_padded(run, spec, "", v.text, n, out);
}

static const char *
sign_of(const struct spec *spec, bool negative)
{
    return negative ? "-" : spec->sign == '+' ? "+" : spec->sign == ' ' ? " " : "";
}

/* Digits in threes. */
static void
group(struct str *digits)
{
    size_t whole = strspn(digits->data ? digits->data : "", "0123456789");
    struct str out = {0};

    for (size_t i = 0; i < digits->len; i++) {
        if (i && i < whole && (whole - i) % 3 == 0)
            str_addc(&out, ',');
        str_addc(&out, digits->data[i]);
    }
    str_release(digits);
    *digits = out;
}

static void
put_integer(struct jinja_run *run, const struct spec *spec, int64_t i, struct str *out)
{
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char type = spec->type ? spec->type : 'd', prefix[8];
    struct str digits = {0};

    if (type == 'x' || type == 'X' || type == 'o')
        str_addf(&digits, type == 'x' ? "%llx" : type == 'X' ? "%llX" : "%llo",
                 (unsigned long long)u);
    else if (type == 'b')
        for (int bit = u ? 63 - __builtin_clzll(u) : 0; bit >= 0; bit--)
            str_addc(&digits, (char)('0' + (u >> bit & 1)));
    else
        str_addf(&digits, "%llu", (unsigned long long)u);
    if (spec->grouped)
        group(&digits);
    snprintf(prefix, sizeof prefix, "%s%s%.1s", sign_of(spec, i < 0),
             spec->alternate && type != 'd' ? "0" : "",
             spec->alternate && type != 'd' ? &type : "");
    if (!run->failed && spec->precision > (int64_t)digits.len) { /* of %: at least so many digits */
        struct str zeros = {0};

        for (int64_t k = (int64_t)digits.len; k < spec->precision; k++)
            str_addc(&zeros, '0');
        str_add(&zeros, digits.data, digits.len);
        str_release(&digits);
        digits = zeros;
    }
    put_padded(run, spec, prefix, digits.data, digits.len, out);
    str_release(&digits);
}

static void
add_digits(struct str *out, char type, int precision, double f)
{
    switch (type) {
    case 'e':
        str_addf(out, "%.*e", precision, f);
        break;
    case 'E':
        str_addf(out, "%.*E", precision, f);
        break;
    case 'g':
        str_addf(out, "%.*g", precision ? precision : 1, f);
        break;
    case 'G':
        str_addf(out, "%.*G", precision ? precision : 1, f);
        break;
    case '%':
        str_addf(out, "%.*f%%", precision, f * 100);
        break;
    default:
        str_addf(out, "%.*f", precision, f);
    }
}

static void
put_real(struct jinja_run *run, const struct spec *spec, double f, struct str *out)
{
    char type = spec->type;
    int precision = (int)(spec->precision < 0 ? 6 : spec->precision);
    struct str digits = {0};
    bool negative = signbit(f) && !isnan(f);
    double size = isnan(f) ? f : fabs(f);

    if (precision > 100)
        jinja_fail(run, "a precision of more than 100 digits is not supported");
    if (spec->alternate)
        jinja_fail(run, "'#' is not supported with real numbers");
    if (run->failed)
        return;
    if (!type && spec->precision >= 0)
        jinja_fail(run, "a precision without a type is not supported");
    if (!type) {
        value_print_real(&digits, size);
    } else {
        add_digits(&digits, type, precision, size);
    }
    if (spec->grouped)
        group(&digits);
    put_padded(run, spec, sign_of(spec, negative), digits.data, digits.len, out);
    str_release(&digits);
}

/* ---- "…" % values ----------------------------------------------------------------------------- */

struct percent {
    struct jinja_run *run;
    struct value values;
    size_t taken;
    const char *at, *end;
};

static struct value
next_value(struct percent *p)
{
    if (p->values.type == JINJA_TUPLE && p->taken < p->values.sequence->n)
        return p->values.sequence->items[p->taken++];
    if (p->values.type != JINJA_TUPLE && !p->taken++)
        return p->values;
    return jinja_fail(p->run, "not enough arguments for format string");
}

/* "(name)": the value of a mapping. */
static struct value
named_value(struct percent *p)
{
    const char *close = memchr(p->at, ')', (size_t)(p->end - p->at));
    const struct value *found;

    if (!close || p->values.type != JINJA_DICT)
        return jinja_fail(p->run, "format requires a mapping");
    found = dict_get_text(p->values.dict, p->at, (size_t)(close - p->at));
    if (!found)
        return jinja_fail(p->run, "no value '%.*s' to format", (int)(close - p->at), p->at);
    p->at = close + 1;
    return *found;
}

static int64_t
number(struct jinja_run *run, const char **at, const char *end)
{
    int64_t n = 0;

    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if ((n = n * 10 + (**at - '0')) > WIDEST) {
            jinja_fail(run, "a width beyond %d", WIDEST);
            return 0;
        }
    return n;
}

static int64_t
percent_number(struct percent *p)
{
    if (p->at < p->end && *p->at == '*') {
        struct value v;

        p->at++;
        v = next_value(p);
        if (!value_is_integer(v) || v.i < 0 || v.i > WIDEST)
            jinja_fail(p->run, "* wants an integer");
        return p->run->failed ? 0 : v.i;
    }
    return number(p->run, &p->at, p->end);
}

static void
percent_put(struct percent *p, struct spec *spec, struct value v, struct str *out)
{
    struct str s = {0};

    if (strchr("diuoxX", spec->type)) {
        if (spec->type == 'i' || spec->type == 'u')
            spec->type = 'd';
        if (v.type == JINJA_FLOAT && spec->type == 'd' && fabs(v.f) < 0x1p62)
            v = value_int((int64_t)v.f);
        if (v.type == JINJA_FLOAT && spec->type == 'd')
            jinja_fail(p->run, "integers beyond 64 bits are not supported");
        else if (!value_is_integer(v))
            jinja_fail(p->run, "%%%c format: an integer is required, not %s", spec->type,
                       value_type_name(v));
        else
            put_integer(p->run, spec, v.i, out);
    } else if (strchr("eEfFgG", spec->type)) {
        if (!value_is_number(v))
            jinja_fail(p->run, "must be real number, not %s", value_type_name(v));
        else
            put_real(p->run, spec, value_real(v), out);
    } else if (spec->type == 's' || spec->type == 'r') {
        if (spec->fill_n == 1 && *spec->fill == '0') { /* zeros only for numbers */
            spec->fill = " ";
            spec->align = spec->align == '<' ? '<' : '>';
        }
        if (spec->type == 's')
            value_print(p->run, v, &s);
        else
            value_repr(p->run, v, &s);
        put_text(p->run, spec, value_text(s.data ? s.data : "", s.len), out);
        str_release(&s);
    } else {
        jinja_fail(p->run, "the format character '%c' is not supported", spec->type);
    }
}

static void
percent_one(struct percent *p, struct str *out)
{
    struct spec spec = {.fill = " ", .fill_n = 1, .align = '>', .precision = -1};
    struct value v = {.type = JINJA_ABSENT};
    bool zeros = false, left = false;

    if (p->at < p->end && *p->at == '(') {
        p->at++;
        v = named_value(p);
    }
    for (; p->at < p->end && *p->at && strchr("#0- +", *p->at); p->at++) {
        left = left || *p->at == '-';
        zeros = zeros || *p->at == '0';
        spec.alternate = spec.alternate || *p->at == '#';
        if (*p->at == '+' || (*p->at == ' ' && !spec.sign))
            spec.sign = *p->at;
    }
    if (left)
        spec.align = '<';
    else if (zeros) {
        spec.align = '=';
        spec.fill = "0";
    }
    if (!p->run->failed)
        spec.width = percent_number(p);
    if (!p->run->failed && p->at < p->end && *p->at == '.') {
        p->at++;
        spec.precision = percent_number(p);
    }
    while (p->at < p->end && strchr("hlL", *p->at) && *p->at)
        p->at++;
    if (p->at == p->end)
        jinja_fail(p->run, "incomplete format");
    if (p->run->failed)
        return;
    spec.type = *p->at++;
    if (spec.type == '%') {
        jinja_puts(p->run, out, "%");
        return;
    }
    if (v.type == JINJA_ABSENT)
        v = next_value(p);
    if (!p->run->failed)
        percent_put(p, &spec, v, out);
}

struct value
jinja_percent(struct jinja_run *run, struct value format, struct value values)
{
    struct percent p = {run, values, 0, format.text, format.text + format.n};
    struct str out = {0};

    if (format.safe)
        return jinja_fail(run, "formatting a safe string is not supported");
    while (p.at < p.end && jinja_step(run, 1)) {
        const char *sign = memchr(p.at, '%', (size_t)(p.end - p.at));
        size_t n = (size_t)((sign ? sign : p.end) - p.at);

        jinja_put(run, &out, p.at, n);
        p.at += n + (sign != NULL);
        if (sign)
            percent_one(&p, &out);
    }
    if (values.type == JINJA_TUPLE ? p.taken < values.sequence->n
                                   : !p.taken && values.type != JINJA_DICT &&
                                         values.type != JINJA_LIST && values.type != JINJA_UNDEFINED &&
                                         values.type != JINJA_RANGE)
        jinja_fail(run, "not all arguments converted during string formatting");
    return value_take(run, &out);
}

/* ---- "…".format(values) -------------------------------------------------------------------------- */

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
    spec->width = number(run, &at, end);
    if (at < end && *at == ',') {
        spec->grouped = true;
        at++;
    }
    if (at < end && *at == '.') {
        at++;
        if (at == end || *at < '0' || *at > '9')
            jinja_fail(run, "format specifier missing precision");
        spec->precision = number(run, &at, end);
    }
    if (at < end)
        spec->type = *at++;
    if (at != end)
        jinja_fail(run, "invalid format specifier");
    return !run->failed;
}

static void
format_value(struct jinja_run *run, struct value v, const char *at, const char *end, struct str *out)
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
        put_text(run, &spec, v, out);
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
            put_integer(run, &spec, v.i, out);
    } else if (value_is_number(v) && (!spec.type || strchr("eEfFgG%", spec.type))) {
        if (spec.grouped && spec.align == '=')
            jinja_fail(run, "this grouping is not supported");
        if (!run->failed)
            put_real(run, &spec, value_real(v), out);
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
        v = positional(f, (size_t)number(f->run, &name, at));
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
            v = jinja_item(f->run, v, value_int(number(f->run, &key, at)));
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
            jinja_fail(run, close ? "nested fields of format are not supported"
                                  : "single '%c' encountered in format string",
                       *at);
            break;
        }
        replacement(&f, at + 1, close, &out);
        at = close + 1;
    }
    return value_take(run, &out);
}

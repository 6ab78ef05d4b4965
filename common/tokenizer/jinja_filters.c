/* Filters over one value: text, numbers, JSON. */
#include <math.h>

#include "base/utf8.h"
#include "text/python.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

static struct value
as_string(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return value_string(run, self);
}

static struct value
safe(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value v = value_string(run, self);

    (void)p;
    v.safe = v.type == JINJA_STRING;
    return v;
}

static struct value
escape(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return jinja_escape(run, self);
}

#define ON_TEXT(name, method)                                                                 \
    static struct value name(struct jinja_run *run, struct value self, const struct value *p) \
    {                                                                                         \
        self = value_string(run, self);                                                       \
        return run->failed ? self : method(run, self, p);                                     \
    }
ON_TEXT(trim, jinja_strip)
ON_TEXT(upper, jinja_upper)
ON_TEXT(lower, jinja_lower)
ON_TEXT(capitalize, jinja_capitalize)

static struct value
replace(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value parts[3] = {p[0], p[1], p[2]};

    self = value_string(run, self);
    self.safe = false;
    for (int i = 0; i < 2; i++)
        parts[i] = value_string(run, parts[i]);
    if (parts[2].type == JINJA_NONE)
        parts[2].type = JINJA_ABSENT;
    return run->failed ? self : jinja_replace(run, self, parts);
}

/* Does a new word begin behind this character, for the filter `title`? */
static bool
separates(int32_t c)
{
    return text_is_space(c) || (c > 0 && c < 128 && strchr("-({[<", c));
}

static struct value
title(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value text = value_string(run, self), v;
    struct str s = {0};

    (void)p;
    for (size_t at = 0, end, used = 1; at < text.n && jinja_step(run, 1); at = end) {
        int32_t c = utf8_decode(text.text + at, text.n - at, &used);

        end = at + used;
        if (separates(c)) {
            str_add(&s, text.text + at, used);
            continue;
        }
        text_change_case(text.text + at, used, CASE_UPPER, &s);
        for (; end < text.n; end += used)
            if (separates(utf8_decode(text.text + end, text.n - end, &used)))
                break;
        at += (size_t)(text_offset(text.text + at, text.n - at, 1));
        text_change_case(text.text + at, end - at, CASE_LOWER, &s);
    }
    v = value_take(run, &s);
    return v;
}

static struct value
defaulted(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)run;
    if (self.type == JINJA_UNDEFINED || (given(p[1]) && value_truth(p[1]) && !value_truth(self)))
        return given(p[0]) ? p[0] : value_text("", 0);
    return self;
}

static struct value
length(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return value_int((int64_t)value_length(run, self));
}

/* ---- numbers ------------------------------------------------------------------------------------ */

static bool
int_of_float(struct jinja_run *run, double f, struct value *out)
{
    if (isnan(f) || isinf(f))
        return false;
    if (!real_fits_int(f))
        jinja_fail(run, "integers beyond 64 bits are not supported");
    else
        *out = value_int((int64_t)f);
    return true;
}

static struct value
to_int(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value otherwise = given(p[0]) ? p[0] : value_int(0), out = otherwise;
    double f;

    if (self.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, self);
    if (value_is_integer(self))
        return value_int(self.i);
    if (self.type == JINJA_FLOAT) {
        if (isinf(self.f))
            return otherwise;
        return int_of_float(run, self.f, &out) ? out : otherwise;
    }
    if (self.type != JINJA_STRING)
        return otherwise;
    if (jinja_parse_int(run, self, argument_int(run, p[1], 10), &out))
        return out;
    return jinja_parse_float(self, &f) && int_of_float(run, f, &out) ? out : otherwise;
}

static struct value
to_float(struct jinja_run *run, struct value self, const struct value *p)
{
    double f;

    if (self.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, self);
    if (value_is_number(self))
        return value_float(value_real(self));
    if (self.type == JINJA_STRING && jinja_parse_float(self, &f))
        return value_float(f);
    return given(p[0]) ? p[0] : value_float(0);
}

static struct value
absolute(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    if (self.type == JINJA_FLOAT)
        return value_float(fabs(self.f));
    if (value_is_integer(self) && self.i != INT64_MIN)
        return value_int(self.i < 0 ? -self.i : self.i);
    if (self.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, self);
    return jinja_fail(run, "bad operand type for abs(): '%s'", value_type_name(self));
}

/* round(f, digits) as Python: by the decimal text, ties by the binary value. */
static double
round_decimal(double f, int64_t digits)
{
    char text[420];

    if (isnan(f) || isinf(f) || digits > 320)
        return f;
    if (digits >= 0) {
        snprintf(text, sizeof text, "%.*f", (int)digits, f);
        return strtod(text, NULL);
    }
    if (digits < -308)
        return copysign(0, f);
    return rint(f / pow(10, (double)-digits)) * pow(10, (double)-digits);
}

static struct value
rounded(struct jinja_run *run, struct value self, const struct value *p)
{
    int64_t digits = argument_int(run, p[0], 0);
    struct value method = given(p[1]) ? p[1] : value_text("common", 6);
    bool common = method.type == JINJA_STRING && method.n == 6 && !memcmp(method.text, "common", 6);
    bool ceiling = method.type == JINJA_STRING && method.n == 4 && !memcmp(method.text, "ceil", 4);
    bool flooring = method.type == JINJA_STRING && method.n == 5 &&
                    !memcmp(method.text, "floor", 5);
    double scale, f;

    if (!common && !ceiling && !flooring)
        return jinja_fail(run, "round: the method must be common, ceil or floor");
    if (!value_is_number(self))
        return self.type == JINJA_UNDEFINED
                   ? jinja_fail_undefined(run, self)
                   : jinja_fail(run, "round: '%s' is no number", value_type_name(self));
    if (common && value_is_integer(self)) {
        if (digits < 0)
            return jinja_fail(run, "round: integers to tens are not supported");
        return value_int(self.i);
    }
    if (common)
        return value_float(round_decimal(self.f, digits));
    if (digits < 0 || digits > 15)
        return jinja_fail(run, "round: this precision is not supported");
    scale = pow(10, (double)digits);
    f = value_real(self) * scale;
    /* Of integers, as Python's ceil and floor give: no negative zero. */
    return value_float(((ceiling ? ceil(f) : floor(f)) + 0.0) / scale);
}

/* ---- lines and JSON -------------------------------------------------------------------------------- */

static struct value
indent(struct jinja_run *run, struct value self, const struct value *p)
{
    struct value text = argument_text(run, self, "indent"), by = p[0];
    bool first = given(p[1]) && value_truth(p[1]), blank = given(p[2]) && value_truth(p[2]);
    struct str s = {0}, spaces = {0};
    int64_t n = given(by) && by.type == JINJA_STRING ? 0 : argument_int(run, by, 4);

    for (int64_t i = 0; i < n && jinja_step(run, 1); i++)
        jinja_put(run, &spaces, " ", 1);
    if (given(by) && by.type == JINJA_STRING)
        jinja_put(run, &spaces, by.text, by.n);
    if (first)
        jinja_put(run, &s, spaces.data, spaces.len);
    /* As Jinja does, an end of line is put behind the text before it is cut into lines. */
    for (size_t at = 0, line = 0; at <= text.n && jinja_step(run, 1); line++) {
        size_t skip, length = text_line(text.text + at, text.n - at, &skip);

        if (line)
            jinja_puts(run, &s, "\n");
        if (line && (length || blank))
            jinja_put(run, &s, spaces.data, spaces.len);
        jinja_put(run, &s, text.text + at, length);
        at += length + skip;
        if (!skip)
            break;
    }
    str_release(&spaces);
    return value_take(run, &s);
}

static void
json_separators(struct jinja_run *run, struct value v, struct json_style *style)
{
    struct sequence s;

    style->item_separator = style->indent ? value_text(",", 1) : value_text(", ", 2);
    style->key_separator = value_text(": ", 2);
    if (!given(v) || v.type == JINJA_NONE)
        return;
    s = value_items(run, v);
    if (s.n != 2) {
        jinja_fail(run, "tojson: separators must be two strings");
        return;
    }
    style->item_separator = argument_text(run, s.items[0], "tojson");
    style->key_separator = argument_text(run, s.items[1], "tojson");
}

/* Parameters as transformers' own tojson has them. */
static struct value
tojson(struct jinja_run *run, struct value self, const struct value *p)
{
    struct json_style style = {.ascii = given(p[0]) && value_truth(p[0]),
                               .sorted = given(p[3]) && value_truth(p[3])};
    struct str indentation = {0}, s = {0};

    if (given(p[1]) && p[1].type == JINJA_STRING) {
        jinja_put(run, &indentation, p[1].text, p[1].n);
    } else if (given(p[1]) && p[1].type != JINJA_NONE) {
        int64_t n = argument_int(run, p[1], 0);

        for (int64_t i = 0; i < n && jinja_step(run, 1); i++)
            jinja_put(run, &indentation, " ", 1);
    }
    if (given(p[1]) && p[1].type != JINJA_NONE) {
        style.indent = indentation.data ? indentation.data : "";
        style.indent_n = indentation.len;
    }
    json_separators(run, p[2], &style);
    if (!run->failed)
        value_json(run, self, &style, &s);
    str_release(&indentation);
    return value_take(run, &s);
}

static struct value
formatted(struct jinja_run *run, struct value self, const struct arguments *a)
{
    struct value values;

    if (a->n && a->keywords_n)
        return jinja_fail(run, "format takes values or names, not both");
    if (a->keywords_n) {
        values = value_dict(run);
        for (size_t i = 0; i < a->keywords_n && !run->failed; i++)
            dict_set(run, values.dict, value_text(a->keywords[i].name, strlen(a->keywords[i].name)),
                     a->keywords[i].value);
    } else {

        values = value_sequence(run, JINJA_TUPLE, "tuple", a->n);
        for (size_t i = 0; i < a->n && !run->failed; i++)
            sequence_add(run, values.sequence, a->values[i]);
    }
    self = value_string(run, self);
    return run->failed ? self : jinja_percent(run, self, values);
}

const struct builtin jinja_text_filters[] = {
    {.name = "abs", .parameters = "", .call = absolute},
    {.name = "capitalize", .parameters = "", .call = capitalize},
    {.name = "count", .parameters = "", .call = length},
    {.name = "d", .parameters = "default_value boolean", .call = defaulted},
    {.name = "default", .parameters = "default_value boolean", .call = defaulted},
    {.name = "e", .parameters = "", .call = escape},
    {.name = "escape", .parameters = "", .call = escape},
    {.name = "float", .parameters = "default", .call = to_float},
    {.name = "format", .call_any = formatted},
    {.name = "indent", .parameters = "width first blank", .call = indent},
    {.name = "int", .parameters = "default base", .call = to_int},
    {.name = "length", .parameters = "", .call = length},
    {.name = "lower", .parameters = "", .call = lower},
    {.name = "replace", .parameters = "old new count", .needed = 2, .call = replace},
    {.name = "round", .parameters = "precision method", .call = rounded},
    {.name = "safe", .parameters = "", .call = safe},
    {.name = "string", .parameters = "", .call = as_string},
    {.name = "title", .parameters = "", .call = title},
    {.name = "tojson", .parameters = "ensure_ascii indent separators sort_keys", .call = tojson},
    {.name = "trim", .parameters = "chars", .call = trim},
    {.name = "upper", .parameters = "", .call = upper},
    {0},
};

/* "%s" % values. */
#include <math.h>

#include "tokenizer/jinja_eval.h"
#include "tokenizer/jinja_spec.h"

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
    return spec_number(p->run, &p->at, p->end);
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
            spec_put_integer(p->run, spec, v.i, out);
    } else if (strchr("eEfFgG", spec->type)) {
        if (!value_is_number(v))
            jinja_fail(p->run, "must be real number, not %s", value_type_name(v));
        else
            spec_put_real(p->run, spec, value_real(v), out);
    } else if (spec->type == 's' || spec->type == 'r') {
        if (spec->fill_n == 1 && *spec->fill == '0') { /* zeros only for numbers */
            spec->fill = " ";
            spec->align = spec->align == '<' ? '<' : '>';
        }
        if (spec->type == 's')
            value_print(p->run, v, &s);
        else
            value_repr(p->run, v, &s);
        spec_put_text(p->run, spec, value_text(s.data ? s.data : "", s.len), out);
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
    if (values.type == JINJA_TUPLE
            ? p.taken < values.sequence->n
            : !p.taken && values.type != JINJA_DICT && values.type != JINJA_LIST &&
                  values.type != JINJA_UNDEFINED && values.type != JINJA_RANGE)
        jinja_fail(run, "not all arguments converted during string formatting");
    return value_take(run, &out);
}

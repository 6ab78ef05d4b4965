/* Operators of templates on Python's values. */
#include <math.h>

#include "tokenizer/jinja_eval.h"

static struct value
unsupported(struct jinja_run *run, const char *operator, struct value a, struct value b)
{
    if (a.type == JINJA_UNDEFINED || b.type == JINJA_UNDEFINED)
        return jinja_fail_undefined(run, a.type == JINJA_UNDEFINED ? a : b);
    return jinja_fail(run, "unsupported operand types for %s: '%s' and '%s'", operator,
                      value_type_name(a), value_type_name(b));
}

struct value
jinja_escape(struct jinja_run *run, struct value v)
{
    struct value text = value_string(run, v);
    struct str s = {0};

    if (text.safe)
        return text;
    for (size_t i = 0; i < text.n && !run->failed; i++) {
        char c = text.text[i];
        const char *entity = c == '&'    ? "&amp;"
                             : c == '<'  ? "&lt;"
                             : c == '>'  ? "&gt;"
                             : c == '\'' ? "&#39;"
                             : c == '"'  ? "&#34;"
                                         : NULL;

        jinja_put(run, &s, entity ? entity : &c, entity ? strlen(entity) : 1);
    }
    text = value_take(run, &s);
    text.safe = true;
    return text;
}

static struct value
join_texts(struct jinja_run *run, struct value a, struct value b)
{
    struct str s = {0};
    bool safe = a.safe || b.safe;
    struct value v;

    if (safe) { /* Markup escapes what is joined to it */
        a = jinja_escape(run, a);
        b = jinja_escape(run, b);
    }
    jinja_put(run, &s, a.text, a.n);
    jinja_put(run, &s, b.text, b.n);
    v = value_take(run, &s);
    v.safe = safe;
    return v;
}

static struct value
join_sequences(struct jinja_run *run, struct value a, struct value b)
{
    size_t n = a.sequence->n + b.sequence->n;
    struct value v = value_sequence(run, a.type, a.sequence->python, n);

    jinja_step(run, n);
    for (size_t i = 0; i < a.sequence->n && !run->failed; i++)
        sequence_add(run, v.sequence, a.sequence->items[i]);
    for (size_t i = 0; i < b.sequence->n && !run->failed; i++)
        sequence_add(run, v.sequence, b.sequence->items[i]);
    return v;
}

static struct value
repeat(struct jinja_run *run, struct value v, int64_t times)
{
    struct value out;
    struct str s = {0};

    if (times < 0)
        times = 0;
    if (v.type == JINJA_STRING) {
        for (int64_t i = 0; i < times && v.n && jinja_step(run, 1); i++)
            jinja_put(run, &s, v.text, v.n);
        out = value_take(run, &s);
        out.safe = v.safe;
        return out;
    }
    out = value_sequence(run, v.type, v.sequence->python, 0);
    for (int64_t i = 0; i < times && v.sequence->n && jinja_step(run, 1); i++)
        for (size_t j = 0; j < v.sequence->n && jinja_step(run, 1); j++)
            sequence_add(run, out.sequence, v.sequence->items[j]);
    return out;
}

/* ---- numbers ----------------------------------------------------------------------------- */

static struct value
too_large(struct jinja_run *run)
{
    return jinja_fail(run, "integers beyond 64 bits are not supported");
}

static int64_t
floor_divide(int64_t a, int64_t b)
{
    int64_t q = a / b;

    return q - (a % b != 0 && (a < 0) != (b < 0));
}

static double
float_modulo(double a, double b)
{
    double m = fmod(a, b);

    if (m < 0 || m > 0)
        return (m < 0) != (b < 0) ? m + b : m;
    return copysign(0, b);
}

static double
float_floor_divide(double a, double b)
{
    double m = fmod(a, b), q = (a - m) / b, f;

    if ((m < 0 || m > 0) && (b < 0) != (m < 0))
        q -= 1;
    if (!(q < 0) && !(q > 0))
        return copysign(0, a / b);
    f = floor(q);
    return q - f > 0.5 ? f + 1 : f;
}

static struct value
integer_power(struct jinja_run *run, int64_t a, int64_t b)
{
    int64_t out = 1;

    if (b < 0)
        return a ? value_float(pow((double)a, (double)b))
                 : jinja_fail(run, "0.0 cannot be raised to a negative power");
    if (b > 64 && (a == 0 || a == 1 || a == -1))
        b = 64 + b % 2;
    for (; b > 0; b--)
        if (__builtin_mul_overflow(out, a, &out))
            return too_large(run);
    return value_int(out);
}

static struct value
binary_integers(struct jinja_run *run, char operator, int64_t a, int64_t b)
{
    int64_t out;
    bool over = false;

    switch (operator) {
    case '+': over = __builtin_add_overflow(a, b, &out); break;
    case '-': over = __builtin_sub_overflow(a, b, &out); break;
    case '*': over = __builtin_mul_overflow(a, b, &out); break;
    case 'p': return integer_power(run, a, b);
    default:
        if (!b)
            return jinja_fail(run, "division by zero");
        if (operator== '/')
            return value_float((double)a / (double)b);
        if (a == INT64_MIN && b == -1)
            return operator== '%' ? value_int(0) : too_large(run);
        out = floor_divide(a, b);
        if (operator== '%')
            out = a - out * b;
    }
    return over ? too_large(run) : value_int(out);
}

static struct value
binary_reals(struct jinja_run *run, char operator, double a, double b)
{
    switch (operator) {
    case '+': return value_float(a + b);
    case '-': return value_float(a - b);
    case '*': return value_float(a * b);
    case 'p': {
        double out = pow(a, b);

        if ((isinf(out) && !isinf(a) && !isinf(b)) || (isnan(out) && !isnan(a) && !isnan(b)))
            return jinja_fail(run, "the power has no real value");
        return value_float(out);
    }
    default:
        if (!(b < 0) && !(b > 0) && !isnan(b))
            return jinja_fail(run, "float division by zero");
        return value_float(operator== '/' ? a / b :
                           operator== '%' ? float_modulo(a, b)
                                          : float_floor_divide(a, b));
    }
}

/* ---- all kinds ---------------------------------------------------------------------------- */

static const char *
operator_name(char operator, char text[2])
{
    text[0] = operator;
    text[1] = 0;
    return operator== 'p' ? "**" : operator== 'f' ? "//" : text;
}

struct value
jinja_binary(struct jinja_run *run, char operator, struct value a, struct value b)
{
    char name[2];

    if (value_is_integer(a) && value_is_integer(b))
        return binary_integers(run, operator, a.i, b.i);
    if (value_is_number(a) && value_is_number(b))
        return binary_reals(run, operator, value_real(a), value_real(b));
    if (operator== '%' && a.type == JINJA_STRING)
        return jinja_percent(run, a, b);
    if (operator== '+' && a.type == b.type) {
        if (a.type == JINJA_STRING)
            return join_texts(run, a, b);
        if (a.type == JINJA_LIST || a.type == JINJA_TUPLE)
            return join_sequences(run, a, b);
    }
    if (operator== '*' && value_is_integer(a) &&
        (b.type == JINJA_STRING || b.type == JINJA_LIST || b.type == JINJA_TUPLE))
        return repeat(run, b, a.i);
    if (operator== '*' && value_is_integer(b) &&
        (a.type == JINJA_STRING || a.type == JINJA_LIST || a.type == JINJA_TUPLE))
        return repeat(run, a, b.i);
    return unsupported(run, operator_name(operator, name), a, b);
}

struct value
jinja_sign(struct jinja_run *run, bool minus, struct value v)
{
    if (v.type == JINJA_FLOAT)
        return value_float(minus ? -v.f : v.f);
    if (!value_is_integer(v))
        return unsupported(run, minus ? "unary -" : "unary +", v, v);
    if (minus && v.i == INT64_MIN)
        return too_large(run);
    return value_int(minus ? -v.i : v.i);
}

bool
jinja_compare(struct jinja_run *run, char operator, struct value a, struct value b)
{
    int order;

    switch (operator) {
    case '=': return value_equal(run, a, b);
    case '!': return !value_equal(run, a, b);
    case 'i': return value_contains(run, b, a);
    case 'n': return !value_contains(run, b, a);
    default:
        order = value_order(run, a, b,
                                    operator== 'l' ? "<=" :
                                    operator== 'g' ? ">="
                                    :
                                    operator== '<' ? "<"
                                                   : ">");
        if (order == 2)
            return false;
        return operator== 'l' ? order <= 0 :
               operator== 'g' ? order >= 0
               :
               operator== '<' ? order < 0
                              : order> 0;
    }
}

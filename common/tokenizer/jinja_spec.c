/* Values in the widths, precisions and signs that formats ask for. */
#include "tokenizer/jinja_spec.h"

#include <math.h>

#include "base/utf8.h"
#include "text/python.h"

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

void
spec_put_text(struct jinja_run *run, const struct spec *spec, struct value v, struct str *out)
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

void
spec_put_integer(struct jinja_run *run, const struct spec *spec, int64_t i, struct str *out)
{
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    char type = spec->type ? spec->type : 'd', prefix[8];
    struct str digits = {0};

    if (type == 'x' || type == 'X' || type == 'o')
        str_addf(&digits,
                 type == 'x'   ? "%llx"
                 : type == 'X' ? "%llX"
                               : "%llo",
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
    case 'e': str_addf(out, "%.*e", precision, f); break;
    case 'E': str_addf(out, "%.*E", precision, f); break;
    case 'g': str_addf(out, "%.*g", precision ? precision : 1, f); break;
    case 'G': str_addf(out, "%.*G", precision ? precision : 1, f); break;
    case '%': str_addf(out, "%.*f%%", precision, f * 100); break;
    default: str_addf(out, "%.*f", precision, f);
    }
}

void
spec_put_real(struct jinja_run *run, const struct spec *spec, double f, struct str *out)
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

int64_t
spec_number(struct jinja_run *run, const char **at, const char *end)
{
    int64_t n = 0;

    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if ((n = n * 10 + (**at - '0')) > WIDEST) {
            jinja_fail(run, "a width beyond %d", WIDEST);
            return 0;
        }
    return n;
}

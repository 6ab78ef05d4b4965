/* What values look like: str(), repr() and json.dumps() of Python. */
#include <math.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "tokenizer/jinja_value.h"

/* ---- str and repr --------------------------------------------------------------- */

/* The shortest digits that read back, with an exponent below 1e-4 and from 1e16 on. */
void
value_print_real(struct str *out, double f)
{
    char text[40];
    int digits = 1, exponent;

    if (isnan(f) || isinf(f)) {
        str_adds(out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return;
    }
    for (; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits - 1, f);
        if (!(strtod(text, NULL) < f) && !(strtod(text, NULL) > f))
            break;
    }
    snprintf(text, sizeof text, "%.*e", digits - 1, f);
    exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < 16) {
        int decimals = digits - 1 - exponent;

        str_addf(out, "%.*f", decimals > 0 ? decimals : 1, f);
    } else {
        str_adds(out, text);
    }
}

/* Those that repr() shows as they are. */
static bool
printable(int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return false;
    case UTF8PROC_CATEGORY_ZS: return c == ' ';
    default: return true;
    }
}

static void
repr_text(struct jinja_run *run, struct value v, struct str *out)
{
    bool single = v.n && memchr(v.text, '\'', v.n) && !memchr(v.text, '"', v.n);
    char quote = single ? '"' : '\'';

    str_addc(out, quote);
    for (size_t at = 0, used; at < v.n && jinja_step(run, 1); at += used) {
        int32_t c = utf8_decode(v.text + at, v.n - at, &used);

        if (c == quote || c == '\\')
            str_addf(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            str_addf(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (printable(c))
            str_add(out, v.text + at, used);
        else
            str_addf(out, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
    }
    str_addc(out, quote);
}

static void
repr_items(struct jinja_run *run, const struct sequence *s, const char *open, const char *close,
           struct str *out)
{
    jinja_puts(run, out, open);
    for (size_t i = 0; i < s->n && jinja_step(run, 1); i++) {
        jinja_puts(run, out, i ? ", " : "");
        value_repr(run, s->items[i], out);
    }
    jinja_puts(run, out, close);
}

static void
repr_dict(struct jinja_run *run, const struct dict *d, struct str *out)
{
    jinja_puts(run, out, "{");
    for (size_t i = 0; i < d->n && jinja_step(run, 1); i++) {
        jinja_puts(run, out, i ? ", " : "");
        value_repr(run, d->pairs[i].key, out);
        jinja_puts(run, out, ": ");
        value_repr(run, d->pairs[i].value, out);
    }
    jinja_puts(run, out, "}");
}

static void
repr_range(struct jinja_run *run, const struct sequence *s, struct str *out)
{
    int64_t from = s->n ? s->items[0].i : 0;
    int64_t step = s->n > 1 ? s->items[1].i - from : 1;

    if (step != 1 || !s->n)
        jinja_fail(run, "printing this range is not supported");
    str_addf(out, "range(%lld, %lld)", (long long)from, (long long)(from + (int64_t)s->n));
}

static void
repr_nested(struct jinja_run *run, struct value v, struct str *out)
{
    switch (v.type) {
    case JINJA_LIST: repr_items(run, v.sequence, "[", "]", out); break;
    case JINJA_TUPLE: repr_items(run, v.sequence, "(", v.sequence->n == 1 ? ",)" : ")", out); break;
    case JINJA_VIEW:
        jinja_puts(run, out, v.sequence->python);
        repr_items(run, v.sequence, "([", "])", out);
        break;
    case JINJA_RANGE: repr_range(run, v.sequence, out); break;
    case JINJA_NAMESPACE:
        jinja_puts(run, out, "<Namespace ");
        repr_dict(run, v.dict, out);
        jinja_puts(run, out, ">");
        break;
    case JINJA_DICT: repr_dict(run, v.dict, out); break;
    default: /* Python shows an address */
        jinja_fail(run, "printing a '%s' is not supported", value_type_name(v));
    }
}

void
value_repr(struct jinja_run *run, struct value v, struct str *out)
{
    switch (v.type) {
    case JINJA_UNDEFINED: jinja_puts(run, out, "Undefined"); break;
    case JINJA_NONE: jinja_puts(run, out, "None"); break;
    case JINJA_BOOL: jinja_puts(run, out, v.i ? "True" : "False"); break;
    case JINJA_INT: str_addf(out, "%lld", (long long)v.i); break;
    case JINJA_FLOAT: value_print_real(out, v.f); break;
    case JINJA_STRING:
        if (v.safe)
            jinja_fail(run, "the representation of a safe string is not supported");
        repr_text(run, v, out);
        break;
    default:
        if (++run->depth > JINJA_DEPTH)
            jinja_fail(run, "values nested deeper than %d", JINJA_DEPTH);
        else
            repr_nested(run, v, out);
        run->depth--;
    }
}

void
value_print(struct jinja_run *run, struct value v, struct str *out)
{
    if (v.type == JINJA_STRING)
        jinja_put(run, out, v.text, v.n);
    else if (v.type != JINJA_UNDEFINED)
        value_repr(run, v, out);
}

struct value
value_string(struct jinja_run *run, struct value v)
{
    struct str s = {0};

    if (v.type == JINJA_STRING)
        return v;
    if (v.type == JINJA_UNDEFINED)
        return value_text("", 0);
    value_repr(run, v, &s);
    return value_take(run, &s);
}

/* ---- json.dumps ------------------------------------------------------------------ */

static void
dump_escape(struct str *out, uint32_t c)
{
    static const char short_ones[] = "\bb\ff\nn\rr\tt\"\"\\\\";
    const char *s = c && c < 0x80 ? strchr(short_ones, (int)c) : NULL;

    if (s && (s - short_ones) % 2 == 0)
        str_addf(out, "\\%c", s[1]);
    else if (c == '"' || c == '\\')
        str_addf(out, "\\%c", (int)c);
    else if (c < 0x10000)
        str_addf(out, "\\u%04x", c);
    else
        str_addf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + (c & 0x3ff));
}

static void
dump_text(struct jinja_run *run, struct value v, bool ascii, struct str *out)
{
    str_addc(out, '"');
    for (size_t at = 0, used; at < v.n && jinja_step(run, 1); at += used) {
        int32_t c = utf8_decode(v.text + at, v.n - at, &used);

        if (c < 0x20 || c == '"' || c == '\\' || (ascii && c > 0x7e))
            dump_escape(out, (uint32_t)c);
        else
            str_add(out, v.text + at, used);
    }
    str_addc(out, '"');
}

static void
dump_real(struct str *out, double f)
{
    if (isnan(f) || isinf(f))
        str_adds(out, isnan(f) ? "NaN" : f < 0 ? "-Infinity" : "Infinity");
    else
        value_print_real(out, f);
}

struct dump_state {
    const struct json_style *style;
    int level;
};

static void
dump_value(struct jinja_run *run, struct value v, struct dump_state *st, struct str *out);

static void
dump_newline(struct jinja_run *run, const struct dump_state *st, struct str *out)
{
    if (!st->style->indent)
        return;
    jinja_puts(run, out, "\n");
    for (int i = 0; i < st->level; i++)
        jinja_put(run, out, st->style->indent, st->style->indent_n);
}

static void
dump_separate(struct jinja_run *run, size_t i, const struct dump_state *st, struct str *out)
{
    if (i)
        jinja_put(run, out, st->style->item_separator.text, st->style->item_separator.n);
    dump_newline(run, st, out);
}

static void
dump_list(struct jinja_run *run, const struct sequence *s, struct dump_state *st, struct str *out)
{
    jinja_puts(run, out, "[");
    st->level++;
    for (size_t i = 0; i < s->n && jinja_step(run, 1); i++) {
        dump_separate(run, i, st, out);
        dump_value(run, s->items[i], st, out);
    }
    st->level--;
    if (s->n)
        dump_newline(run, st, out);
    jinja_puts(run, out, "]");
}

static void
dump_key(struct jinja_run *run, struct value key, struct dump_state *st, struct str *out)
{
    if (key.type == JINJA_STRING) {
        dump_text(run, key, st->style->ascii, out);
    } else if (key.type <= JINJA_FLOAT && key.type != JINJA_UNDEFINED) {
        str_addc(out, '"');
        dump_value(run, key, st, out);
        str_addc(out, '"');
    } else {
        jinja_fail(run, "keys must be str, int, float, bool or None, not %s", value_type_name(key));
    }
}

/* The pairs in the order of their keys. */
static const struct pair *
sorted_pairs(struct jinja_run *run, const struct dict *d)
{
    struct pair *sorted = jinja_take(run, d->n, sizeof *sorted);

    for (size_t i = 0; sorted && i < d->n && jinja_step(run, i / 16 + 1); i++) {
        size_t at = i;

        for (; at && value_order(run, d->pairs[i].key, sorted[at - 1].key, "<") == -1; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = d->pairs[i];
    }
    return sorted;
}

static void
dump_dict(struct jinja_run *run, const struct dict *d, struct dump_state *st, struct str *out)
{
    const struct pair *pairs = st->style->sorted ? sorted_pairs(run, d) : d->pairs;

    jinja_puts(run, out, "{");
    st->level++;
    for (size_t i = 0; i < d->n && jinja_step(run, 1); i++) {
        dump_separate(run, i, st, out);
        dump_key(run, pairs[i].key, st, out);
        jinja_put(run, out, st->style->key_separator.text, st->style->key_separator.n);
        dump_value(run, pairs[i].value, st, out);
    }
    st->level--;
    if (d->n)
        dump_newline(run, st, out);
    jinja_puts(run, out, "}");
}

static void
dump_value(struct jinja_run *run, struct value v, struct dump_state *st, struct str *out)
{
    if (st->level > JINJA_NESTING) {
        jinja_fail(run, "values nested deeper than %d", JINJA_NESTING);
        return;
    }
    switch (v.type) {
    case JINJA_NONE: jinja_puts(run, out, "null"); break;
    case JINJA_BOOL: jinja_puts(run, out, v.i ? "true" : "false"); break;
    case JINJA_INT: value_repr(run, v, out); break;
    case JINJA_FLOAT: dump_real(out, v.f); break;
    case JINJA_STRING: dump_text(run, v, st->style->ascii, out); break;
    case JINJA_LIST:
    case JINJA_TUPLE: dump_list(run, v.sequence, st, out); break;
    case JINJA_DICT: dump_dict(run, v.dict, st, out); break;
    default: jinja_fail(run, "object of type %s is not JSON serializable", value_type_name(v));
    }
}

void
value_json(struct jinja_run *run, struct value v, const struct json_style *style, struct str *out)
{
    struct dump_state st = {.style = style};

    dump_value(run, v, &st, out);
}

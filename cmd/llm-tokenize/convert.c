#include "cmd/llm-tokenize/convert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "cmd/llm-tokenize/options.h"
#include "text/charset_convert.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"

/* A worker's way from bytes to texts. */

/* A worker, and the job on its way through it. */
struct conversion {
    const struct converter *c;
    struct job *job;
    const struct item *item;
    int worker;
    uint64_t line;     /* 0: the item is one document */
    struct charset_converter *charsets;
    struct str text;   /* what a markup or field gives */
    struct str utf8;   /* what a charset or repair gives */
};

int
converter_init(struct converter *c, int workers)
{
    if (jsonl_field_init(&c->field, options.json_field))
        return -1;
    c->workers = mem_zarray((size_t)workers, sizeof *c->workers);
    c->worker_count = workers;
    for (int i = 0; i < workers; i++) {
        c->workers[i].c = c;
        c->workers[i].worker = i;
        c->workers[i].charsets = charset_converter_new();
    }
    return 0;
}

void
converter_release(struct converter *c)
{
    for (int i = 0; i < c->worker_count; i++) {
        charset_converter_free(c->workers[i].charsets);
        str_release(&c->workers[i].text);
        str_release(&c->workers[i].utf8);
    }
    free(c->workers);
    jsonl_field_release(&c->field);
}

/* Reports a fault with its place; -1 when it stops the run. */
__attribute__((format(printf, 3, 4))) static int
fault_or_stop(struct conversion *v, bool stop, const char *fmt, ...)
{
    struct str s = {0};
    va_list ap;

    str_adds(&s, v->item->path);
    if (v->line)
        str_addf(&s, ": line %" PRIu64, v->line);
    str_adds(&s, ": ");
    va_start(ap, fmt);
    str_vaddf(&s, fmt, ap);
    va_end(ap);
    if (stop) {
        err_set(STATUS_INPUT, "%s", s.data);
        str_release(&s);
        return -1;
    }
    job_add_fault(v->job, str_take(&s));
    return 0;
}

/* A fault of the text: skipped unless --on-error stop. */
#define fault(v, ...) fault_or_stop(v, options_stop_on_text_fault(), __VA_ARGS__)

static int
drop(struct conversion *v, enum drop why)
{
    v->job->account.dropped[why]++;
    return 0;
}

/* A limit was passed: that stops unless --on-error skip. */
static int
too_long(struct conversion *v)
{
    v->job->account.documents_in++;
    drop(v, DROP_UNREADABLE);
    return fault_or_stop(v, options_stop_on_archive_fault(), "larger than --max-member");
}

/* Is the text in the sample? A fraction of [0, 1) from its hash and the option's name. */
static bool
in_sample(uint64_t hash)
{
    return options.sample >= 1 || rng_uniform(rng_key(hash, "sample"), 0) < options.sample;
}

static int
deliver(struct conversion *v, const char *text, size_t n)
{
    struct document d = {.bytes = n};

    if (!n)
        return drop(v, DROP_EMPTY);
    d.hash = hash64(text, n);
    if (!in_sample(d.hash))
        return drop(v, DROP_SAMPLE);
    if (options.lang && !language_listed(language_guess(text, n), options.lang))
        return drop(v, DROP_LANGUAGE);
    v->job->account.documents++;
    v->job->account.bytes += n;
    return v->c->deliver(v->c->arg, v->worker, v->job, &d, text, n);
}

static void
skip_mark(const char **text, size_t *n)
{
    size_t mark = charset_mark(*text, *n);

    *text += mark;
    *n -= mark;
}

/* Makes *text, in charset c, valid UTF-8. 0 or -1. */
static int
to_utf8(struct conversion *v, enum charset c, const char **text, size_t *n)
{
    struct charset_faults faults;

    if (c == CHARSET_UTF8 && utf8_valid(*text, *n) == *n)
        return 0;
    str_clear(&v->utf8);
    if (charset_convert(v->charsets, c, *text, *n, &v->utf8, &faults)) {
        drop(v, DROP_CHARSET);
        return -1;
    }
    *text = v->utf8.data ? v->utf8.data : "";
    *n = v->utf8.len;
    v->job->account.charsets[c] += c != CHARSET_UTF8;
    v->job->account.replaced += faults.count;
    if (!faults.count)
        return 0;
    return fault(v, "byte %zu: not %s (%zu such places, now U+FFFD)", faults.first,
                 c == CHARSET_UTF8 ? "UTF-8" : charset_name(c), faults.count);
}

/* A charset that is known but not converted. */
static int
drop_charset(struct conversion *v, enum charset c)
{
    drop(v, DROP_CHARSET);
    return fault(v, "charset not supported: %s", charset_name(c));
}

static int
convert_whole(struct conversion *v, const char *text, size_t n)
{
    enum charset c = charset_guess(text, n);

    v->job->account.documents_in++;
    if (c == CHARSET_OTHER)
        return drop_charset(v, c);
    if (to_utf8(v, c, &text, &n))
        return -1;
    skip_mark(&text, &n);
    str_clear(&v->text);
    if (v->item->format == TEXT_HTML)
        html_to_text(text, n, &v->text);
    else if (v->item->format == TEXT_MAN)
        man_to_text(text, n, &v->text);
    else
        return deliver(v, text, n);
    return deliver(v, v->text.data ? v->text.data : "", v->text.len);
}

static int
convert_json(struct conversion *v, const char *line, size_t n)
{
    struct jsonl_result r;

    str_clear(&v->text);
    enum jsonl_status status = jsonl_text(&v->c->field, line, n, &v->text, &r);
    if (status == JSONL_BLANK)
        return 0;
    v->job->account.documents_in++;
    if (status == JSONL_MALFORMED) {
        drop(v, DROP_JSON);
        return fault(v, "byte %zu: malformed JSON: %s", r.at, r.fault);
    }
    if (status != JSONL_TEXT) {
        drop(v, DROP_FIELD);
        return fault(v, status == JSONL_NO_FIELD ? "no field '%s'" : "field '%s' is not a string",
                     options.json_field);
    }
    v->job->account.surrogates += r.surrogates;
    if (r.surrogates && fault(v, "%zu lone surrogates, now U+FFFD", r.surrogates))
        return -1;
    const char *text = v->text.data;
    size_t size = v->text.len;
    return to_utf8(v, CHARSET_UTF8, &text, &size) ? -1 : deliver(v, text, size);
}

static int
convert_line(struct conversion *v, const char *line, size_t n)
{
    enum charset c = v->item->charset;
    bool json = v->item->format == TEXT_JSONL;

    if (n > options.max_member)
        return too_long(v);
    /* The text of a JSON field is repaired when it was found, UTF-8 is that of its line. */
    if ((c != CHARSET_UTF8 || !json) && to_utf8(v, c, &line, &n))
        return -1;
    if (n && line[n - 1] == '\r')
        n--;
    if (v->line == 1)
        skip_mark(&line, &n);
    if (json)
        return convert_json(v, line, n);
    v->job->account.documents_in++;
    return deliver(v, line, n);
}

static int
convert_lines(struct conversion *v, const char *p, const char *end)
{
    v->line = v->item->first_line;
    while (p < end) {
        size_t newline, n = charset_line(v->item->charset, p, (size_t)(end - p), &newline);
        if (convert_line(v, p, n))
            return -1;
        p += n + newline;
        v->line++;
    }
    return 0;
}

static int
convert_item(struct conversion *v)
{
    const char *from = v->job->raw.data + v->item->from;
    size_t n = v->item->to - v->item->from;

    v->line = 0;
    if (v->item->format == TEXT_LINES || v->item->format == TEXT_JSONL)
        return convert_lines(v, from, from + n);
    return convert_whole(v, from, n);
}

int
convert_job(const struct converter *c, int worker, struct job *j)
{
    struct conversion *v = &c->workers[worker];
    int r = 0;

    v->job = j;
    for (size_t i = 0; i < j->items.len && !r; i++) {
        v->item = &j->items.data[i];
        r = convert_item(v);
    }
    str_release(&j->raw);
    return r;
}

#include "cmd/llm-tokenize/convert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "cmd/llm-tokenize/options.h"
#include "text/charset.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"

/* A worker's way from bytes to texts. */

/* A job on its way through one worker. */
struct conversion {
    const struct converter *c;
    struct job *job;
    const struct item *item;
    int worker;
    uint64_t line;     /* 0: the item is one document */
    struct str text;   /* what a markup, field or repair gives */
    struct str repair;
};

int
converter_init(struct converter *c)
{
    return jsonl_field_init(&c->field, options.json_field);
}

void
converter_release(struct converter *c)
{
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

/* Makes *text valid UTF-8. 0 or -1. */
static int
make_valid(struct conversion *v, const char **text, size_t *n)
{
    size_t good = utf8_valid(*text, *n);

    if (good == *n)
        return 0;
    str_clear(&v->repair);
    size_t bad = utf8_clean(*text, *n, &v->repair);
    v->job->account.replaced += bad;
    *text = v->repair.data;
    *n = v->repair.len;
    return fault(v, "byte %zu: not UTF-8 (%zu such places, now U+FFFD)", good, bad);
}

static int
convert_whole(struct conversion *v, const char *text, size_t n)
{
    enum charset c = charset_guess(text, n);

    v->job->account.documents_in++;
    if (c != CHARSET_UTF8) {
        v->job->account.charsets[c]++;
        drop(v, DROP_CHARSET);
        return fault(v, "charset not supported yet: %s", charset_name(c));
    }
    skip_mark(&text, &n);
    if (make_valid(v, &text, &n))
        return -1;
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
    return make_valid(v, &text, &size) ? -1 : deliver(v, text, size);
}

static int
convert_line(struct conversion *v, const char *line, size_t n)
{
    if (n && line[n - 1] == '\r')
        n--;
    if (n > options.max_member)
        return too_long(v);
    if (v->line == 1)
        skip_mark(&line, &n);
    if (v->item->format == TEXT_JSONL)
        return convert_json(v, line, n);
    v->job->account.documents_in++;
    return make_valid(v, &line, &n) ? -1 : deliver(v, line, n);
}

static int
convert_lines(struct conversion *v, const char *p, const char *end)
{
    v->line = v->item->first_line;
    while (p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *stop = eol ? eol : end;
        if (convert_line(v, p, (size_t)(stop - p)))
            return -1;
        p = stop + (eol != NULL);
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
    struct conversion v = {.c = c, .job = j, .worker = worker};
    int r = 0;

    for (size_t i = 0; i < j->items.len && !r; i++) {
        v.item = &j->items.data[i];
        r = convert_item(&v);
    }
    str_release(&v.text);
    str_release(&v.repair);
    str_release(&j->raw);
    return r;
}

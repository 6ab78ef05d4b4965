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
#include "cmd/llm-tokenize/convert_state.h"
#include "cmd/llm-tokenize/options.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"

/* A worker's way from bytes to texts. */

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
        str_release(&c->workers[i].chunks);
        str_release(&c->workers[i].body);
        chat_document_release(&c->workers[i].chat);
    }
    free(c->workers);
    jsonl_field_release(&c->field);
}

/* Reports a fault with its place; -1 when it stops the run. */
int
conversion_fault(struct conversion *v, bool stop, const char *fmt, ...)
{
    struct str s = {0};
    va_list ap;

    str_adds(&s, v->item->path);
    if (v->line)
        str_addf(&s, ": line %" PRIu64, v->line);
    else if (v->item->format == TEXT_WARC || v->item->format == TEXT_WIKIXML)
        str_addf(&s, ": offset %" PRIu64, v->item->place);
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

int
conversion_drop(struct conversion *v, enum drop why)
{
    v->job->account.dropped[why]++;
    return 0;
}

/* A limit was passed: that stops unless --on-error skip. */
static int
too_long(struct conversion *v)
{
    v->job->account.documents_in++;
    conversion_drop(v, DROP_UNREADABLE);
    return conversion_fault(v, options_stop_on_archive_fault(), "larger than --max-member");
}

/* Is the text in the sample? A fraction of [0, 1) from its hash and the option's name. */
static bool
in_sample(uint64_t hash)
{
    return options.sample >= 1 || rng_uniform(rng_key(hash, "sample"), 0) < options.sample;
}

/* The error on record is a fault of the text. */
static int
recorded_fault(struct conversion *v, enum drop why)
{
    struct err e;

    err_take(&e);
    conversion_drop(v, why);
    return text_fault(v, "%s", e.text);
}

int
conversion_deliver(struct conversion *v, const char *text, size_t n)
{
    struct document d = {.bytes = n};

    if (!n)
        return conversion_drop(v, DROP_EMPTY);
    d.hash = hash64(text, n);
    if (!in_sample(d.hash))
        return conversion_drop(v, DROP_SAMPLE);
    if (options.lang && !language_listed(language_guess(text, n), options.lang))
        return conversion_drop(v, DROP_LANGUAGE);
    v->job->chat = v->c->chat ? &v->chat : NULL;
    int r = v->c->deliver(v->c->arg, v->worker, v->job, &d, text, n);
    if (r > 0)
        return recorded_fault(v, DROP_TEMPLATE);
    v->job->account.documents++;
    v->job->account.bytes += n;
    return r;
}

static void
skip_mark(const char **text, size_t *n)
{
    size_t mark = charset_mark(*text, *n);

    *text += mark;
    *n -= mark;
}

/* Makes *text, in charset c, valid UTF-8. 0 or -1. */
int
conversion_utf8(struct conversion *v, enum charset c, const char **text, size_t *n)
{
    struct charset_faults faults;

    if (c == CHARSET_UTF8 && utf8_valid(*text, *n) == *n)
        return 0;
    str_clear(&v->utf8);
    if (charset_convert(v->charsets, c, *text, *n, &v->utf8, &faults)) {
        conversion_drop(v, DROP_CHARSET);
        return -1;
    }
    *text = v->utf8.data ? v->utf8.data : "";
    *n = v->utf8.len;
    v->job->account.charsets[c] += c != CHARSET_UTF8;
    v->job->account.replaced += faults.count;
    if (!faults.count)
        return 0;
    return text_fault(v, "byte %zu: not %s (%zu such places, now U+FFFD)", faults.first,
                 c == CHARSET_UTF8 ? "UTF-8" : charset_name(c), faults.count);
}

int
conversion_document(struct conversion *v, const char *text, size_t n, enum text_format format,
                    enum charset said)
{
    enum charset c = charset_guess_hint(text, n, said);

    if (c == CHARSET_OTHER) {
        conversion_drop(v, DROP_CHARSET);
        return text_fault(v, "charset not supported");
    }
    if (conversion_utf8(v, c, &text, &n))
        return -1;
    skip_mark(&text, &n);
    str_clear(&v->text);
    if (format == TEXT_HTML)
        html_to_text(text, n, &v->text);
    else if (format == TEXT_MAN)
        man_to_text(text, n, &v->text);
    else
        return conversion_deliver(v, text, n);
    return conversion_deliver(v, v->text.data ? v->text.data : "", v->text.len);
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
        conversion_drop(v, DROP_JSON);
        return text_fault(v, "byte %zu: malformed JSON: %s", r.at, r.fault);
    }
    if (status != JSONL_TEXT) {
        conversion_drop(v, DROP_FIELD);
        return text_fault(v, status == JSONL_NO_FIELD ? "no field '%s'" : "field '%s' is not a string",
                     options.json_field);
    }
    v->job->account.surrogates += r.surrogates;
    if (r.surrogates && text_fault(v, "%zu lone surrogates, now U+FFFD", r.surrogates))
        return -1;
    const char *text = v->text.data;
    size_t size = v->text.len;
    return conversion_utf8(v, CHARSET_UTF8, &text, &size) ? -1 : conversion_deliver(v, text, size);
}

static int
convert_chat(struct conversion *v, const char *line, size_t n)
{
    enum drop why;
    size_t blank = 0;

    while (blank < n && memchr(" \t", line[blank], 2))
        blank++;
    if (blank == n)
        return 0;
    v->job->account.documents_in++;
    if (line[blank] == '[' && v->line == 1) {
        conversion_drop(v, DROP_JSON);
        return text_fault(v, "not JSON lines; of a list, jq -c '.[]' FILE makes them");
    }
    if (chat_take_line(v->c->chat, line, n, &v->chat, &why))
        return recorded_fault(v, why);
    return conversion_deliver(v, v->chat.text.data ? v->chat.text.data : "", v->chat.text.len);
}

static int
convert_line(struct conversion *v, const char *line, size_t n)
{
    enum charset c = v->item->charset;
    bool json = v->item->format == TEXT_JSONL;

    if (n > options.max_member)
        return too_long(v);
    /* The text of a JSON field is repaired when it was found, UTF-8 is that of its line. */
    if ((c != CHARSET_UTF8 || !json || v->c->chat) && conversion_utf8(v, c, &line, &n))
        return -1;
    if (n && line[n - 1] == '\r')
        n--;
    if (v->line == 1)
        skip_mark(&line, &n);
    if (v->c->chat)
        return convert_chat(v, line, n);
    if (json)
        return convert_json(v, line, n);
    v->job->account.documents_in++;
    return conversion_deliver(v, line, n);
}

static int
convert_lines(struct conversion *v, const char *p, const char *end)
{
    v->line = v->item->place;
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
    switch (v->item->format) {
    case TEXT_LINES:
    case TEXT_JSONL:
        return convert_lines(v, from, from + n);
    case TEXT_WARC:
        return convert_warc_record(v, from, n);
    case TEXT_WIKIXML:
        return convert_wiki_page(v, from, n);
    default:
        v->job->account.documents_in++;
        return conversion_document(v, from, n, v->item->format, CHARSET_COUNT);
    }
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

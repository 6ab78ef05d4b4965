#include "cmd/llm-tokenize/feed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/input.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/progress.h"
#include "cmd/llm-tokenize/feed_state.h"
#include "cmd/llm-tokenize/options.h"

/* Reads members and packs them, or stretches of their lines, into jobs. */

enum { HEAD_BYTES = 64 << 10 }; /* what a format is told from */

struct feed *
feed_open(void)
{
    struct feed *f = mem_zalloc(sizeof *f);

    if (jsonl_field_init(&f->field, options.json_field)) {
        free(f);
        return NULL;
    }
    f->in = options_input();
    f->charsets = charset_converter_new();
    return f;
}

/* Adds up to n bytes of the member to *to. Bytes, 0 at its end, -1. */
ssize_t
feed_read(struct feed *f, struct str *to, size_t n)
{
    str_reserve(to, n);
    ssize_t got = input_read(f->in, to->data + to->len, n);
    if (got > 0)
        to->len += (size_t)got;
    to->data[to->len] = '\0';
    return got;
}

/* Fills pending up to n bytes or the member's end. 0 or -1. */
static int
fill_pending(struct feed *f, size_t n)
{
    while (!f->ended && f->pending.len < n) {
        ssize_t got = feed_read(f, &f->pending, n - f->pending.len);
        if (got < 0)
            return -1;
        f->ended = got == 0;
    }
    return 0;
}

static void
drop_member(struct feed *f, struct job *j, enum drop why)
{
    j->account.documents_in++;
    j->account.bytes_in += f->pending.len;
    j->account.dropped[why]++;
    f->open = false;
}

int
feed_too_large(struct feed *f, const char *what)
{
    return err_set(STATUS_INPUT, "%s: %s larger than --max-member", input_path(f->in), what);
}

/* What must be refused now, before any of it is read. 0, or -1 with the error. */
static int
check_format(struct feed *f)
{
    if (f->format != TEXT_PARQUET)
        return 0;
    f->why = DROP_FORMAT;
    return err_set(STATUS_INPUT, "%s: is Parquet, which is not read; this makes JSON lines of it: "
                   "python3 -c 'import json,sys,pyarrow.parquet as q;"
                   "[print(json.dumps(r,default=str)) for b in "
                   "q.ParquetFile(sys.argv[1]).iter_batches() for r in b.to_pylist()]' FILE",
                   input_path(f->in));
}

/* A file of lines has the charset that its beginning has. 0 or -1. */
static int
find_charset(struct feed *f, struct job *j)
{
    size_t n = charset_whole_lines(CHARSET_UTF8, f->pending.data, f->pending.len);

    if (!n || charset_is_utf16(f->pending.data, f->pending.len, &f->charset))
        n = f->pending.len;
    f->charset = n ? charset_guess(f->pending.data, n) : CHARSET_UTF8;
    if (f->charset != CHARSET_OTHER)
        return 0;
    if (options_stop_on_text_fault())
        return err_set(STATUS_INPUT, "%s: charset not supported", input_path(f->in));
    drop_member(f, j, DROP_CHARSET);
    job_add_fault(j, mem_printf("%s: charset not supported", input_path(f->in)));
    return 0;
}

/* Of what is text and no markup every line is taken for a conversation. */
static enum text_format
chat_format(enum text_format f)
{
    bool lines = f == TEXT_PLAIN || f == TEXT_LINES || f == TEXT_JSONL || f == TEXT_MAN;

    return lines ? TEXT_JSONL : f == TEXT_PARQUET || f == TEXT_BINARY ? f : TEXT_XML;
}

/* What the open member is, by its beginning. 0 or -1. */
static int
find_format(struct feed *f)
{
    const struct str *head = &f->pending;
    struct charset_faults faults;
    struct str utf8 = {0};
    enum charset wide;

    f->format = (enum text_format)options.format;
    if (f->format != TEXT_AUTO)
        return 0;
    if (charset_is_utf16(head->data, head->len, &wide)) {
        if (charset_convert(f->charsets, wide, head->data, head->len, &utf8, &faults)) {
            str_release(&utf8);
            return -1;
        }
        head = &utf8;
    }
    f->format = text_detect(head->data, head->len, input_path(f->in), &f->field);
    if (options_chat())
        f->format = chat_format(f->format);
    str_release(&utf8);
    return 0;
}

static bool
is_in_lines(enum text_format f)
{
    return f == TEXT_LINES || f == TEXT_JSONL;
}

/* 1: a member is open, its format known; 0: the end of all input; -1. */
static int
open_member(struct feed *f, struct job *j)
{
    f->why = DROP_UNREADABLE;
    int r = input_next(f->in);
    if (r <= 0)
        return r;
    str_clear(&f->pending);
    f->ended = f->closed = f->survives = false;
    f->open = true;
    f->line = 1;
    f->at = 0;
    f->offset = 0;
    f->charset = CHARSET_UTF8;
    if (input_is_shard(f->in))
        return err_set(STATUS_INPUT, "%s: is a shard; --decode?", input_path(f->in));
    if (fill_pending(f, HEAD_BYTES))
        return -1;
    if (find_format(f) || check_format(f))
        return -1;
    if (f->format == TEXT_BINARY)
        drop_member(f, j, DROP_BINARY);
    else if (f->format == TEXT_XML)
        drop_member(f, j, DROP_XML);
    else if (is_in_lines(f->format))
        return find_charset(f, j) ? -1 : 1;
    return 1;
}

void
feed_add_item(struct feed *f, struct job *j, size_t from, uint64_t place)
{
    struct item item = {f->format, from, j->raw.len, f->charset, place,
                        mem_strdup(input_path(f->in))};

    j->account.bytes_in += j->raw.len - from;
    vec_push(&j->items, item);
}

/* The whole member is one document. */
static int
take_whole(struct feed *f, struct job *j)
{
    size_t from = j->raw.len;
    ssize_t got = 1;

    str_add(&j->raw, f->pending.data ? f->pending.data : "", f->pending.len);
    while (!f->ended && got > 0 && j->raw.len - from <= options.max_member)
        got = feed_read(f, &j->raw, JOB_BYTES);
    if (got >= 0 && j->raw.len - from > options.max_member)
        got = feed_too_large(f, "the member is");
    if (got < 0) {
        j->raw.len = from;
        return -1;
    }
    feed_add_item(f, j, from, 0);
    f->open = false;
    return 0;
}

static uint64_t
count_lines(enum charset c, const char *p, size_t n)
{
    size_t newline = 1, line;
    uint64_t lines = 0;

    for (size_t at = 0; at < n && newline; at += line + newline) {
        line = charset_line(c, p + at, n - at, &newline);
        lines += newline > 0;
    }
    return lines;
}

/* The next stretch of whole lines goes into the job; what is left stays pending. */
static int
take_lines(struct feed *f, struct job *j)
{
    size_t want = JOB_BYTES, whole;

    for (;; want *= 2) {
        if (fill_pending(f, want))
            return -1;
        whole = charset_whole_lines(f->charset, f->pending.data, f->pending.len);
        if (whole || f->ended)
            break;
        if (f->pending.len > options.max_member)
            return feed_too_large(f, "a line is");
    }
    size_t n = f->ended ? f->pending.len : whole;
    size_t from = j->raw.len;
    if (n) {
        str_add(&j->raw, f->pending.data, n);
        feed_add_item(f, j, from, f->line);
        f->line += count_lines(f->charset, f->pending.data, n);
        f->pending.len -= n;
        memmove(f->pending.data, f->pending.data + n, f->pending.len);
    }
    f->open = !f->ended;
    return 0;
}

/* Makes an error a fault that is counted, where --on-error lets it be one. */
static bool
tolerate(struct feed *f, struct job *j)
{
    f->open = f->survives;
    f->survives = false;
    if (err_status() != STATUS_INPUT || options_stop_on_archive_fault())
        return false;
    j->account.dropped[f->why]++;
    job_add_fault(j, mem_strdup(err_text()));
    err_clear();
    return true;
}

/* The next part of the open member goes into the job. 0 or -1. */
static int
take(struct feed *f, struct job *j)
{
    f->why = DROP_UNREADABLE;
    if (is_in_lines(f->format))
        return take_lines(f, j);
    if (f->format == TEXT_WARC)
        return feed_warc_record(f, j);
    return f->format == TEXT_WIKIXML ? feed_wiki_page(f, j) : take_whole(f, j);
}

struct job *
feed_next(struct feed *f, bool *failed)
{
    struct job *j = job_new();
    int r = 1;

    while (j->raw.len < JOB_BYTES) {
        r = f->open ? 1 : open_member(f, j);
        progress_set(input_consumed(f->in));
        if (r == 0)
            break;
        if (r > 0 && f->open)
            r = take(f, j);
        if (r < 0 && !tolerate(f, j)) {
            *failed = true;
            job_free(j);
            return NULL;
        }
    }
    if (r == 0 && !j->items.len && !j->account.documents_in && !j->account.bytes_in &&
        !j->faults.len) {
        job_free(j);
        return NULL;
    }
    return j;
}

void
feed_close(struct feed *f)
{
    if (!f)
        return;
    input_close(f->in);
    jsonl_field_release(&f->field);
    charset_converter_free(f->charsets);
    str_release(&f->pending);
    free(f);
}

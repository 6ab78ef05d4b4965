#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "cmd/llm-tokenize/feed_state.h"
#include "cmd/llm-tokenize/options.h"
#include "text/warc.h"

/* Cuts WARC files into records and wikis' dumps into pages, in constant memory. */

enum { READ_BYTES = 256 << 10 };

static const char *
here(const struct feed *f)
{
    return f->pending.data ? f->pending.data + f->at : "";
}

static size_t
available(const struct feed *f)
{
    return f->pending.len - f->at;
}

/* Makes n bytes available unless the member ends before. 0 or -1. */
static int
want(struct feed *f, size_t n)
{
    if (available(f) >= n || f->ended)
        return 0;
    if (f->at) {
        f->pending.len -= f->at;
        memmove(f->pending.data, f->pending.data + f->at, f->pending.len);
        f->at = 0;
    }
    while (available(f) < n && !f->ended) {
        size_t missing = n - available(f);
        ssize_t got = feed_read(f, &f->pending, missing > READ_BYTES ? missing : READ_BYTES);
        if (got < 0)
            return -1;
        f->ended = got == 0;
    }
    return 0;
}

static void
pass(struct feed *f, size_t n)
{
    f->at += n;
    f->offset += n;
}

/* Passes over n bytes, however many; 0, 1: the member ends before, -1. */
static int
skip(struct feed *f, struct job *j, uint64_t n)
{
    while (n) {
        if (want(f, 1))
            return -1;
        size_t have = available(f), part = n < have ? (size_t)n : have;
        if (!have)
            return 1;
        pass(f, part);
        j->account.bytes_in += part;
        n -= part;
    }
    return 0;
}

static int
fault_at(struct feed *f, uint64_t offset, const char *what)
{
    return err_set(STATUS_INPUT, "%s: offset %" PRIu64 ": %s", input_path(f->in), offset, what);
}

/* The next n bytes are an item; they are available. */
static void
take(struct feed *f, struct job *j, size_t n)
{
    size_t from = j->raw.len;

    str_add(&j->raw, here(f), n);
    feed_add_item(f, j, from, f->offset);
    pass(f, n);
}

/* ---- WARC ---------------------------------------------------------------------- */

/* Passes over the line ends between records. 1: a record follows; 0: the end; -1. */
static int
find_record(struct feed *f, struct job *j)
{
    for (;;) {
        if (want(f, 1))
            return -1;
        if (!available(f))
            return 0;
        if (*here(f) != '\r' && *here(f) != '\n')
            return 1;
        if (skip(f, j, 1))
            return -1;
    }
}

static int
read_header(struct feed *f, struct warc_record *r)
{
    const char *fault;

    for (size_t n = 1024;; n *= 2) {
        if (want(f, n))
            return -1;
        int found = warc_header(here(f), available(f), r, &fault);
        if (found > 0)
            return 0;
        if (found < 0 || f->ended)
            return fault_at(f, f->offset, fault);
    }
}

int
feed_warc_record(struct feed *f, struct job *j)
{
    static const char cut[] = "the record is cut";
    struct warc_record r;
    int found = find_record(f, j);
    uint64_t begin = f->offset;

    f->open = found > 0;
    if (found <= 0)
        return found;
    if (read_header(f, &r))
        return -1;
    uint64_t size = r.header + r.length;
    if (r.type == WARC_OTHER || size > options.max_member) {
        int end = skip(f, j, size);
        if (end)
            return end < 0 ? -1 : fault_at(f, begin, cut);
        if (r.type == WARC_OTHER) {
            j->account.dropped[DROP_RECORD]++;
            return 0;
        }
        j->account.documents_in++;
        f->survives = true;
        return fault_at(f, begin, "the record is larger than --max-member");
    }
    if (want(f, (size_t)size))
        return -1;
    if (available(f) < size)
        return fault_at(f, begin, cut);
    take(f, j, (size_t)size);
    return 0;
}

/* ---- MediaWiki's XML ----------------------------------------------------------- */

static const char page_begin[] = "<page>", page_end[] = "</page>", dump_end[] = "</mediawiki>";

/* Passes over what is between pages. 1: a page follows; 0: the end; -1. */
static int
find_page(struct feed *f, struct job *j)
{
    for (;;) {
        if (want(f, READ_BYTES / 4))
            return -1;
        const char *p = here(f), *page = memmem(p, available(f), page_begin, sizeof page_begin - 1);
        size_t n = page ? (size_t)(page - p) : available(f);
        f->closed |= memmem(p, n, dump_end, sizeof dump_end - 1) != NULL;
        if (!page && !f->ended) /* a tag may have been read in part */
            n -= n < sizeof dump_end ? n : sizeof dump_end;
        j->account.bytes_in += n;
        pass(f, n);
        if (page)
            return 1;
        if (f->ended)
            return 0;
        if (want(f, available(f) + 1))
            return -1;
    }
}

/* The bytes of the page that begins here; 0: it has no end; -1. */
static int64_t
page_size(struct feed *f)
{
    size_t seen = 0;

    for (;;) {
        const char *end = memmem(here(f) + seen, available(f) - seen, page_end, sizeof page_end - 1);
        if (end)
            return end - here(f) + (int64_t)sizeof page_end - 1;
        if (f->ended || available(f) > options.max_member)
            return 0;
        seen = available(f) < sizeof page_end ? 0 : available(f) - sizeof page_end;
        if (want(f, available(f) * 2 + READ_BYTES))
            return -1;
    }
}

int
feed_wiki_page(struct feed *f, struct job *j)
{
    int found = find_page(f, j);

    f->open = found > 0;
    if (found == 0 && !f->closed)
        return fault_at(f, f->offset, "the dump is cut: it has no </mediawiki>");
    if (found <= 0)
        return found;
    int64_t size = page_size(f);
    if (size < 0)
        return -1;
    if (size == 0 && f->ended)
        return fault_at(f, f->offset, "the dump is cut inside a page");
    if (size == 0 || (uint64_t)size > options.max_member) {
        uint64_t begin = f->offset;
        if (skip(f, j, size ? (uint64_t)size : sizeof page_begin))
            return -1;
        j->account.documents_in++;
        f->survives = true;
        return fault_at(f, begin, "the page is larger than --max-member");
    }
    take(f, j, (size_t)size);
    return 0;
}

#include "archive/level.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/gunzip.h"
#include "base/err.h"
#include "base/mem.h"

/* One layer of nesting over libarchive, whose read callback is the layer below. */

enum { LEVEL_BUFFER = 64 << 10 };

struct level {
    struct level *below;      /* NULL: a file */
    struct archive *archive;  /* NULL: a file or gzip */
    struct gunzip *gunzip;
    struct expansion *expansion;
    enum content content;
    enum level_state state;
    int fd;
    bool visited;             /* the only entry of a file or compressed stream was given out */
    bool empty;               /* that entry has no bytes */
    char *path;
    const char *name;         /* of the current entry */
    size_t head_len, head_at; /* bytes sniffed at, given out first */
    char head[SNIFF_BYTES];
    char *buffer;             /* what the archive reads from below */
};

static int
mark(struct level *l, enum level_state state)
{
    l->state = state;
    return -1;
}

/* Did a layer below cause the failure? Then its record and mark are the ones to keep. */
static bool
below_failed(const struct level *l)
{
    for (l = l->below; l; l = l->below)
        if (l->state != LEVEL_GOOD)
            return true;
    return false;
}

static int
level_failed(struct level *l, enum level_state state, const char *text)
{
    if (below_failed(l))
        return -1;
    err_set(STATUS_INPUT, "%s%s%s: %s: %s", l->path, l->name ? "!" : "", l->name ? l->name : "",
            content_name(l->content), text ? text : "truncated or corrupt");
    return mark(l, state);
}

/* Records libarchive's complaint about the entry or, when fatal, the layer. */
static int
archive_failed(struct level *l, int code)
{
    return level_failed(l, code == ARCHIVE_FATAL ? LEVEL_FAILED : LEVEL_ENTRY_FAILED,
                        archive_error_string(l->archive));
}

struct level *
level_open_file(int fd, const char *path, struct expansion *e)
{
    struct level *l = mem_zalloc(sizeof *l);

    l->fd = fd;
    l->path = mem_strdup(path);
    l->expansion = e;
    return l;
}

static ssize_t
gunzip_below(void *arg, void *buf, size_t n)
{
    return level_read(arg, buf, n);
}

static la_ssize_t
read_below(struct archive *a, void *arg, const void **block)
{
    struct level *l = arg;
    ssize_t n = level_read(l->below, l->buffer, LEVEL_BUFFER);

    if (n < 0)
        archive_set_error(a, EIO, "read error");
    *block = l->buffer;
    return n;
}

/*
 * Exactly one filter or one format: nesting stays visible to the caller and its
 * limits, and no filter that would run another program is ever enabled.
 */
static int
support(struct archive *a, enum content content)
{
    int raw = content_is_filter(content)
                  ? archive_read_support_format_raw(a) | archive_read_support_format_empty(a)
                  : ARCHIVE_OK;

    switch (content) {
    case CONTENT_BZIP2:
        return raw | archive_read_append_filter(a, ARCHIVE_FILTER_BZIP2);
    case CONTENT_XZ:
        return raw | archive_read_append_filter(a, ARCHIVE_FILTER_XZ);
    case CONTENT_ZSTD:
        return raw | archive_read_append_filter(a, ARCHIVE_FILTER_ZSTD);
    case CONTENT_TAR:
        return archive_read_support_format_tar(a) |
               archive_read_set_format_option(a, "tar", "read_concatenated_archives", "1");
    case CONTENT_ZIP:
        return archive_read_support_format_zip_streamable(a);
    case CONTENT_AR:
        return archive_read_support_format_ar(a);
    default:
        return ARCHIVE_FATAL;
    }
}

static bool
open_gzip(struct level *l)
{
    l->gunzip = gunzip_open(gunzip_below, l->below);
    if (!l->gunzip)
        err_set(STATUS_FAILED, "%s: out of memory", l->path);
    return l->gunzip;
}

static bool
open_archive(struct level *l)
{
    l->buffer = mem_alloc(LEVEL_BUFFER);
    l->archive = archive_read_new();
    if (!l->archive || support(l->archive, l->content) != ARCHIVE_OK) {
        err_set(STATUS_FAILED, "%s: libarchive lacks %s", l->path, content_name(l->content));
        return false;
    }
    int r = archive_read_open(l->archive, l, NULL, read_below, NULL);
    if (r != ARCHIVE_OK)
        archive_failed(l, r);
    return r == ARCHIVE_OK;
}

struct level *
level_open(struct level *below, enum content content, const char *path, struct expansion *e)
{
    struct level *l = mem_zalloc(sizeof *l);

    l->fd = -1;
    l->below = below;
    l->content = content;
    l->expansion = e;
    l->path = mem_strdup(path);
    if (content == CONTENT_GZIP ? !open_gzip(l) : !open_archive(l)) {
        mark(below, LEVEL_ENTRY_FAILED); /* this layer never came to be */
        level_close(l);
        return NULL;
    }
    return l;
}

static const char *
entry_name(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);

    if (!name)
        name = archive_entry_pathname_utf8(entry);
    if (!name)
        return "?";
    while (!strncmp(name, "./", 2) || *name == '/')
        name += *name == '/' ? 1 : 2;
    return name;
}

static bool
is_plain(struct archive_entry *entry)
{
    return archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
}

static pthread_once_t utf8_once = PTHREAD_ONCE_INIT;
static locale_t utf8_locale;

static void
make_utf8_locale(void)
{
    utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* libarchive converts names to the locale's charset, which is UTF-8 here whatever the user's. */
static int
next_header(struct archive *a, struct archive_entry **entry)
{
    pthread_once(&utf8_once, make_utf8_locale);
    locale_t old = utf8_locale ? uselocale(utf8_locale) : (locale_t)0;
    int r = archive_read_next_header(a, entry);
    if (utf8_locale)
        uselocale(old);
    return r;
}

static int
next_in_archive(struct level *l)
{
    struct archive_entry *entry;

    for (;;) {
        l->name = NULL;
        int r = next_header(l->archive, &entry);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r == ARCHIVE_RETRY)
            continue;
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
            return archive_failed(l, r);
        if (is_plain(entry)) {
            l->name = entry_name(entry);
            return 1;
        }
    }
}

/*
 * The one entry of a compressed stream. When the stream breaks in its very first
 * bytes libarchive may take it for empty: so it is checked that it is.
 */
static int
open_stream(struct level *l)
{
    struct archive_entry *entry;
    int r = next_header(l->archive, &entry);

    if (r == ARCHIVE_OK || r == ARCHIVE_WARN)
        return 1;
    l->empty = sniff_is_empty(l->content, l->below->head, l->below->head_len);
    return l->empty ? 1 : archive_failed(l, ARCHIVE_FATAL);
}

int
level_next(struct level *l)
{
    l->head_len = l->head_at = 0;
    if (content_is_archive(l->content))
        return next_in_archive(l);
    if (l->visited)
        return 0;
    l->visited = true;
    return l->archive ? open_stream(l) : 1;
}

const char *
level_name(const struct level *l)
{
    return l->name;
}

int
level_sniff(struct level *l, enum content *out)
{
    while (l->head_len < sizeof l->head) {
        size_t at = l->head_len;
        l->head_len = 0; /* what is there already must not be read again */
        ssize_t n = level_read(l, l->head + at, sizeof l->head - at);
        l->head_len = at;
        if (n < 0)
            return -1;
        if (!n)
            break;
        l->head_len += (size_t)n;
    }
    *out = sniff(l->head, l->head_len);
    return 0;
}

static ssize_t
read_file(struct level *l, void *buf, size_t n)
{
    ssize_t got;

    do
        got = read(l->fd, buf, n);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        err_sys("%s", l->path);
        return mark(l, LEVEL_FAILED);
    }
    l->expansion->consumed += (uint64_t)got;
    return got;
}

static ssize_t
read_gzip(struct level *l, void *buf, size_t n)
{
    const char *error;
    ssize_t got = gunzip_read(l->gunzip, buf, n, &error);

    return got < 0 ? level_failed(l, LEVEL_FAILED, error) : got;
}

static ssize_t
read_archive(struct level *l, void *buf, size_t n)
{
    la_ssize_t got = archive_read_data(l->archive, buf, n);

    return got < 0 ? archive_failed(l, (int)got) : got;
}

/* A bomb condemns the whole file: every layer up from the first is given up. */
static int
check_expansion(struct level *l)
{
    const struct expansion *e = l->expansion;

    if (!e->max_ratio || e->produced <= EXPANSION_FLOOR ||
        e->produced / e->max_ratio <= e->consumed)
        return 0;
    err_set(STATUS_INPUT, "%s: expands more than %llu times (--max-ratio)", l->path,
            (unsigned long long)e->max_ratio);
    for (; l; l = l->below)
        l->state = LEVEL_FAILED;
    return -1;
}

ssize_t
level_read(struct level *l, void *buf, size_t n)
{
    if (l->head_at < l->head_len) {
        size_t have = l->head_len - l->head_at;
        n = n < have ? n : have;
        memcpy(buf, l->head + l->head_at, n);
        l->head_at += n;
        return (ssize_t)n;
    }
    if (l->empty)
        return 0;
    if (!l->below)
        return read_file(l, buf, n);
    ssize_t got = l->gunzip ? read_gzip(l, buf, n) : read_archive(l, buf, n);
    if (got < 0)
        return -1;
    l->expansion->produced += (uint64_t)got;
    return check_expansion(l) ? -1 : got;
}

int
level_drain(struct level *l)
{
    char *buf = mem_alloc(LEVEL_BUFFER);
    ssize_t n;

    do
        n = level_read(l, buf, LEVEL_BUFFER);
    while (n > 0);
    free(buf);
    return n < 0 ? -1 : 0;
}

enum level_state
level_state(const struct level *l)
{
    return l->state;
}

void
level_forgive(struct level *l)
{
    l->state = LEVEL_GOOD;
}

void
level_give_up(struct level *l)
{
    l->state = LEVEL_FAILED;
}

bool
level_is_filter(const struct level *l)
{
    return !content_is_archive(l->content);
}

void
level_close(struct level *l)
{
    if (!l)
        return;
    if (l->archive)
        archive_read_free(l->archive);
    gunzip_close(l->gunzip);
    if (l->fd >= 0)
        close(l->fd);
    free(l->buffer);
    free(l->path);
    free(l);
}

/*
 * Megatron's index of an indexed dataset (megatron/core/datasets/indexed_dataset.py): sequences of
 * tokens, and which of them begin documents.
 */
#include "cmd/llm-convert/data.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

enum { HEADER = 34, RUN = 4096 };

/* An array of the file, read in runs. */
struct entries {
    uint64_t begin, count;
    int width;
    uint64_t first, have; /* what `bytes` holds */
    uint8_t bytes[RUN * 8];
};

struct megatron_index {
    char *path;
    int fd;
    uint64_t id_width;
    struct entries length, pointer, document;
    uint64_t sequence, at; /* the next sequence, its first token */
    uint64_t documents;    /* given out */
};

static int
get_entry(struct megatron_index *m, struct entries *e, uint64_t i, uint64_t *out)
{
    if (i < e->first || i >= e->first + e->have) {
        uint64_t left = e->count - i, n = left < RUN ? left : RUN;
        uint64_t width = (uint64_t)e->width;
        if (data_read_at(m->fd, e->bytes, n * width, e->begin + i * width, m->path) < 0)
            return -1;
        e->first = i;
        e->have = n;
    }
    const uint8_t *p = e->bytes + (i - e->first) * (uint64_t)e->width;
    *out = e->width == 4 ? load_u32(p) : load_u64(p);
    return 0;
}

static int
width_of_code(int code)
{
    switch (code) {
    case 1:
        return 1;
    case 3:
    case 8:
        return 2;
    case 4:
        return 4;
    case 5:
        return 8;
    default:
        return 0;
    }
}

/* The three arrays must fill the file behind the header exactly. */
static int
check_size(struct megatron_index *m, uint64_t sequences, uint64_t documents)
{
    struct stat st;
    if (fstat(m->fd, &st) < 0)
        return err_sys("%s", m->path);
    uint64_t left = (uint64_t)st.st_size - HEADER;
    bool fits = sequences <= left / 12 && documents <= (left - 12 * sequences) / 8 &&
                left == 12 * sequences + 8 * documents;
    if (!fits && sequences <= left / 13 && documents <= (left - 13 * sequences) / 8 &&
        left == 13 * sequences + 8 * documents)
        return err_set(STATUS_INPUT, "%s: modes of a multimodal dataset are not supported", m->path);
    if (!fits)
        return err_set(STATUS_INPUT,
                       "%s: %llu bytes do not hold %llu sequences and %llu document borders",
                       m->path, (unsigned long long)st.st_size, (unsigned long long)sequences,
                       (unsigned long long)documents);
    m->length = (struct entries){.begin = HEADER, .count = sequences, .width = 4};
    m->pointer = (struct entries){.begin = HEADER + 4 * sequences, .count = sequences, .width = 8};
    m->document = (struct entries){.begin = HEADER + 12 * sequences,
                                   .count = documents,
                                   .width = 8};
    return 0;
}

/* The first border is 0 and the last the number of sequences, as Megatron's loader asserts. */
static int
check_borders(struct megatron_index *m)
{
    uint64_t first, last;
    if (m->document.count == 0)
        return err_set(STATUS_INPUT, "%s: no document borders", m->path);
    if (get_entry(m, &m->document, 0, &first) < 0 ||
        get_entry(m, &m->document, m->document.count - 1, &last) < 0)
        return -1;
    if (first != 0 || last != m->length.count)
        return err_set(STATUS_INPUT, "%s: documents from sequence %llu to %llu, there are %llu",
                       m->path, (unsigned long long)first, (unsigned long long)last,
                       (unsigned long long)m->length.count);
    return 0;
}

static int
read_header(struct megatron_index *m, struct id_file *ids)
{
    uint8_t h[HEADER];
    if (data_read_at(m->fd, h, sizeof h, 0, m->path) < 0)
        return -1;
    if (memcmp(h, "MMIDIDX\0\0", 9) != 0 || load_u64(h + 9) != 1)
        return err_set(STATUS_INPUT, "%s: not an index of Megatron's, version 1", m->path);
    ids->width = width_of_code(h[17]);
    if (ids->width == 0)
        return err_set(STATUS_INPUT,
                       "%s: type code %u: expected ids (1 u8, 3 i16, 4 i32, 5 i64, 8 u16)",
                       m->path, h[17]);
    m->id_width = (uint64_t)ids->width;
    if (id_file_size(ids) < 0 || check_size(m, load_u64(h + 18), load_u64(h + 26)) < 0)
        return -1;
    return check_borders(m);
}

struct megatron_index *
megatron_index_open(const char *path, struct id_file *ids)
{
    struct megatron_index *m = mem_zalloc(sizeof *m);
    m->path = mem_strdup(path);
    m->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (m->fd < 0)
        err_sys("%s", path);
    else if (read_header(m, ids) == 0)
        return m;
    megatron_index_close(m);
    return NULL;
}

/* All sequences lie one behind the other: the documents are then a cut of the whole. */
static int
pass_sequence(struct megatron_index *m, uint64_t tokens)
{
    uint64_t length, pointer;
    if (get_entry(m, &m->length, m->sequence, &length) < 0 ||
        get_entry(m, &m->pointer, m->sequence, &pointer) < 0)
        return -1;
    if (pointer != m->at * m->id_width)
        return err_set(STATUS_INPUT, "%s: sequence %llu begins at byte %llu, expected %llu", m->path,
                       (unsigned long long)m->sequence, (unsigned long long)pointer,
                       (unsigned long long)(m->at * m->id_width));
    if (length > tokens - m->at)
        return err_set(STATUS_INPUT, "%s: sequence %llu: %llu tokens from token %llu on, there are %llu",
                       m->path, (unsigned long long)m->sequence, (unsigned long long)length,
                       (unsigned long long)m->at, (unsigned long long)tokens);
    m->at += length;
    m->sequence++;
    return 0;
}

int
megatron_index_next(struct megatron_index *m, uint64_t tokens, uint64_t *end)
{
    uint64_t border;
    if (m->documents + 1 == m->document.count) {
        if (m->at == tokens)
            return 0;
        return err_set(STATUS_INPUT, "%s: its sequences have %llu tokens, the ids are %llu", m->path,
                       (unsigned long long)m->at, (unsigned long long)tokens);
    }
    if (get_entry(m, &m->document, m->documents + 1, &border) < 0)
        return -1;
    if (border < m->sequence || border > m->length.count)
        return err_set(STATUS_INPUT, "%s: document %llu ends at sequence %llu, expected %llu to %llu",
                       m->path, (unsigned long long)m->documents, (unsigned long long)border,
                       (unsigned long long)m->sequence, (unsigned long long)m->length.count);
    while (m->sequence < border)
        if (pass_sequence(m, tokens) < 0)
            return -1;
    m->documents++;
    *end = m->at;
    return 1;
}

void
megatron_index_close(struct megatron_index *m)
{
    if (!m)
        return;
    if (m->fd >= 0)
        close(m->fd);
    free(m->path);
    free(m);
}

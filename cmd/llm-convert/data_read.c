/* Reading token data of other programs, document by document. */
#include "cmd/llm-convert/data.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    CHUNK = 1 << 16,             /* ids read at once */
    DOCUMENT_MAX = 1 << 28,      /* ids of a document: it is held in memory */
    LLM_C_HEADER = 256 * 4,
    LLM_C_GPT2 = 20240520,
    LLM_C_LLAMA3 = 20240801,
    LLM_C_GPT2_VERSION = 1,
    LLM_C_LLAMA3_VERSION = 7
};

/* ---- a file of ids ---- */

int
data_read_at(int fd, void *out, size_t n, uint64_t offset, const char *path)
{
    ssize_t got = file_pread_full(fd, out, n, offset, path);
    if (got >= 0 && (size_t)got < n)
        return err_set(STATUS_INPUT, "%s: ends at byte %llu, wanted %llu", path,
                       (unsigned long long)(offset + (uint64_t)got),
                       (unsigned long long)(offset + n));
    return got < 0 ? -1 : 0;
}

int
id_file_open(struct id_file *f, const char *path)
{
    struct stat st;
    *f = (struct id_file){.path = mem_strdup(path), .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (f->fd < 0 || fstat(f->fd, &st) < 0)
        return err_sys("%s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(STATUS_INPUT, "%s: not a regular file", path);
    return 0;
}

int
id_file_size(struct id_file *f)
{
    struct stat st;
    if (fstat(f->fd, &st) < 0)
        return err_sys("%s", f->path);
    uint64_t bytes = (uint64_t)st.st_size, width = (uint64_t)f->width;
    if (bytes < f->begin || (bytes - f->begin) % width != 0)
        return err_set(STATUS_INPUT, "%s: %llu bytes behind its header are no whole number of ids "
                                     "of %d bytes",
                       f->path, (unsigned long long)(bytes < f->begin ? 0 : bytes - f->begin),
                       f->width);
    f->count = (bytes - f->begin) / width;
    return 0;
}

void
id_file_close(struct id_file *f)
{
    if (f->path && f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (struct id_file){.fd = -1};
}

static uint64_t
get_id(const uint8_t *p, int width)
{
    switch (width) {
    case 1:
        return *p;
    case 2:
        return load_u16(p);
    case 4:
        return load_u32(p);
    default:
        return load_u64(p);
    }
}

int
id_file_read(const struct id_file *f, uint64_t first, size_t n, uint32_t vocabulary, uint32_t *out)
{
    size_t width = (size_t)f->width;
    uint8_t *bytes = mem_array(n + 1, width);
    int result = data_read_at(f->fd, bytes, n * width, f->begin + first * width, f->path);
    for (size_t i = 0; i < n && result == 0; i++) {
        /* A negative id is a large one here. */
        uint64_t id = get_id(bytes + i * width, f->width);
        if (id >= vocabulary)
            result = err_set(STATUS_INPUT, "%s: token %llu: id %llu is not below the tokenizer's %u",
                             f->path, (unsigned long long)(first + i), (unsigned long long)id,
                             vocabulary);
        out[i] = (uint32_t)id;
    }
    free(bytes);
    return result;
}

/* ---- where documents end ---- */

static int
end_by_megatron(struct data_reader *r, uint64_t *end)
{
    return megatron_index_next(r->megatron, r->ids.count, end);
}

static int
end_by_index(struct data_reader *r, uint64_t *end)
{
    uint8_t bytes[8];
    if (r->index_left == 0)
        return 0;
    if (data_read_at(r->index, bytes, sizeof bytes, r->index_at, r->index_path) < 0)
        return -1;
    *end = load_u64(bytes);
    if (*end < r->at || *end > r->ids.count)
        return err_set(STATUS_INPUT, "%s: byte %llu: a document ends at token %llu, expected %llu to "
                                     "%llu",
                       r->index_path, (unsigned long long)r->index_at, (unsigned long long)*end,
                       (unsigned long long)r->at, (unsigned long long)r->ids.count);
    r->index_at += sizeof bytes;
    r->index_left--;
    return 1;
}

/* Behind the next eos, or before the one after the first id; else the end of the file. */
static int
end_by_eos(struct data_reader *r, uint64_t *end)
{
    uint32_t chunk[1024];
    if (r->at == r->ids.count)
        return 0;
    for (uint64_t at = r->at; at < r->ids.count;) {
        uint64_t left = r->ids.count - at;
        size_t n = left < 1024 ? (size_t)left : 1024;
        if (id_file_read(&r->ids, at, n, r->vocabulary, chunk) < 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            bool first = at + i == r->at;
            if (chunk[i] != r->eos || (r->eos_begins && first))
                continue;
            *end = at + i + (r->eos_begins ? 0 : 1);
            return 1;
        }
        at += n;
    }
    *end = r->ids.count;
    return 1;
}

/* ---- the formats ---- */

static int
open_llm_c(struct data_reader *r)
{
    uint8_t header[12];
    uint32_t first;
    if (data_read_at(r->ids.fd, header, sizeof header, 0, r->ids.path) < 0)
        return -1;
    uint32_t magic = load_u32(header), version = load_u32(header + 4), tokens = load_u32(header + 8);
    bool gpt2 = magic == LLM_C_GPT2 && version == LLM_C_GPT2_VERSION;
    if (!gpt2 && (magic != LLM_C_LLAMA3 || version != LLM_C_LLAMA3_VERSION))
        return err_set(STATUS_INPUT, "%s: magic %u version %u: expected llm.c's 20240520 version 1 or "
                                     "20240801 version 7",
                       r->ids.path, magic, version);
    r->ids.width = gpt2 ? 2 : 4;
    r->ids.begin = LLM_C_HEADER;
    if (id_file_size(&r->ids) < 0)
        return -1;
    if (r->ids.count != tokens)
        return err_set(STATUS_INPUT, "%s: %llu tokens, its header says %u", r->ids.path,
                       (unsigned long long)r->ids.count, tokens);
    if (tokens && id_file_read(&r->ids, 0, 1, r->vocabulary, &first) < 0)
        return -1;
    r->eos_begins = tokens && first == r->eos;
    return 0;
}

static int
open_nanogpt(struct data_reader *r)
{
    r->ids.width = 2;
    return id_file_size(&r->ids);
}

static int
open_beside(const char *path, const char *suffix, char **name, int *fd, uint64_t *bytes)
{
    struct stat st;
    *name = mem_printf("%s%s", path, suffix);
    *fd = open(*name, O_RDONLY | O_CLOEXEC);
    if (*fd < 0 || fstat(*fd, &st) < 0)
        return err_sys("%s", *name);
    if (!S_ISREG(st.st_mode))
        return err_set(STATUS_INPUT, "%s: not a regular file", *name);
    *bytes = (uint64_t)st.st_size;
    return 0;
}

static int
open_loss(struct data_reader *r, const char *path)
{
    char *name = mem_printf("%s.loss", path);
    bool there = file_exists(name);
    uint64_t bytes;
    free(name);
    if (!there)
        return 0;
    if (open_beside(path, ".loss", &r->loss_path, &r->loss, &bytes) < 0)
        return -1;
    if (bytes != r->ids.count)
        return err_set(STATUS_INPUT, "%s: %llu bytes for %llu tokens", r->loss_path,
                       (unsigned long long)bytes, (unsigned long long)r->ids.count);
    return 0;
}

/* The last end is the number of tokens, which tells their width. */
static int
open_ds(struct data_reader *r, const char *path)
{
    uint64_t bytes, last = 0;
    uint8_t end[8];
    if (open_beside(path, ".index", &r->index_path, &r->index, &bytes) < 0)
        return -1;
    if (bytes % 8 != 0)
        return err_set(STATUS_INPUT, "%s: %llu bytes are no whole number of 8 byte ends",
                       r->index_path, (unsigned long long)bytes);
    r->index_left = bytes / 8;
    if (bytes && data_read_at(r->index, end, sizeof end, bytes - 8, r->index_path) < 0)
        return -1;
    last = bytes ? load_u64(end) : 0;
    r->ids.width = 2;
    if (id_file_size(&r->ids) < 0)
        return -1;
    if (r->ids.count != last) {
        r->ids.width = 4;
        if (id_file_size(&r->ids) < 0)
            return -1;
    }
    if (r->ids.count != last)
        return err_set(STATUS_INPUT, "%s: its last document ends at token %llu, which fits %s in ids of "
                                     "neither 2 nor 4 bytes",
                       r->index_path, (unsigned long long)last, path);
    r->end = end_by_index;
    return open_loss(r, path);
}

/* P, P.bin or P.idx. */
static char *
megatron_prefix(const char *path)
{
    size_t n = strlen(path);
    if (str_ends(path, ".bin") || str_ends(path, ".idx"))
        n -= 4;
    return mem_printf("%.*s", (int)n, path);
}

static int
open_megatron(struct data_reader *r, const char *path)
{
    char *prefix = megatron_prefix(path);
    char *bin = mem_printf("%s.bin", prefix), *idx = mem_printf("%s.idx", prefix);
    int result = id_file_open(&r->ids, bin);
    if (result == 0) {
        r->megatron = megatron_index_open(idx, &r->ids);
        result = r->megatron ? 0 : -1;
    }
    r->end = end_by_megatron;
    free(prefix);
    free(bin);
    free(idx);
    return result;
}

int
data_reader_open(struct data_reader *r, enum kind kind, const char *path, uint32_t vocabulary,
                 uint32_t eos)
{
    *r = (struct data_reader){.index = -1,
                              .loss = -1,
                              .ids.fd = -1,
                              .eos = eos,
                              .vocabulary = vocabulary,
                              .end = end_by_eos};
    int result = kind == KIND_MEGATRON ? open_megatron(r, path) : id_file_open(&r->ids, path);
    if (result == 0 && kind == KIND_LLM_C)
        result = open_llm_c(r);
    else if (result == 0 && kind == KIND_NANOGPT)
        result = open_nanogpt(r);
    else if (result == 0 && kind == KIND_DS)
        result = open_ds(r, path);
    if (result < 0)
        data_reader_close(r);
    return result;
}

static int
read_mask(struct data_reader *r, size_t n)
{
    if (data_read_at(r->loss, r->mask.data, n, r->at, r->loss_path) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (r->mask.data[i] > 1)
            return err_set(STATUS_INPUT, "%s: token %llu: %u: expected 0 or 1", r->loss_path,
                           (unsigned long long)(r->at + i), r->mask.data[i]);
    r->mask.len = n;
    return 0;
}

int
data_reader_next(struct data_reader *r)
{
    uint64_t end;
    int found = r->end(r, &end);
    if (found <= 0)
        return found;
    if (end - r->at > DOCUMENT_MAX)
        return err_set(STATUS_INPUT, "%s: a document of %llu tokens at token %llu: at most %d fit", r->ids.path,
                       (unsigned long long)(end - r->at), (unsigned long long)r->at, DOCUMENT_MAX);
    size_t n = (size_t)(end - r->at);
    vec_clear(&r->document);
    vec_clear(&r->mask);
    vec_reserve(&r->document, n + 1);
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t some = n - i < CHUNK ? n - i : CHUNK;
        if (id_file_read(&r->ids, r->at + i, some, r->vocabulary, r->document.data + i) < 0)
            return -1;
    }
    r->document.len = n;
    if (r->loss >= 0) {
        vec_reserve(&r->mask, n + 1);
        if (read_mask(r, n) < 0)
            return -1;
    }
    r->at = end;
    return 1;
}

void
data_reader_close(struct data_reader *r)
{
    id_file_close(&r->ids);
    if (r->index >= 0)
        close(r->index);
    if (r->loss >= 0)
        close(r->loss);
    free(r->index_path);
    free(r->loss_path);
    megatron_index_close(r->megatron);
    vec_release(&r->document);
    vec_release(&r->mask);
    *r = (struct data_reader){.index = -1, .loss = -1, .ids.fd = -1};
}

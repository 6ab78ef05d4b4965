/* Writing token data for other programs. */
#include "cmd/llm-convert/data.h"

#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/opt.h"

enum {
    LLM_C_HEADER = 256 * 4,
    MEGATRON_U16 = 65500, /* a vocabulary below it has 16 bit ids (DType.optimal_dtype) */
    RUN = 1 << 14
};

static int
choose_width(enum kind kind, uint32_t vocabulary)
{
    if (kind == KIND_MEGATRON)
        return vocabulary < MEGATRON_U16 ? 2 : 4;
    return vocabulary <= 1 << 16 ? 2 : 4;
}

static int
open_beside(struct outfile *f, const char *prefix, const char *suffix, bool *has)
{
    char *path = mem_printf("%s%s", prefix, suffix);
    int result = outfile_open(f, path, true);
    *has = result == 0;
    free(path);
    return result;
}

static int
open_ids(struct data_writer *w, const char *prefix, const char *suffix)
{
    return open_beside(&w->ids, prefix, suffix, &w->has_ids);
}

static int
open_files(struct data_writer *w, const char *path, const struct shard_head *head)
{
    bool loss = head->flags & SHARD_LOSS_MASK;
    size_t n = strlen(path);
    if (w->kind == KIND_DS) {
        if (open_ids(w, path, "") < 0 || open_beside(&w->index, path, ".index", &w->has_index) < 0 ||
            open_beside(&w->metadata, path, ".metadata", &w->has_metadata) < 0)
            return -1;
        return loss ? open_beside(&w->loss, path, ".loss", &w->has_loss) : 0;
    }
    if (w->kind != KIND_MEGATRON)
        return open_ids(w, path, "");
    w->lengths = file_temporary(common.tmpdir);
    if (w->lengths < 0)
        return -1;
    char *prefix = mem_printf("%.*s", (int)(str_ends(path, ".bin") || str_ends(path, ".idx") ? n - 4 : n),
                              path);
    int result = open_ids(w, prefix, ".bin");
    if (result == 0)
        result = open_beside(&w->index, prefix, ".idx", &w->has_index);
    free(prefix);
    return result;
}

/* llm.c's count stands before the ids, so it must be known. */
static int
write_llm_c_header(struct data_writer *w, uint64_t tokens)
{
    uint8_t header[LLM_C_HEADER] = {0};
    if (tokens > INT32_MAX)
        return err_set(STATUS_INPUT, "%s: llm.c's files hold fewer than 2^31 tokens, these are %llu: split "
                                     "the shard first",
                       w->ids.path, (unsigned long long)tokens);
    store_u32(header, w->width == 2 ? 20240520 : 20240801);
    store_u32(header + 4, w->width == 2 ? 1 : 7);
    store_u32(header + 8, (uint32_t)tokens);
    return outfile_write(&w->ids, header, sizeof header);
}

int
data_writer_open(struct data_writer *w, enum kind kind, const char *path,
                 const struct shard_head *head, uint64_t tokens)
{
    *w = (struct data_writer){.kind = kind,
                              .width = choose_width(kind, head->vocabulary),
                              .lengths = -1};
    if (head->seq_length)
        return err_set(STATUS_INPUT, "a packed shard (sequences of %u): other formats hold documents",
                       head->seq_length);
    if ((head->flags & SHARD_LOSS_MASK) && kind != KIND_DS)
        return err_set(STATUS_INPUT, "the shard has a loss mask, which only --to ds can hold");
    if (kind == KIND_NANOGPT && w->width != 2)
        return err_set(STATUS_INPUT, "a vocabulary of %u tokens: nanoGPT's ids are 16 bits wide",
                       head->vocabulary);
    if (open_files(w, path, head) < 0)
        return -1;
    return kind == KIND_LLM_C ? write_llm_c_header(w, tokens) : 0;
}

int
data_writer_add(struct data_writer *w, const uint32_t *ids, const uint8_t *loss, size_t n)
{
    uint8_t bytes[RUN * 4];
    for (size_t at = 0; at < n; at += RUN) {
        size_t some = n - at < RUN ? n - at : RUN;
        for (size_t i = 0; i < some; i++) {
            if (w->width == 2)
                store_u16(bytes + 2 * i, (uint16_t)ids[at + i]);
            else
                store_u32(bytes + 4 * i, ids[at + i]);
        }
        if (outfile_write(&w->ids, bytes, some * (size_t)w->width) < 0)
            return -1;
        if (w->has_loss) {
            if (loss)
                memcpy(bytes, loss + at, some);
            else
                memset(bytes, 1, some);
            if (outfile_write(&w->loss, bytes, some) < 0)
                return -1;
        }
    }
    w->tokens += n;
    w->length += n;
    return 0;
}

int
data_writer_end_document(struct data_writer *w)
{
    uint8_t bytes[8];
    if (w->kind == KIND_MEGATRON && w->length > INT32_MAX)
        return err_set(STATUS_INPUT, "document %llu has %llu tokens: Megatron's lengths are 32 bits wide",
                       (unsigned long long)w->documents, (unsigned long long)w->length);
    store_u32(bytes, (uint32_t)w->length);
    if (w->kind == KIND_MEGATRON && file_write_full(w->lengths, bytes, 4, "a temporary file") < 0)
        return -1;
    store_u64(bytes, w->tokens);
    if (w->kind == KIND_DS && outfile_write(&w->index, bytes, 8) < 0)
        return -1;
    w->length = 0;
    w->documents++;
    return 0;
}

/* ---- Megatron's index: lengths, where each begins, the borders of documents ---- */

/* Passes over the lengths; each becomes 4 bytes of itself, or 8 of the pointer before it. */
static int
write_lengths(struct data_writer *w, bool pointers)
{
    uint8_t in[RUN * 4], out[RUN * 8];
    uint64_t at = 0;
    for (uint64_t i = 0; i < w->documents; i += RUN) {
        size_t n = w->documents - i < RUN ? (size_t)(w->documents - i) : RUN;
        if (data_read_at(w->lengths, in, n * 4, i * 4, "a temporary file") < 0)
            return -1;
        for (size_t k = 0; k < n && pointers; k++) {
            store_u64(out + 8 * k, at * (uint64_t)w->width);
            at += load_u32(in + 4 * k);
        }
        if (outfile_write(&w->index, pointers ? out : in, n * (pointers ? 8 : 4)) < 0)
            return -1;
    }
    return 0;
}

static int
write_borders(struct data_writer *w)
{
    uint8_t out[RUN * 8];
    size_t n = 0;
    for (uint64_t i = 0; i <= w->documents; i++) {
        store_u64(out + 8 * n++, i);
        if (n < RUN && i < w->documents)
            continue;
        if (outfile_write(&w->index, out, n * 8) < 0)
            return -1;
        n = 0;
    }
    return 0;
}

static int
write_megatron_index(struct data_writer *w)
{
    uint8_t header[34] = "MMIDIDX";
    store_u64(header + 9, 1);
    header[17] = w->width == 2 ? 8 : 4;
    store_u64(header + 18, w->documents);
    store_u64(header + 26, w->documents + 1);
    if (outfile_write(&w->index, header, sizeof header) < 0 || write_lengths(w, false) < 0 ||
        write_lengths(w, true) < 0)
        return -1;
    return write_borders(w);
}

/* ---- datatrove's metadata ---- */

/* As humanize.metric(n, unit="T") writes it: three digits and a power of 1000. */
static void
add_metric(struct str *out, uint64_t n)
{
    static const char *const prefix[] = {"", "k", "M", "G", "T", "P", "E"};
    double value = (double)n;
    int power = 0, digits = 0;
    while (value >= 1000 && power < 6) {
        value /= 1000;
        power++;
    }
    for (double v = value; v >= 10; v /= 10)
        digits++;
    str_addf(out, "%.*f %sT", 2 - digits, value, prefix[power]);
}

static int
write_metadata(struct data_writer *w)
{
    struct str text = {0};
    str_addf(&text, "%s|%d\n%llu\n", options.tokenizer ? options.tokenizer : "Unknown Tokenizer", w->width,
             (unsigned long long)w->tokens);
    add_metric(&text, w->tokens);
    int result = outfile_write(&w->metadata, text.data, text.len);
    str_release(&text);
    return result;
}

/* ---- the end ---- */

int
data_writer_commit(struct data_writer *w)
{
    if (w->kind == KIND_MEGATRON && write_megatron_index(w) < 0)
        return -1;
    if (w->has_metadata && write_metadata(w) < 0)
        return -1;
    /* The ids last: without them the others are of no use. */
    struct outfile *const files[] = {w->has_loss ? &w->loss : NULL,
                                     w->has_metadata ? &w->metadata : NULL,
                                     w->has_index ? &w->index : NULL, &w->ids};
    bool *const has[] = {&w->has_loss, &w->has_metadata, &w->has_index, &w->has_ids};
    for (size_t i = 0; i < 4; i++) {
        if (!files[i])
            continue;
        *has[i] = false;
        if (outfile_commit(files[i]) < 0)
            return -1;
    }
    if (w->lengths >= 0)
        close(w->lengths);
    w->lengths = -1;
    return 0;
}

void
data_writer_abandon(struct data_writer *w)
{
    if (w->has_ids)
        outfile_abandon(&w->ids);
    if (w->has_index)
        outfile_abandon(&w->index);
    if (w->has_loss)
        outfile_abandon(&w->loss);
    if (w->has_metadata)
        outfile_abandon(&w->metadata);
    if (w->lengths >= 0)
        close(w->lengths);
    *w = (struct data_writer){.lengths = -1};
}

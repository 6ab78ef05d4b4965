/*
 * A llama2.c file as a model (github.com/karpathy/llama2.c, export.py, legacy_export):
 *
 *   7 i32: dim, hidden_dim, n_layers, n_heads, n_kv_heads, vocab_size (negative: an output matrix of
 *   its own), seq_len
 *   float32: embedding [vocab][dim]; of all layers one after the other: attention norms [dim], wq
 *   [dim][dim], wk, wv [kv dim][dim], wo [dim][dim], MLP norms [dim], w1 (gate) [hidden][dim], w2 (down)
 *   [dim][hidden], w3 (up) [hidden][dim]; final norm [dim]; tables of cosines and sines
 *   [seq_len][head / 2], which are left alone; the output matrix
 *
 * Nothing marks such a file but its size. Rows of wq and wk are in Meta's order. The tokenizer is a file
 * beside it, tokenizer.bin or tokVOCAB.bin: i32 longest, then f32 score, i32 length and the bytes of each
 * token; a space is ▁, and <s> and </s> (ids 1 and 2) have newlines around them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "checkpoint/gguf_names.h"
#include "checkpoint/model_source.h"
#include "checkpoint/vocabulary.h"
#include "json/write.h"

enum { HEADER = 28, TOKENIZER_LIMIT = 64 << 20 };

/* The arrays, in the order of the file; each has a matrix or vector of every layer. */
enum array {
    EMBEDDING,
    ATTENTION_NORM,
    QUERY,
    KEY,
    VALUE,
    OUTPUT,
    MLP_NORM,
    GATE,
    DOWN,
    UP,
    FINAL_NORM,
    TABLES,
    HEAD,
    ARRAYS
};

struct llama2c {
    char *path;
    int fd;
    int64_t dim, hidden, layers, heads, kv_heads, vocab, positions, head;
    bool shared; /* embedding and output matrix are one */
    struct {
        int64_t rows, columns; /* of one layer */
        uint64_t offset;       /* in the file */
    } array[ARRAYS];
};

/* ---- the header ---- */

static int
read_size(struct llama2c *f, const uint8_t *header, int i, const char *name, int64_t max,
          int64_t *out)
{
    *out = (int32_t)load_u32(header + 4 * i);
    if (i == 5 && *out < 0) {
        f->shared = false;
        *out = -*out;
    }
    if (*out >= 1 && *out <= max)
        return 0;
    return err_set(STATUS_INPUT, "%s: %s is %lld: not a llama2.c file", f->path, name,
                   (long long)*out);
}

static int
read_header(struct llama2c *f, const uint8_t *header)
{
    f->shared = true;
    if (read_size(f, header, 0, "dim", CONFIG_MAX_HIDDEN, &f->dim) < 0 ||
        read_size(f, header, 1, "hidden_dim", CONFIG_MAX_INTERMEDIATE, &f->hidden) < 0 ||
        read_size(f, header, 2, "n_layers", CONFIG_MAX_LAYERS, &f->layers) < 0 ||
        read_size(f, header, 3, "n_heads", CONFIG_MAX_HEADS, &f->heads) < 0 ||
        read_size(f, header, 4, "n_kv_heads", CONFIG_MAX_HEADS, &f->kv_heads) < 0 ||
        read_size(f, header, 5, "vocab_size", CONFIG_MAX_VOCAB, &f->vocab) < 0 ||
        read_size(f, header, 6, "seq_len", CONFIG_MAX_POSITIONS, &f->positions) < 0)
        return -1;
    if (f->dim % f->heads || f->dim / f->heads % 2 || f->heads % f->kv_heads)
        return err_set(STATUS_INPUT,
                       "%s: %lld dimensions in %lld and %lld heads: not a llama2.c file", f->path,
                       (long long)f->dim, (long long)f->heads, (long long)f->kv_heads);
    f->head = f->dim / f->heads;
    return 0;
}

/* Where each array begins; bounds of the header's sizes keep all products within 64 bits. */
static uint64_t
lay_out(struct llama2c *f)
{
    int64_t kv = f->kv_heads * f->head;
    const int64_t shape[ARRAYS][2] = {
        [EMBEDDING] = {f->vocab, f->dim},
        [ATTENTION_NORM] = {1, f->dim},
        [QUERY] = {f->dim, f->dim},
        [KEY] = {kv, f->dim},
        [VALUE] = {kv, f->dim},
        [OUTPUT] = {f->dim, f->dim},
        [MLP_NORM] = {1, f->dim},
        [GATE] = {f->hidden, f->dim},
        [DOWN] = {f->dim, f->hidden},
        [UP] = {f->hidden, f->dim},
        [FINAL_NORM] = {1, f->dim},
        [TABLES] = {f->positions, f->head},
        [HEAD] = {f->shared ? 0 : f->vocab, f->dim},
    };
    uint64_t offset = HEADER;
    for (int i = 0; i < ARRAYS; i++) {
        bool once = i == EMBEDDING || i >= FINAL_NORM;
        f->array[i].rows = shape[i][0];
        f->array[i].columns = shape[i][1];
        f->array[i].offset = offset;
        offset += (uint64_t)(shape[i][0] * shape[i][1]) * (uint64_t)(once ? 1 : f->layers) *
                  sizeof(float);
    }
    return offset;
}

/* Header and size, which is all that marks such a file. */
static int
open_file(struct llama2c *f)
{
    uint8_t header[HEADER];
    struct stat st;
    f->fd = file_open_read(f->path);
    if (f->fd < 0)
        return -1;
    if (fstat(f->fd, &st) < 0)
        return err_sys("%s", f->path);
    if (!S_ISREG(st.st_mode))
        return err_set(STATUS_FAILED, "%s: not a regular file", f->path);
    ssize_t got = file_pread_full(f->fd, header, sizeof header, 0, f->path);
    if (got < 0)
        return -1;
    if (got < HEADER)
        return err_set(STATUS_INPUT, "%s: not a llama2.c file: %zd bytes", f->path, got);
    if (load_u32(header) == 0x616b3432) /* "ak42" */
        return err_set(STATUS_INPUT, "%s: llama2.c version %u is not supported (0 is)", f->path,
                       load_u32(header + 4));
    if (read_header(f, header) < 0)
        return -1;
    uint64_t want = lay_out(f);
    if (want != (uint64_t)st.st_size)
        return err_set(STATUS_INPUT, "%s: not a llama2.c file: %lld bytes, its sizes make %llu",
                       f->path, (long long)st.st_size, (unsigned long long)want);
    return 0;
}

bool
llama2c_is(const char *path)
{
    struct llama2c f = {.path = mem_strdup(path), .fd = -1};
    bool found = open_file(&f) == 0;
    if (!found)
        err_clear();
    if (f.fd >= 0)
        close(f.fd);
    free(f.path);
    return found;
}

/* ---- the model ---- */

static void
write_config(const struct llama2c *f, struct str *json)
{
    struct json_writer w = {.out = json, .indent = 2};
    json_begin_object(&w, NULL);
    json_begin_array(&w, "architectures");
    json_put_string(&w, NULL, "LlamaForCausalLM");
    json_end_array(&w);
    json_put_string(&w, "model_type", "llama");
    json_put_string(&w, "dtype", "float32");
    json_put_string(&w, "hidden_act", "silu");
    json_put_int(&w, "vocab_size", f->vocab);
    json_put_int(&w, "hidden_size", f->dim);
    json_put_int(&w, "intermediate_size", f->hidden);
    json_put_int(&w, "num_hidden_layers", f->layers);
    json_put_int(&w, "num_attention_heads", f->heads);
    json_put_int(&w, "num_key_value_heads", f->kv_heads);
    json_put_int(&w, "max_position_embeddings", f->positions);
    json_put_real(&w, "rms_norm_eps", 1e-5);
    json_put_real(&w, "rope_theta", 1e4);
    json_put_bool(&w, "tie_word_embeddings", f->shared);
    json_put_int(&w, "bos_token_id", 1);
    json_put_int(&w, "eos_token_id", 2);
    json_end_object(&w);
    str_addc(json, '\n');
}

/* Which arrays a tensor of ours consists of, by the name that its parts have in GGUF files. */
static enum array
array_of(const char *name)
{
    static const struct {
        const char *ending;
        enum array array;
    } names[] = {
        {"token_embd.weight", EMBEDDING},   {".attn_norm.weight", ATTENTION_NORM},
        {".attn_q.weight", QUERY},          {".attn_k.weight", KEY},
        {".attn_v.weight", VALUE},          {".attn_output.weight", OUTPUT},
        {".ffn_norm.weight", MLP_NORM},     {".ffn_gate.weight", GATE},
        {".ffn_down.weight", DOWN},         {".ffn_up.weight", UP},
        {"output_norm.weight", FINAL_NORM}, {"output.weight", HEAD},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_ends(name, names[i].ending))
            return names[i].array;
    return ARRAYS;
}

static int
read_floats(const struct llama2c *f, uint64_t offset, int64_t n, float *out)
{
    size_t bytes = (size_t)n * sizeof *out;
    ssize_t got = file_pread_full(f->fd, out, bytes, offset, f->path);
    if (got >= 0 && (size_t)got != bytes)
        return err_set(STATUS_INPUT, "%s: the file has become shorter", f->path);
    for (int64_t i = 0; got >= 0 && i < n; i++) {
        uint32_t u = load_u32(&out[i]);
        memcpy(&out[i], &u, sizeof u);
    }
    return got < 0 ? -1 : 0;
}

/* Elements [first, first + n) of a part, in our order: rows in theirs, one by one where that differs. */
static int
read_part(const struct llama2c *f, const struct gguf_part *part, int layer, int64_t first,
          int64_t n, float *out)
{
    enum array a = array_of(part->name);
    int64_t columns = f->array[a].columns, rows = f->array[a].rows;
    uint64_t begin = f->array[a].offset;
    if (layer > 0)
        begin += (uint64_t)layer * (uint64_t)(rows * columns) * sizeof *out;
    if (part->head == 0)
        return read_floats(f, begin + (uint64_t)first * sizeof *out, n, out);
    while (n > 0) {
        int64_t column = first % columns, count = columns - column < n ? columns - column : n;
        int64_t at = gguf_row(part, first / columns) * columns + column;
        if (read_floats(f, begin + (uint64_t)at * sizeof *out, count, out) < 0)
            return -1;
        first += count;
        out += count;
        n -= count;
    }
    return 0;
}

struct llama2c_place {
    struct gguf_part part;
    int layer;
};

struct llama2c_model {
    struct llama2c file;
    struct llama2c_place (*place)[GGUF_PARTS]; /* [param] */
    int *parts;                                /* [param] */
};

static void
find_places(const struct model_source *m, struct llama2c_model *model)
{
    size_t n = (size_t)m->params.count;
    model->place = mem_zarray(n, sizeof *model->place);
    model->parts = mem_zarray(n, sizeof *model->parts);
    for (size_t i = 0; i < n; i++) {
        const struct param *p = &m->params.param[i];
        struct gguf_part part[GGUF_PARTS];
        model->parts[i] = gguf_parts(&m->config, p, part);
        for (int k = 0; k < model->parts[i]; k++)
            model->place[i][k] = (struct llama2c_place){part[k], p->layer};
    }
}

static int
read_param(void *state, int param, int64_t offset, int64_t n, float *out)
{
    const struct llama2c_model *m = state;
    for (int k = 0; k < m->parts[param] && n > 0; k++) {
        const struct llama2c_place *p = &m->place[param][k];
        int64_t begin = p->part.first * p->part.columns;
        int64_t end = begin + p->part.rows * p->part.columns;
        if (offset < begin || offset >= end)
            continue;
        int64_t count = n < end - offset ? n : end - offset;
        if (read_part(&m->file, &p->part, p->layer, offset - begin, count, out) < 0)
            return -1;
        offset += count;
        out += count;
        n -= count;
    }
    return 0;
}

/* ---- its tokenizer ---- */

/* ▁ for spaces; the two that the export had put newlines around are themselves again. */
static void
add_piece(struct vocabulary *v, uint32_t id, const char *text, size_t n)
{
    struct str piece = {0};
    bool byte = n == 6 && memcmp(text, "<0x", 3) == 0 && text[5] == '>';
    for (size_t i = 0; i < n && id > 2; i++)
        if (text[i] == ' ')
            str_adds(&piece, "▁");
        else
            str_addc(&piece, text[i]);
    if (id <= 2)
        str_adds(&piece, id == 0 ? "<unk>" : id == 1 ? "<s>" : "</s>");
    v->type[id] = id == 0   ? TOKEN_UNKNOWN
                  : id <= 2 ? TOKEN_CONTROL
                  : byte    ? TOKEN_BYTE
                            : TOKEN_NORMAL;
    vocab_add(&v->text, id, piece.data ? piece.data : "", piece.len);
    str_release(&piece);
}

static int
damaged(const char *path, uint32_t id)
{
    return err_set(STATUS_INPUT, "%s: token %u: not a llama2.c tokenizer of this vocabulary", path,
                   id);
}

static int
read_pieces(const char *path, const struct str *bytes, struct vocabulary *v)
{
    size_t at = 4;
    uint32_t first, second;
    for (uint32_t id = 0; id < v->count; id++) {
        if (bytes->len < 8 || at > bytes->len - 8)
            return damaged(path, id);
        uint32_t u = load_u32(bytes->data + at), n = load_u32(bytes->data + at + 4);
        at += 8;
        if (n > PIECE_LIMIT / 3 || n > bytes->len - at || utf8_valid(bytes->data + at, n) != n)
            return damaged(path, id);
        memcpy(&v->score[id], &u, sizeof u);
        if (!(v->score[id] > -1e30F && v->score[id] < 1e30F))
            return damaged(path, id);
        add_piece(v, id, bytes->data + at, n);
        at += n;
    }
    if (at != bytes->len || !vocab_index(&v->text, &first, &second))
        return damaged(path, v->count);
    return 0;
}

/* tokenizer.bin beside the file, or tok512.bin of a vocabulary of 512; NULL: neither. */
static char *
find_tokenizer(const struct llama2c *f)
{
    const char *slash = strrchr(f->path, '/');
    int n = slash ? (int)(slash - f->path) + 1 : 0;
    char *path = mem_printf("%.*stokenizer.bin", n, f->path);
    if (file_exists(path))
        return path;
    free(path);
    path = mem_printf("%.*stok%lld.bin", n, f->path, (long long)f->vocab);
    if (file_exists(path))
        return path;
    free(path);
    return NULL;
}

static int
tokenizer_json(const struct llama2c *f, struct str *json)
{
    struct str bytes = {0};
    char *path = find_tokenizer(f);
    if (!path)
        return err_set(STATUS_INPUT, "%s: no tokenizer.bin or tok%lld.bin beside it", f->path,
                       (long long)f->vocab);
    struct vocabulary v = {.bos = 1,
                           .eos = 2,
                           .unk = 0,
                           .count = (uint32_t)f->vocab,
                           .add_bos = true,
                           .space_prefix = true};
    v.type = mem_zalloc(v.count);
    v.score = mem_array(v.count, sizeof *v.score);
    int result = file_load(path, TOKENIZER_LIMIT, &bytes);
    if (result == 0)
        result = read_pieces(path, &bytes, &v);
    if (result == 0)
        vocabulary_pieces_json(&v, NULL, json);
    str_release(&bytes);
    vocabulary_release(&v);
    free(path);
    return result;
}

static struct tokenizer *
make_tokenizer(void *state)
{
    const struct llama2c_model *m = state;
    struct str json = {0};
    struct tokenizer *t = NULL;
    if (tokenizer_json(&m->file, &json) == 0)
        t = tokenizer_load_json(m->file.path, json.data, json.len);
    str_release(&json);
    return t;
}

static int
make_files(void *state, int (*take)(void *arg, const char *name, const char *data, size_t n),
           void *arg)
{
    const struct llama2c_model *m = state;
    struct str json = {0};
    char *path = find_tokenizer(&m->file);
    int result = 0;
    if (path)
        result = tokenizer_json(&m->file, &json);
    if (path && result == 0)
        result = take(arg, "tokenizer.json", json.data, json.len);
    free(path);
    str_release(&json);
    return result;
}

/* ---- opening ---- */

static void
close_model(void *state)
{
    struct llama2c_model *m = state;
    if (m->file.fd >= 0)
        close(m->file.fd);
    free(m->file.path);
    free(m->place);
    free(m->parts);
    free(m);
}

int
llama2c_source_open(struct model_source *m)
{
    static const struct model_reader reader = {.kind = "llama2.c",
                                               .read = read_param,
                                               .tokenizer = make_tokenizer,
                                               .files = make_files,
                                               .close = close_model};
    struct llama2c_model *model = mem_zalloc(sizeof *model);
    struct str json = {0};
    model->file = (struct llama2c){.path = mem_strdup(m->path), .fd = -1};
    m->reader = &reader;
    m->state = model;
    m->dtype = DTYPE_F32;
    if (open_file(&model->file) < 0)
        return -1;
    write_config(&model->file, &json);
    int result = config_parse(&m->config, m->path, json.data, json.len);
    str_release(&json);
    if (result < 0 || params_init(&m->params, &m->config) < 0)
        return -1;
    find_places(m, model);
    return 0;
}

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/internal.h"

/* From a file, a directory or bytes to a compiled tokenizer. */

enum { FILE_LIMIT = 256 << 20 };

/* Files that Hugging Face saves with a tokenizer; the first is its description. */
static const char *const file_names[] = {
    "tokenizer.json",    "tokenizer.model",     "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "chat_template.jinja", "chat_template.json"};
enum { FILE_NAMES = sizeof file_names / sizeof *file_names, FILE_JSON = 0, FILE_MODEL = 1 };

static void
add_file(struct tokenizer *t, const char *name, struct str *bytes)
{
    size_t n = bytes->len;
    char *data = str_take(bytes);
    vec_push(&t->files, ((struct tokenizer_file){name, data, n}));
}

/* A member that must be an object where it is not null. */
static int
member(const struct json_doc *doc, const json_t *root, const char *key, const json_t **out)
{
    *out = NULL;
    return json_get_object(doc, root, key, JSON_MAY, out) < 0 ? -1 : 0;
}

/*
 * truncation and padding are settings of batches for training, not of the
 * vocabulary; transformers overrides them on every call, and so they are let be.
 */
static int
load_parts(struct tokenizer *t, const struct json_doc *doc, struct bulk *bulk)
{
    const json_t *root = NULL, *normalizer, *pretokenizer, *decoder, *model = NULL;
    const char *version = NULL;
    if (json_root_object(doc, &root) < 0)
        return -1;
    if (json_only_keys(doc, root,
                       "version|truncation|padding|added_tokens|normalizer|pre_tokenizer|"
                       "post_processor|decoder|model") < 0 ||
        json_get_string(doc, root, "version", JSON_MAY, &version) < 0)
        return -1;
    if (version && strcmp(version, "1.0"))
        return json_fail(doc, root, "version", "%.20s is not supported (1.0 is)", version);
    if (member(doc, root, "normalizer", &normalizer) < 0 ||
        normalizer_load(&t->normalizer, doc, normalizer) < 0 ||
        member(doc, root, "pre_tokenizer", &pretokenizer) < 0 ||
        pretokenizer_load(&t->pretokenizer, doc, pretokenizer) < 0 ||
        member(doc, root, "decoder", &decoder) < 0 || decoder_load(&t->decoder, doc, decoder) < 0 ||
        json_get_object(doc, root, "model", JSON_NEED, &model) < 0 ||
        load_model(t, doc, model, bulk) < 0)
        return -1;
    return load_added(t, doc, root) < 0 ? -1 : load_post(t, doc, root);
}

static struct tokenizer *
new_tokenizer(void)
{
    static const struct tokenizer_specials none = {TOKEN_NONE, TOKEN_NONE, TOKEN_NONE, TOKEN_NONE};
    struct tokenizer *t = mem_zalloc(sizeof *t);
    t->specials = t->model_ids = none;
    return t;
}

static int
load_text(struct tokenizer *t, const char *name, const char *json, size_t n, struct bulk *bulk)
{
    struct json_doc doc = {0};
    if (json_doc_parse(&doc, name, json, n) < 0)
        return -1;
    int rc = load_parts(t, &doc, bulk);
    json_doc_release(&doc);
    return rc;
}

/*
 * Nearly all of the time goes into the vocabulary and the merges, which therefore are
 * read apart. What fails so (false) is read once more as one document, whose messages
 * have the place.
 */
static bool
load_in_bulk(struct tokenizer **t, const char *name, const struct str *bytes)
{
    struct bulk bulk;
    bool tekken = (*t)->tekken;
    if (bytes->len > JSON_DOC_LIMIT || !bulk_read(&bulk, bytes->data, bytes->len))
        return false;
    int rc = load_text(*t, name, bulk.rest.data, bulk.rest.len, &bulk);
    bulk_release(&bulk);
    if (rc == 0)
        return true;
    tokenizer_free(*t);
    *t = new_tokenizer();
    (*t)->tekken = tekken;
    return false;
}

/* bytes: the description; of a tekken file it becomes an equal tokenizer.json. */
static int
load_json(struct tokenizer **t, const char *name, struct str *bytes)
{
    struct json_doc doc = {0};
    struct str json = {0};
    if (load_in_bulk(t, name, bytes))
        return 0;
    if (json_doc_parse(&doc, name, bytes->data, bytes->len) < 0)
        return -1;
    (*t)->tekken = is_tekken(doc.root);
    int rc = (*t)->tekken ? tekken_to_json(&doc, &json) : load_parts(*t, &doc, NULL);
    json_doc_release(&doc);
    if (!(*t)->tekken || rc < 0) {
        str_release(&json);
        return rc;
    }
    str_release(bytes);
    *bytes = json;
    return load_in_bulk(t, name, bytes) ? 0 : load_text(*t, name, bytes->data, bytes->len, NULL);
}

struct tokenizer *
tokenizer_load_json(const char *name, const char *json, size_t n)
{
    struct tokenizer *t = new_tokenizer();
    struct str copy = {0};
    str_add(&copy, json, n);
    if (load_json(&t, name, &copy) < 0) {
        str_release(&copy);
        tokenizer_free(t);
        return NULL;
    }
    add_file(t, file_names[FILE_JSON], &copy);
    guess_specials(t);
    return t;
}

/* ---- files ---- */

/*
 * A SentencePiece model begins with the field of its first piece, a newline, and a
 * length: so may a JSON text, but for its name.
 */
static bool
is_sentencepiece(const char *path, const char *data, size_t n)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t at = 0;
    if (n < 3 || data[0] != '\n')
        return false;
    if (strstr(name, ".model"))
        return true;
    while (at < n && strchr(" \t\r\n", data[at]))
        at++;
    return at < n && data[at] != '{';
}

static bool
is_json(const char *data, size_t n)
{
    size_t at = 0;
    while (at < n && strchr(" \t\r\n", data[at]))
        at++;
    return at < n && (data[at] == '{' || (unsigned char)data[at] == 0xEF);
}

/* A line of base64 and digits at its beginning, or its name. */
static bool
is_tiktoken(const char *path, const char *data, size_t n)
{
    size_t at = 0, begin;
    while (at < n && at < 8192 && data[at] != ' ' && data[at] != '\n')
        at++;
    if (str_ends(path, ".tiktoken"))
        return true;
    begin = ++at;
    while (at < n && data[at] >= '0' && data[at] <= '9')
        at++;
    return at > begin && (at >= n || data[at] == '\n' || data[at] == '\r');
}

/* What .tiktoken files say becomes an equal tokenizer.json. */
static int
load_tiktoken(struct tokenizer **t, const char *path, const char *pattern, struct str *bytes)
{
    struct str json = {0};
    int rc = tiktoken_to_json(path, bytes->data ? bytes->data : "", bytes->len, pattern, &json);
    if (rc == 0)
        rc = load_json(t, path, &json);
    if (rc < 0) {
        str_release(&json);
        return -1;
    }
    str_release(bytes);
    *bytes = json;
    return 0;
}

/* By its content; *name becomes the name that such a file has in a directory. */
static int
load_description(struct tokenizer **t, const char *path, const char *pattern, struct str *bytes,
                 const char **name)
{
    const char *data = bytes->data ? bytes->data : "";
    bool model = is_sentencepiece(path, data, bytes->len);
    *name = file_names[model ? FILE_MODEL : FILE_JSON];
    if (!model && !is_json(data, bytes->len) && is_tiktoken(path, data, bytes->len))
        return load_tiktoken(t, path, pattern, bytes);
    if (pattern)
        return err_set(STATUS_USAGE, "%s: --pattern is for training and for .tiktoken files", path);
    if (model)
        return load_sp(*t, path, data, bytes->len);
    if (!is_json(data, bytes->len))
        return err_set(STATUS_INPUT, "%s: not a tokenizer.json, nor a SentencePiece model", path);
    return load_json(t, path, bytes);
}

/* What a file beside the description says. A tokenizer.model of another kind says nothing. */
static int
use_beside(struct tokenizer *t, const char *path, const char *name, const struct str *bytes)
{
    const char *data = bytes->data ? bytes->data : "";
    if (!strcmp(name, "tokenizer_config.json"))
        return load_config(t, path, data, bytes->len);
    if (!strcmp(name, file_names[FILE_MODEL]) && is_sentencepiece(path, data, bytes->len))
        return load_sp_ids(t, path, data, bytes->len);
    return 0;
}

/* What stands beside the description, if it does. */
static int
load_beside(struct tokenizer *t, const char *dir)
{
    for (size_t i = t->sp ? FILE_MODEL + 1 : FILE_JSON + 1; i < FILE_NAMES; i++) {
        char *path = file_join(dir, file_names[i]);
        struct str bytes = {0};
        int rc = 0;
        if (file_exists(path)) {
            rc = file_load(path, FILE_LIMIT, &bytes);
            if (rc == 0)
                rc = use_beside(t, path, file_names[i], &bytes);
            if (rc == 0)
                add_file(t, file_names[i], &bytes);
        }
        str_release(&bytes);
        free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static char *
directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    return mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* mistral-common fixes what a tekken file's special tokens are for. */
static int
add_tekken_config(struct tokenizer *t, const char *path)
{
    struct str json = {0};
    for (size_t i = 0; i < t->files.len; i++)
        if (!strcmp(t->files.data[i].name, "tokenizer_config.json"))
            return 0;
    tekken_config(t, &json);
    int rc = load_config(t, path, json.data, json.len);
    if (rc == 0)
        add_file(t, "tokenizer_config.json", &json);
    str_release(&json);
    return rc;
}

static struct tokenizer *
load_file(const char *path, const char *dir, const char *pattern)
{
    struct str bytes = {0};
    const char *name = NULL;
    if (file_load(path, FILE_LIMIT, &bytes) < 0)
        return NULL;
    struct tokenizer *t = new_tokenizer();
    int rc = load_description(&t, path, pattern, &bytes, &name);
    if (rc == 0) {
        add_file(t, name, &bytes);
        rc = load_beside(t, dir);
    }
    if (rc == 0 && t->tekken)
        rc = add_tekken_config(t, path);
    if (rc == 0)
        guess_specials(t);
    str_release(&bytes);
    if (rc == 0)
        return t;
    tokenizer_free(t);
    return NULL;
}

/* In a directory tokenizer.json, else tokenizer.model, else tekken.json. */
static char *
description_in(const char *dir)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "tekken.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = file_join(dir, names[i]);
        if (file_exists(path))
            return path;
        free(path);
    }
    return file_join(dir, names[0]);
}

struct tokenizer *
tokenizer_load(const char *path)
{
    return tokenizer_load_cut(path, NULL);
}

struct tokenizer *
tokenizer_load_cut(const char *path, const char *pattern)
{
    bool is_dir = file_is_dir(path);
    char *file = is_dir ? description_in(path) : mem_strdup(path);
    char *dir = is_dir ? mem_strdup(path) : directory_of(path);
    struct tokenizer *t = load_file(file, dir, pattern);
    free(file);
    free(dir);
    return t;
}

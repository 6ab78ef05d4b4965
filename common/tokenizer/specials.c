#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "tokenizer/internal.h"

/* Which ids are BOS, EOS, padding and unknown: the order of authority of CLI.md. */

/* One token of tokenizer_config.json: a string, {"content": s}, or null for none. */
static int
config_token(struct tokenizer *t, const struct json_doc *doc, const json_t *root, const char *key,
             uint32_t *id, bool *decided)
{
    const json_t *value = json_object_get(root, key);
    const char *s = NULL;
    if (!value)
        return 0;
    if (json_is_null(value)) {
        *decided = true;
        return 0;
    }
    const json_t *holder = root;
    if (json_is_object(value)) {
        holder = value;
        key = "content";
    }
    if (json_get_string(doc, holder, key, JSON_NEED, &s) < 0)
        return -1;
    uint32_t found = tokenizer_id(t, s, strlen(s));
    if (found != TOKEN_NONE) {
        *id = found;
        *decided = true;
    }
    return 0;
}

int
parse_config(struct json_doc *doc, const char *name, const char *data, size_t n)
{
    json_error_t error;
    doc->root = json_loadb(data, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &error);
    if (!doc->root)
        return err_set(STATUS_INPUT, "%s: line %d: %s", name, error.line, error.text);
    doc->name = mem_strdup(name);
    return 0;
}

int
load_config(struct tokenizer *t, const char *name, const char *data, size_t n)
{
    struct json_doc doc = {0};
    const json_t *root = NULL;
    if (parse_config(&doc, name, data, n) < 0)
        return -1;
    struct tokenizer_specials *s = &t->specials;
    int rc = json_root_object(&doc, &root) < 0 ||
                     (t->sp && load_sp_config(t, &doc, root) < 0) ||
                     config_token(t, &doc, root, "bos_token", &s->bos, &t->decided.bos) < 0 ||
                     config_token(t, &doc, root, "eos_token", &s->eos, &t->decided.eos) < 0 ||
                     config_token(t, &doc, root, "pad_token", &s->pad, &t->decided.pad) < 0 ||
                     config_token(t, &doc, root, "unk_token", &s->unk, &t->decided.unk) < 0
                 ? -1
                 : 0;
    json_doc_release(&doc);
    return rc;
}

/* The first of the names that is a special token. */
static uint32_t
well_known(const struct tokenizer *t, const char *const *names)
{
    for (; *names; names++) {
        uint32_t id = tokenizer_id(t, *names, strlen(*names));
        if (id != TOKEN_NONE && tokenizer_is_special(t, id))
            return id;
    }
    return TOKEN_NONE;
}

void
guess_specials(struct tokenizer *t)
{
    static const char *const bos[] = {"<s>", "<|begin_of_text|>", "<bos>", NULL};
    static const char *const eos[] = {"</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>", NULL};
    static const char *const pad[] = {"<pad>", "<|pad|>", "[PAD]", NULL};
    struct tokenizer_specials *s = &t->specials;
    const struct tokenizer_specials *model = &t->model_ids;
    if (!t->decided.bos)
        s->bos = model->bos != TOKEN_NONE ? model->bos
                 : t->prefix.len          ? t->prefix.data[0]
                                          : well_known(t, bos);
    if (!t->decided.eos)
        s->eos = model->eos != TOKEN_NONE ? model->eos
                 : t->suffix.len          ? t->suffix.data[t->suffix.len - 1]
                                          : well_known(t, eos);
    if (!t->decided.pad)
        s->pad = model->pad != TOKEN_NONE ? model->pad : well_known(t, pad);
    if (!t->decided.unk)
        s->unk = model->unk != TOKEN_NONE ? model->unk : t->unk;
    /* a SentencePiece model has no post-processor: its configuration says what it would do */
    if (t->add_bos && s->bos != TOKEN_NONE)
        vec_push(&t->prefix, s->bos);
    if (t->add_eos && s->eos != TOKEN_NONE)
        vec_push(&t->suffix, s->eos);
}

const struct tokenizer_specials *
tokenizer_specials(const struct tokenizer *t)
{
    return &t->specials;
}

/* A token's text, a decimal id, or "none". */
static int
explicit_token(const struct tokenizer *t, const char *what, const char *value, uint32_t *id)
{
    int64_t number;
    if (!strcmp(value, "none")) { /* before the tokens: most vocabularies have that word */
        *id = TOKEN_NONE;
        return 0;
    }
    uint32_t found = tokenizer_id(t, value, strlen(value));
    if (found == TOKEN_NONE && parse_int(value, &number) == 0 && number >= 0 &&
        number < (int64_t)t->vocabulary)
        found = (uint32_t)number;
    if (found == TOKEN_NONE)
        return err_set(STATUS_USAGE, "%s: '%s' is neither a token nor an id of the tokenizer", what,
                       value);
    *id = found;
    return 0;
}

int
tokenizer_set_specials(struct tokenizer *t, const char *bos, const char *eos)
{
    if (bos && explicit_token(t, "--bos", bos, &t->specials.bos) < 0)
        return -1;
    if (eos && explicit_token(t, "--eos", eos, &t->specials.eos) < 0)
        return -1;
    return 0;
}

#include "checkpoint/model_source.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"
#include "checkpoint/dpo_file.h"
#include "checkpoint/fp8_file.h"
#include "checkpoint/spike_file.h"
#include "json/write.h"

/* A model's tokenizer, and the files that stand beside its weights. */

enum { FILE_LIMIT = 1 << 30 };

/* What Hugging Face's tools save with a model, but config.json and weights; and its licence. */
static const char *const side_files[] = {"tokenizer.json",
                                         "tokenizer.model",
                                         "tokenizer_config.json",
                                         "added_tokens.json",
                                         "special_tokens_map.json",
                                         "vocab.json",
                                         "vocab.txt",
                                         "merges.txt",
                                         "spiece.model",
                                         "tekken.json",
                                         "*.tiktoken",
                                         "chat_template.jinja",
                                         "chat_template.json",
                                         "generation_config.json",
                                         "LICENSE*",
                                         "NOTICE*"};

const struct model_source *
model_source_base(const struct model_source *m)
{
    return m->reader && m->reader->base ? m->reader->base(m->state) : NULL;
}

struct tokenizer *
model_source_tokenizer(const struct model_source *m)
{
    while (m->reader && !m->reader->tokenizer)
        m = m->reader->base(m->state);
    return m->reader ? m->reader->tokenizer(m->state) : tokenizer_load(m->path);
}

typedef int take_file(void *arg, const char *name, const char *data, size_t n);

/* Files on their way, and which of those that may have to be made were among them. */
struct handing {
    take_file *take;
    void *arg;
    bool tokenizer, tokenizer_config, generation_config;
};

static int
hand(void *arg, const char *name, const char *data, size_t n)
{
    struct handing *h = arg;
    h->tokenizer |= strcmp(name, "tokenizer.json") == 0;
    h->tokenizer_config |= strcmp(name, "tokenizer_config.json") == 0;
    h->generation_config |= strcmp(name, "generation_config.json") == 0;
    return h->take(h->arg, name, data, n);
}

static int
hand_file(struct handing *h, const char *dir, const char *name)
{
    struct str text = {0};
    char *path = file_join(dir, name);
    int result = file_load(path, FILE_LIMIT, &text);
    if (result == 0)
        result = hand(h, name, text.data ? text.data : "", text.len);
    free(path);
    str_release(&text);
    return result;
}

/* ---- a Hugging Face directory, a checkpoint ---- */

struct names VEC_BODY(char *);

static bool
is_side_file(const char *dir, const char *name)
{
    bool listed = false;
    for (size_t i = 0; i < sizeof side_files / sizeof *side_files && !listed; i++)
        listed = glob_match(side_files[i], name);
    char *path = listed ? file_join(dir, name) : NULL;
    bool found = listed && file_is_regular(path);
    free(path);
    return found;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
list_side_files(const char *dir, struct names *out)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    if (!d)
        return err_sys("%s", dir);
    while ((e = readdir(d)))
        if (is_side_file(dir, e->d_name))
            vec_push(out, mem_strdup(e->d_name));
    closedir(d);
    if (out->len)
        qsort(out->data, out->len, sizeof *out->data, by_text);
    return 0;
}

static int
hand_directory(struct handing *h, const char *dir)
{
    struct names names = {0};
    int result = list_side_files(dir, &names);
    for (size_t i = 0; i < names.len; i++) {
        if (result == 0)
            result = hand_file(h, dir, names.data[i]);
        free(names.data[i]);
    }
    vec_release(&names);
    return result;
}

/* The state of training is not a part of the model. */
static int
hand_checkpoint(struct handing *h, const struct checkpoint *c)
{
    static const char *const others[] = {"config.json", FP8_FILE, SPIKE_FILE, DPO_FILE};
    int result = 0;
    for (size_t i = 0; i < c->manifest.files && result == 0; i++) {
        const struct manifest_file *f = &c->manifest.file[i];
        bool other = f->header > 0;
        for (size_t k = 0; k < sizeof others / sizeof *others; k++)
            other |= strcmp(f->name, others[k]) == 0;
        if (!other)
            result = hand_file(h, c->path, f->name);
    }
    return result;
}

/* ---- made where training or another format had none ---- */

static void
put_special(struct json_writer *w, const char *key, const struct tokenizer *t, uint32_t id)
{
    size_t n;
    const char *text = id == TOKEN_NONE ? NULL : tokenizer_text(t, id, &n);
    if (text)
        json_put_bytes(w, key, text, n);
}

/* transformers picks the tokenizer's class from this file. */
static int
make_tokenizer_config(struct handing *h, const struct model_source *m)
{
    struct tokenizer *t = model_source_tokenizer(m);
    if (!t)
        return -1;
    const struct tokenizer_specials *s = tokenizer_specials(t);
    struct str text = {0};
    struct json_writer w = {.out = &text, .indent = 2};
    json_begin_object(&w, NULL);
    put_special(&w, "bos_token", t, s->bos);
    put_special(&w, "eos_token", t, s->eos);
    put_special(&w, "pad_token", t, s->pad);
    put_special(&w, "unk_token", t, s->unk);
    json_put_bool(&w, "clean_up_tokenization_spaces", false);
    json_put_int(&w, "model_max_length", m->config.max_position_embeddings);
    json_put_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_end_object(&w);
    str_addc(&text, '\n');
    int result = hand(h, "tokenizer_config.json", text.data, text.len);
    str_release(&text);
    tokenizer_free(t);
    return result;
}

static int
make_generation_config(struct handing *h, const struct config *c)
{
    const struct {
        const char *key;
        int64_t id;
    } ids[] = {{"bos_token_id", c->bos_token_id},
               {"eos_token_id", c->eos_token_id},
               {"pad_token_id", c->pad_token_id}};
    struct str text = {0};
    struct json_writer w = {.out = &text, .indent = 2};
    json_begin_object(&w, NULL);
    json_put_bool(&w, "_from_model_config", true);
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        if (ids[i].id >= 0)
            json_put_int(&w, ids[i].key, ids[i].id);
    json_end_object(&w);
    str_addc(&text, '\n');
    int result = hand(h, "generation_config.json", text.data, text.len);
    str_release(&text);
    return result;
}

int
model_source_files(const struct model_source *m, take_file *take, void *arg)
{
    struct handing h = {.take = take, .arg = arg};
    bool directory = !m->reader && !m->checkpoint;
    int result = directory       ? hand_directory(&h, m->path)
                 : m->checkpoint ? hand_checkpoint(&h, m->checkpoint)
                 : m->reader->files
                     ? m->reader->files(m->state, hand, &h)
                     : model_source_files(m->reader->base(m->state), hand, &h);
    if (directory || result < 0)
        return result;
    if (h.tokenizer && !h.tokenizer_config && make_tokenizer_config(&h, m) < 0)
        return -1;
    return h.generation_config ? 0 : make_generation_config(&h, &m->config);
}

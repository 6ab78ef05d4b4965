/* A checkpoint as a Hugging Face directory, which appears when it is whole. */
#include "cmd/llm-convert/convert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/progress.h"
#include "checkpoint/fp8_file.h"
#include "checkpoint/spike_file.h"
#include "json/write.h"
#include "tokenizer/tokenizer.h"

enum { COPY_LIMIT = 1 << 30 };

struct output {
    const struct model_source *m;
    const struct hf_plan *plan;
    char *path, *temp;
    VEC(char *) names; /* files to be made, config.json last */
};

/* ---- the files beside the weights ---- */

static int
store(struct output *o, const char *name, const struct str *text)
{
    char *path = file_join(o->temp, name);
    int result = file_store(path, text->data ? text->data : "", text->len);
    free(path);
    return result;
}

static int
write_config(struct output *o)
{
    static const char *const names[] = {"float32", "bfloat16", "float16"};
    struct str text = {0};
    config_write(&o->m->config, names[options.dtype], &text);
    int result = store(o, "config.json", &text);
    str_release(&text);
    return result;
}

static int
write_generation_config(struct output *o)
{
    const struct config *c = &o->m->config;
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
    int result = store(o, "generation_config.json", &text);
    str_release(&text);
    return result;
}

/* Is it one of the checkpoint's files that the directory gets as it is? */
static bool
is_copied(const struct manifest_file *f)
{
    return f->header == 0 && strcmp(f->name, "config.json") != 0 &&
           strcmp(f->name, FP8_FILE) != 0 && strcmp(f->name, SPIKE_FILE) != 0;
}

static int
copy_files(struct output *o)
{
    const struct manifest *m = &o->m->checkpoint->manifest;
    for (size_t i = 0; i < m->files; i++) {
        if (!is_copied(&m->file[i]))
            continue;
        struct str text = {0};
        char *path = file_join(o->m->path, m->file[i].name);
        int result = file_load(path, COPY_LIMIT, &text);
        if (result == 0)
            result = store(o, m->file[i].name, &text);
        free(path);
        str_release(&text);
        if (result < 0)
            return -1;
    }
    return 0;
}

static bool
has_file(const struct model_source *m, const char *name)
{
    const struct manifest *list = &m->checkpoint->manifest;
    for (size_t i = 0; i < list->files; i++)
        if (strcmp(list->file[i].name, name) == 0)
            return true;
    return false;
}

static void
put_special(struct json_writer *w, const char *key, const struct tokenizer *t, uint32_t id)
{
    size_t n;
    const char *text = id == TOKEN_NONE ? NULL : tokenizer_text(t, id, &n);
    if (text)
        json_put_bytes(w, key, text, n);
}

/* transformers picks the tokenizer's class from this file: made where training had none. */
static int
write_tokenizer_config(struct output *o)
{
    struct tokenizer *t = tokenizer_load(o->m->path);
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
    json_put_int(&w, "model_max_length", o->m->config.max_position_embeddings);
    json_put_string(&w, "tokenizer_class", "PreTrainedTokenizerFast");
    json_end_object(&w);
    str_addc(&text, '\n');
    int result = store(o, "tokenizer_config.json", &text);
    str_release(&text);
    tokenizer_free(t);
    return result;
}

static bool
needs_tokenizer_config(const struct model_source *m)
{
    return has_file(m, "tokenizer.json") && !has_file(m, "tokenizer_config.json");
}

/* ---- the directory ---- */

static void
list_names(struct output *o)
{
    const struct manifest *m = &o->m->checkpoint->manifest;
    for (int i = 0; i < o->plan->files; i++)
        vec_push(&o->names, mem_strdup(o->plan->file[i].name));
    if (o->plan->files > 1)
        vec_push(&o->names, mem_strdup("model.safetensors.index.json"));
    for (size_t i = 0; i < m->files; i++)
        if (is_copied(&m->file[i]))
            vec_push(&o->names, mem_strdup(m->file[i].name));
    if (needs_tokenizer_config(o->m))
        vec_push(&o->names, mem_strdup("tokenizer_config.json"));
    vec_push(&o->names, mem_strdup("generation_config.json"));
    vec_push(&o->names, mem_strdup("config.json"));
}

static int
fill(struct output *o)
{
    struct str index = {0};
    int result = hf_write_weights(o->plan, o->m, o->temp);
    if (result == 0 && o->plan->files > 1) {
        hf_plan_index(o->plan, &index);
        result = store(o, "model.safetensors.index.json", &index);
        str_release(&index);
    }
    if (result == 0 && needs_tokenizer_config(o->m))
        result = write_tokenizer_config(o);
    if (result < 0 || copy_files(o) < 0 || write_generation_config(o) < 0 || write_config(o) < 0)
        return -1;
    return file_sync_dir(o->temp);
}

/* Weights of an earlier conversion that the new ones do not replace would be read with them. */
static int
remove_stale(struct output *o)
{
    DIR *d = opendir(o->path);
    struct dirent *e;
    int result = 0;
    if (!d)
        return err_sys("%s", o->path);
    while (result == 0 && (e = readdir(d))) {
        if (!glob_match("model*.safetensors", e->d_name) &&
            strcmp(e->d_name, "model.safetensors.index.json") != 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) < 0)
            result = err_sys("%s/%s", o->path, e->d_name);
    }
    closedir(d);
    return result;
}

/* Into a directory that has other files: one by one, config.json last. */
static int
move_files(struct output *o)
{
    if (remove_stale(o) < 0)
        return -1;
    for (size_t i = 0; i < o->names.len; i++) {
        char *from = file_join(o->temp, o->names.data[i]);
        char *to = file_join(o->path, o->names.data[i]);
        int result = rename(from, to) < 0 ? err_sys("%s", to) : 0;
        free(from);
        free(to);
        if (result < 0)
            return -1;
    }
    if (rmdir(o->temp) < 0)
        return err_sys("%s", o->temp);
    return file_sync_dir(o->path);
}

/* rename(2) takes the place of a directory that is missing or empty. */
static int
commit(struct output *o)
{
    if (rename(o->temp, o->path) < 0) {
        if (errno != ENOTEMPTY && errno != EEXIST)
            return err_sys("%s", o->path);
        return move_files(o);
    }
    char *parent = mem_strdup(o->path), *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    int result = file_sync_dir(slash ? parent : ".");
    free(parent);
    return result;
}

/* Early ends leave nothing: files are removed first, then the directory. */
static void
remember(struct output *o, bool on)
{
    for (size_t i = 0; i < o->names.len; i++) {
        char *path = file_join(o->temp, o->names.data[i]);
        (on ? file_remember : file_forget)(path);
        free(path);
    }
    (on ? file_remember : file_forget)(o->temp);
}

static int
make_temp(struct output *o, const char *path)
{
    o->path = mem_strdup(path);
    for (size_t n = strlen(path); n > 1 && o->path[n - 1] == '/'; n--)
        o->path[n - 1] = '\0';
    char *slash = strrchr(o->path, '/');
    const char *name = slash ? slash + 1 : o->path;
    o->temp = mem_printf("%.*s.%s.tmp-%ld", (int)(name - o->path), o->path, name, (long)getpid());
    if (slash && slash != o->path) {
        *slash = '\0';
        int made = file_mkdirs(o->path);
        *slash = '/';
        if (made < 0)
            return -1;
    }
    return mkdir(o->temp, 0777) < 0 ? err_sys("%s", o->temp) : 0;
}

int
hf_write(const struct model_source *m, const char *path)
{
    struct hf_plan plan;
    hf_plan_init(&plan, m, options_dtype(), options.max_shard_size);
    struct output o = {.m = m, .plan = &plan};
    progress_start("convert", (uint64_t)m->params.parameters * sizeof(float), PROGRESS_BYTES,
                   common.progress_given ? common.progress : -1);
    list_names(&o);
    int result = make_temp(&o, path);
    bool made = result == 0;
    if (made)
        remember(&o, true);
    if (result == 0)
        result = fill(&o);
    if (result == 0)
        result = commit(&o);
    progress_end();
    if (made) {
        struct err e;
        err_take(&e);
        if (result < 0)
            file_remove_tree(o.temp);
        remember(&o, false);
        err_give(&e);
    }
    for (size_t i = 0; i < o.names.len; i++)
        free(o.names.data[i]);
    vec_release(&o.names);
    free(o.path);
    free(o.temp);
    hf_plan_release(&plan);
    return result;
}

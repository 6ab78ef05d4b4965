/* A model as a Hugging Face directory, which appears when it is whole. */
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

struct output {
    const struct model_source *m;
    const struct hf_plan *plan;
    struct side_files side;
    char *path, *temp;
    VEC(char *) names; /* files to be made, config.json last */
};

static int
store(struct output *o, const char *name, const char *data, size_t n)
{
    char *path = file_join(o->temp, name);
    int result = file_store(path, data, n);
    free(path);
    return result;
}

static const char *
config_name(const struct output *o)
{
    return peft_is(o->m) ? "adapter_config.json" : "config.json";
}

static void
list_names(struct output *o)
{
    for (int i = 0; i < o->plan->files; i++)
        vec_push(&o->names, mem_strdup(o->plan->file[i].name));
    if (o->plan->files > 1)
        vec_push(&o->names, mem_strdup("model.safetensors.index.json"));
    for (size_t i = 0; i < o->side.len; i++)
        vec_push(&o->names, mem_strdup(o->side.data[i].name));
    vec_push(&o->names, mem_strdup(config_name(o)));
}

static int
write_texts(struct output *o)
{
    struct str index = {0}, config = {0};
    int result = 0;
    if (peft_is(o->m))
        peft_config(o->m, &config);
    else
        result = side_config(o->m, o->plan->dtype, options.dtype_given, &config);
    if (result == 0 && o->plan->files > 1) {
        hf_plan_index(o->plan, &index);
        result = store(o, "model.safetensors.index.json", index.data, index.len);
    }
    for (size_t i = 0; i < o->side.len && result == 0; i++)
        result = store(o, o->side.data[i].name, o->side.data[i].data, o->side.data[i].size);
    if (result == 0)
        result = store(o, config_name(o), config.data, config.len);
    str_release(&index);
    str_release(&config);
    return result;
}

static int
fill(struct output *o)
{
    if (hf_write_weights(o->plan, o->m, o->temp) < 0 || write_texts(o) < 0)
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

static int
make(struct output *o, const char *path)
{
    int result = make_temp(o, path);
    if (result < 0)
        return -1;
    remember(o, true);
    result = fill(o);
    if (result == 0)
        result = commit(o);
    struct err e;
    err_take(&e);
    if (result < 0)
        file_remove_tree(o->temp);
    remember(o, false);
    err_give(&e);
    return result;
}

int
hf_write(const struct model_source *m, const char *path)
{
    struct hf_plan plan;
    hf_plan_init(&plan, m, peft_is(m) ? UINT64_MAX : options.max_shard_size);
    struct output o = {.m = m, .plan = &plan};
    int result = peft_is(m) ? 0 : side_files_load(&o.side, m);
    list_names(&o);
    progress_start("convert", (uint64_t)m->params.parameters * sizeof(float), PROGRESS_BYTES,
                   common.progress_given ? common.progress : -1);
    if (result == 0)
        result = make(&o, path);
    progress_end();
    for (size_t i = 0; i < o.names.len; i++)
        free(o.names.data[i]);
    vec_release(&o.names);
    side_files_release(&o.side);
    free(o.path);
    free(o.temp);
    hf_plan_release(&plan);
    return result;
}

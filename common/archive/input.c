#include "archive/input.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/level.h"
#include "archive/walk.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

/* The stack of layers over one file after the other. */

/* A layer and what its entries are called. */
struct layer {
    struct level *level;
    size_t path_len; /* of the part of input.path that names the layer itself */
    size_t names;    /* how many names that part has */
};

struct input {
    struct input_options o;
    struct walk *walk;
    VEC(struct layer) layers;
    VEC(char *) names;   /* the chain of names of the current entry */
    struct str path;     /* the same, joined by '!' */
    bool is_operand;     /* the file was named on the command line */
    bool is_shard;
    uint64_t members;    /* of the current file */
    uint64_t consumed;   /* by the files before */
    struct expansion expansion;
};

struct input *
input_open(const char *const *operands, size_t n, const struct input_options *o)
{
    struct input *in = mem_zalloc(sizeof *in);

    in->o = *o;
    in->walk = walk_new(operands, n);
    return in;
}

/* The innermost layer; there must be one. */
static struct layer *
top(struct input *in)
{
    return &in->layers.data[in->layers.len - 1];
}

static void
pop(struct input *in)
{
    level_close(in->layers.data[--in->layers.len].level);
    if (!in->layers.len)
        in->consumed += in->expansion.consumed;
}

static void
drop_names(struct input *in, size_t keep)
{
    while (in->names.len > keep)
        free(in->names.data[--in->names.len]);
}

static void
push(struct input *in, struct level *level)
{
    struct layer layer = {level, in->path.len, in->names.len};

    vec_push(&in->layers, layer);
}

/* 1: a file is open as the first layer; 0: the end; -1. */
static int
open_file(struct input *in)
{
    const char *path, *inside;
    int r = walk_next(in->walk, &path, &inside);

    if (r <= 0)
        return r;
    int fd = file_open_read(path);
    if (fd < 0)
        return -1;
    drop_names(in, 0);
    str_clear(&in->path);
    str_adds(&in->path, strcmp(path, "-") ? path : "standard input");
    vec_push(&in->names, mem_strdup(strcmp(path, "-") ? inside : in->path.data));
    in->is_operand = path == inside;
    in->members = 0;
    in->expansion = (struct expansion){.max_ratio = in->o.limits.max_ratio};
    push(in, level_open_file(fd, in->path.data, &in->expansion));
    return 1;
}

/* Unwinds to the layer that failed; the error record stays. */
static int
fail(struct input *in)
{
    size_t bad = in->layers.len;

    for (size_t i = 0; i < in->layers.len && bad == in->layers.len; i++)
        if (level_state(in->layers.data[i].level) != LEVEL_GOOD)
            bad = i;
    if (bad == in->layers.len)
        return -1;
    while (in->layers.len > bad + 1)
        pop(in);
    if (level_state(top(in)->level) == LEVEL_FAILED)
        pop(in);
    else
        level_forgive(top(in)->level);
    return -1;
}

static int
fail_entry(struct input *in, const char *what)
{
    err_set(STATUS_INPUT, "%s: %s", in->path.data, what);
    return fail(in);
}

/*
 * A container met its end. What its own stream has behind that is read too: the
 * checksum of a compressed stream stands there, and a pipe wants to be emptied.
 */
static int
leave(struct input *in)
{
    pop(in);
    if (in->layers.len && level_is_filter(top(in)->level) && level_drain(top(in)->level))
        return fail(in);
    return 0;
}

/* Gives the entry that level_next found its name and place. */
static int
name_entry(struct input *in)
{
    const struct layer *layer = top(in);
    const char *name = level_name(layer->level);

    drop_names(in, layer->names);
    in->path.len = layer->path_len;
    in->path.data[in->path.len] = '\0';
    if (!name)
        return 0;
    str_addc(&in->path, '!');
    str_adds(&in->path, name);
    vec_push(&in->names, mem_strdup(name));
    if (in->o.limits.max_members && ++in->members > in->o.limits.max_members) {
        level_give_up(in->layers.data[0].level);
        return fail_entry(in, "more members than --max-members");
    }
    return 0;
}

/*
 * The chain of names as the globs see it. Where an archive given on the command
 * line lies says nothing of what is in it: only its last name counts then.
 */
static const char *const *
chain(const struct input *in, const char **copy, bool leaf)
{
    for (size_t i = 0; i < in->names.len; i++)
        copy[i] = in->names.data[i];
    const char *slash = strrchr(copy[0], '/');
    if (in->is_operand && slash && (in->names.len > 1 || !leaf))
        copy[0] = slash + 1;
    return copy;
}

static bool
selected(struct input *in, bool leaf)
{
    const char **copy = mem_array(in->names.len, sizeof *copy);
    const char *const *names = chain(in, copy, leaf);
    bool yes = leaf ? select_leaf(&in->o.select, names, in->names.len, in->path.data)
                    : select_container(&in->o.select, names, in->names.len, in->path.data);

    if (leaf && in->names.len == 1 && !strcmp(in->names.data[0], "standard input"))
        yes = true; /* it has no name to match */
    free(copy);
    return yes;
}

/* 1: the entry is a leaf and wanted; 0: it was opened as a layer, or passed over; -1. */
static int
enter(struct input *in)
{
    struct level *level = top(in)->level;
    enum content content;

    if (!selected(in, false))
        return 0;
    if (level_sniff(level, &content))
        return fail(in);
    in->is_shard = content == CONTENT_SHARD;
    if (!content_is_filter(content) && !content_is_archive(content))
        return selected(in, true);
    if (in->layers.len > in->o.limits.max_depth)
        return fail_entry(in, "nested deeper than --max-depth");
    level = level_open(level, content, in->path.data, &in->expansion);
    if (!level)
        return fail(in);
    push(in, level);
    return 0;
}

int
input_next(struct input *in)
{
    for (;;) {
        if (!in->layers.len) {
            int r = open_file(in);
            if (r <= 0)
                return r;
        }
        int r = level_next(top(in)->level);
        if (r < 0)
            return fail(in);
        if (r == 0) {
            if (leave(in))
                return -1;
            continue;
        }
        if (name_entry(in))
            return -1;
        r = enter(in);
        if (r)
            return r;
    }
}

ssize_t
input_read(struct input *in, void *buf, size_t n)
{
    ssize_t got = in->layers.len ? level_read(top(in)->level, buf, n) : 0;

    return got < 0 ? fail(in) : got;
}

const char *
input_path(const struct input *in)
{
    return in->path.data ? in->path.data : "";
}

bool
input_is_shard(const struct input *in)
{
    return in->is_shard;
}

uint64_t
input_consumed(const struct input *in)
{
    return in->consumed + (in->layers.len ? in->expansion.consumed : 0);
}

void
input_close(struct input *in)
{
    if (!in)
        return;
    while (in->layers.len)
        pop(in);
    drop_names(in, 0);
    vec_release(&in->layers);
    vec_release(&in->names);
    str_release(&in->path);
    walk_free(in->walk);
    free(in);
}

uint64_t
input_total(const char *const *operands, size_t n)
{
    uint64_t total = 0;
    struct stat st;

    for (size_t i = 0; i < n; i++) {
        if (!strcmp(operands[i], "-") || stat(operands[i], &st) || !S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}

#include "archive/walk.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

/* Walks operands and directories without recursion. */

/* One open directory: its names, sorted, and how far the walk is. */
struct folder {
    char **names;
    size_t count, at;
    size_t path_len; /* of the directory's own path with its slash */
};

struct walk {
    const char *const *operands;
    size_t count, at;
    VEC(struct folder) folders;
    struct str path;
    size_t operand_len; /* of the operand's part of path, when it is a directory */
};

struct walk *
walk_new(const char *const *operands, size_t n)
{
    struct walk *w = mem_zalloc(sizeof *w);

    w->operands = operands;
    w->count = n;
    return w;
}

static int
by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reads the directory w->path, which ends with a slash. */
static int
open_folder(struct walk *w)
{
    DIR *dir = opendir(w->path.data);
    VEC(char *) names = {0};
    struct folder f = {.path_len = w->path.len};
    struct dirent *entry;

    if (!dir)
        return err_sys("%s", w->path.data);
    while (errno = 0, (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            vec_push(&names, mem_strdup(entry->d_name));
    int error = errno;
    closedir(dir);
    if (names.len)
        qsort(names.data, names.len, sizeof *names.data, by_bytes);
    f.names = names.data;
    f.count = names.len;
    vec_push(&w->folders, f);
    errno = error;
    return error ? err_sys("%s", w->path.data) : 0;
}

static void
close_folder(struct walk *w)
{
    struct folder *f = &w->folders.data[--w->folders.len];

    for (size_t i = f->at; i < f->count; i++)
        free(f->names[i]);
    free(f->names);
}

/* The next name of the innermost directory is in w->path. 1: a file; 0: not; -1. */
static int
visit(struct walk *w)
{
    struct stat st;

    if (lstat(w->path.data, &st))
        return err_sys("%s", w->path.data);
    if (S_ISDIR(st.st_mode)) {
        str_addc(&w->path, '/');
        return open_folder(w);
    }
    if (S_ISLNK(st.st_mode) && stat(w->path.data, &st))
        return 0; /* it leads nowhere */
    return S_ISREG(st.st_mode);
}

static int
next_in_folder(struct walk *w)
{
    struct folder *f = &w->folders.data[w->folders.len - 1];

    if (f->at == f->count) {
        close_folder(w);
        return 0;
    }
    w->path.len = f->path_len;
    str_adds(&w->path, f->names[f->at]);
    free(f->names[f->at++]);
    return visit(w);
}

/* 1: the operand is a file; 0: a directory, opened; -1. */
static int
next_operand(struct walk *w)
{
    const char *operand = w->operands[w->at++];
    struct stat st;

    str_clear(&w->path);
    str_adds(&w->path, operand);
    w->operand_len = 0;
    if (!strcmp(operand, "-"))
        return 1;
    if (stat(operand, &st))
        return err_sys("%s", operand);
    if (!S_ISDIR(st.st_mode))
        return 1;
    if (!str_ends(operand, "/"))
        str_addc(&w->path, '/');
    w->operand_len = w->path.len;
    return open_folder(w);
}

int
walk_next(struct walk *w, const char **path, const char **inside)
{
    for (;;) {
        int r;
        if (w->folders.len)
            r = next_in_folder(w);
        else if (w->at < w->count)
            r = next_operand(w);
        else
            return 0;
        if (r < 0)
            return -1;
        if (r) {
            *path = w->path.data;
            *inside = w->path.data + w->operand_len;
            return 1;
        }
    }
}

void
walk_free(struct walk *w)
{
    if (!w)
        return;
    while (w->folders.len)
        close_folder(w);
    vec_release(&w->folders);
    str_release(&w->path);
    free(w);
}

#include "checkpoint/checkpoint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/vec.h"

/* The checkpoints of a run: step-… directories, complete where manifest.json is. */

struct steps VEC_BODY(int64_t);

char *
checkpoint_path(const char *directory, int64_t step)
{
    return mem_printf("%s/step-%08lld", directory, (long long)step);
}

bool
checkpoint_is(const char *path)
{
    char *manifest = file_join(path, "manifest.json");
    bool is = file_exists(manifest);
    free(manifest);
    return is;
}

/* "step-" and at least eight digits, as checkpoint_path writes it. */
static bool
step_of(const char *name, int64_t *step)
{
    static const char prefix[] = "step-";
    if (!str_starts(name, prefix))
        return false;
    const char *digits = name + sizeof prefix - 1;
    size_t n = strlen(digits);
    if (n < 8 || n > 18 || strspn(digits, "0123456789") != n || (n > 8 && digits[0] == '0'))
        return false;
    return parse_int(digits, step) == 0;
}

static int
descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x > y ? -1 : x < y;
}

/* Steps whose directory has a manifest (complete) or has none, newest first. */
static int
scan(const char *directory, bool complete, struct steps *out)
{
    DIR *d = opendir(directory);
    if (!d)
        return errno == ENOENT || errno == ENOTDIR ? 0 : err_sys("%s", directory);
    struct dirent *e;
    while ((e = readdir(d))) {
        int64_t step;
        if (!step_of(e->d_name, &step))
            continue;
        char *path = checkpoint_path(directory, step);
        if (file_is_dir(path) && checkpoint_is(path) == complete)
            vec_push(out, step);
        free(path);
    }
    closedir(d);
    if (out->len)
        qsort(out->data, out->len, sizeof *out->data, descending);
    return 0;
}

int
checkpoint_list(const char *directory, struct checkpoint_list *out)
{
    struct steps steps = {0};
    if (scan(directory, true, &steps) < 0) {
        vec_release(&steps);
        return -1;
    }
    *out = (struct checkpoint_list){.step = steps.data, .count = steps.len};
    return 0;
}

void
checkpoint_list_release(struct checkpoint_list *l)
{
    free(l->step);
    *l = (struct checkpoint_list){0};
}

char *
checkpoint_find_newest(const char *path)
{
    struct checkpoint_list list;
    if (checkpoint_is(path))
        return mem_strdup(path);
    if (!file_exists(path)) {
        errno = ENOENT;
        err_sys("%s", path);
        return NULL;
    }
    if (checkpoint_list(path, &list) < 0)
        return NULL;
    char *found = list.count ? checkpoint_path(path, list.step[0]) : NULL;
    checkpoint_list_release(&list);
    if (!found)
        err_set(STATUS_FAILED, "%s: no complete checkpoint in it", path);
    return found;
}

/* The manifest goes first, and durably: whatever happens then, the rest is debris. */
static int
delete_checkpoint(const char *directory, int64_t step)
{
    char *path = checkpoint_path(directory, step);
    char *manifest = file_join(path, "manifest.json");
    int result = 0;
    if (unlink(manifest) < 0 && errno != ENOENT)
        result = err_sys("%s", manifest);
    if (result == 0)
        result = file_sync_dir(path) < 0 ? -1 : file_remove_tree(path);
    free(manifest);
    free(path);
    return result;
}

int
checkpoint_prune(const char *directory, int64_t keep_last, int64_t keep_every)
{
    struct checkpoint_list list;
    int result = 0;
    if (checkpoint_list(directory, &list) < 0)
        return -1;
    for (size_t i = 0; i < list.count && result == 0 && keep_last > 0; i++) {
        bool kept = (int64_t)i < keep_last || (keep_every > 0 && list.step[i] % keep_every == 0);
        if (!kept)
            result = delete_checkpoint(directory, list.step[i]);
    }
    checkpoint_list_release(&list);
    return result;
}

int
checkpoint_clean(const char *directory, int64_t *removed)
{
    struct steps steps = {0};
    int64_t n = 0;
    int result = scan(directory, false, &steps);
    for (size_t i = 0; i < steps.len && result == 0; i++, n++) {
        char *path = checkpoint_path(directory, steps.data[i]);
        result = file_remove_tree(path);
        free(path);
    }
    vec_release(&steps);
    if (removed)
        *removed = n;
    return result;
}

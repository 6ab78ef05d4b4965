/* Directories: made with their parents, synced, removed with what is in them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

int
file_mkdirs(const char *path)
{
    char *part = mem_strdup(path);
    int result = 0;

    for (char *p = part; result == 0 && *p;) {
        char cut;

        p += strspn(p, "/");
        p += strcspn(p, "/");
        cut = *p;
        *p = '\0';
        if (mkdir(part, 0777) != 0 && !file_is_dir(part))
            result = err_sys("%s: mkdir", part);
        *p = cut;
    }
    free(part);
    return result;
}

int
file_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result = 0;

    if (fd < 0)
        return err_sys("%s", path);
    /* Some file systems have nothing to sync in a directory and say EINVAL. */
    if (fsync(fd) != 0 && errno != EINVAL)
        result = err_sys("%s: fsync", path);
    close(fd);
    return result;
}

static int
remove_entry(int parent, const char *name, const char *path)
{
    int result = 0, fd;
    struct dirent *entry;
    DIR *dir;

    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return err_sys("%s: remove", path);
    dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return err_sys("%s: remove", path);
    }
    while (result == 0 && (entry = readdir(dir))) {
        char *below;

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        below = file_join(path, entry->d_name);
        result = remove_entry(fd, entry->d_name, below);
        free(below);
    }
    closedir(dir);
    if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0)
        result = err_sys("%s: remove", path);
    return result;
}

int
file_remove_tree(const char *path)
{
    return remove_entry(AT_FDCWD, path, path);
}

const char *
file_tmpdir(const char *dir)
{
    static const char *const names[] = {"LLM_TMPDIR", "TMPDIR"};

    for (size_t i = 0; !dir && i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);

        if (value && *value)
            dir = value;
    }
    return dir ? dir : "/tmp";
}

int
file_temporary(const char *dir)
{
    const char *where = file_tmpdir(dir);
    char *path;
    int fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    /* Not every file system has O_TMPFILE. */
    path = file_join(where, "llm-XXXXXX");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        err_sys("%s: temporary file", where);
    else
        unlink(path);
    free(path);
    return fd;
}

uint64_t
file_free_space(const char *dir)
{
    struct statvfs fs;

    if (statvfs(file_tmpdir(dir), &fs) != 0)
        return 0;
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

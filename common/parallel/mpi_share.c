/*
 * Memory that the ranks of a host share. Each rank makes an unnamed memory file, the
 * others open it through /proc: unlike MPI_Win_allocate_shared this is not
 * bounded by the size of /dev/shm (64 MB in many containers, where touching more
 * kills the process), needs no blocking call, and leaves nothing behind after kill -9.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/mpi_private.h"

struct window {
    void **base;
    size_t *bytes; /* by rank; 0: nothing mapped there */
    int size;
};

/* What a rank tells the others about its part. */
struct part {
    int64_t pid, fd;
    uint64_t bytes, inode;
};

/* This rank's own part: its memory file. -1 with a record. */
static int
create_part(size_t bytes, struct part *part)
{
    struct stat st;
    int fd = memfd_create("llm-window", MFD_CLOEXEC);

    *part = (struct part){.pid = getpid(), .fd = fd, .bytes = bytes};
    if (fd < 0)
        return err_sys("shared memory");
    if (bytes > 0 && ftruncate(fd, (off_t)bytes) != 0)
        return err_sys("shared memory of %zu bytes", bytes);
    if (fstat(fd, &st) != 0)
        return err_sys("shared memory");
    part->inode = st.st_ino;
    return 0;
}

static int
map_part(const struct part *part, void **base)
{
    char path[64];
    struct stat st;
    int result = -1;

    *base = NULL;
    if (part->bytes == 0)
        return 0;
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)part->pid, (long long)part->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_sys("shared memory: %s", path);
    if (fstat(fd, &st) != 0) {
        err_sys("shared memory: %s", path);
    } else if (st.st_ino != part->inode || (uint64_t)st.st_size != part->bytes) {
        err_set(STATUS_FAILED, "shared memory: %s is not the other rank's", path);
    } else {
        void *p = mmap(NULL, part->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) {
            err_sys("shared memory: %s", path);
        } else {
            madvise(p, part->bytes, MADV_HUGEPAGE);
            *base = p;
            result = 0;
        }
    }
    close(fd);
    return result;
}

void
mpi_unshare(struct comm *c, void *window)
{
    struct window *w = window;

    (void)c;
    if (!w)
        return;
    for (int r = 0; r < w->size; r++)
        if (w->base[r])
            munmap(w->base[r], w->bytes[r]);
    free(w->base);
    free(w->bytes);
    free(w);
}

/* Maps every rank's part. -1 with a record; what was mapped stays in *w. */
static int
map_all(struct window *w, const struct part *parts)
{
    for (int r = 0; r < w->size; r++) {
        w->bytes[r] = parts[r].bytes;
        if (map_part(&parts[r], &w->base[r]) != 0)
            return -1;
    }
    return 0;
}

int
mpi_share(struct comm *c, size_t bytes, void ***base, void **window)
{
    struct part mine, *parts = mem_array((size_t)c->size, sizeof *parts);
    struct window *w = mem_zalloc(sizeof *w);
    int result = -1, status = create_part(bytes, &mine) ? STATUS_FAILED : STATUS_OK;

    w->size = c->size;
    w->base = mem_zarray((size_t)c->size, sizeof *w->base);
    w->bytes = mem_zarray((size_t)c->size, sizeof *w->bytes);
    if (comm_agree(c, status) != 0 || comm_all_gather(c, &mine, parts, sizeof mine) != 0)
        goto out;
    status = map_all(w, parts) ? STATUS_FAILED : STATUS_OK;
    if (comm_agree(c, status) != 0) /* from here on every rank has opened what it needs */
        goto out;
    *base = w->base;
    *window = w;
    result = 0;
out:
    if (mine.fd >= 0)
        close((int)mine.fd);
    if (result != 0)
        mpi_unshare(c, w);
    free(parts);
    return result;
}

#include "checkpoint/checkpoint.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

/* Finding where a run goes on: rank 0 looks, all ranks try the same candidates. */

static int
agree(struct comm *comm, int result)
{
    return comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK);
}

/* The candidates of rank 0, on every rank. */
static int
share_list(struct comm *comm, const char *path, struct checkpoint_list *list)
{
    *list = (struct checkpoint_list){0};
    if (agree(comm, comm->rank == 0 ? checkpoint_list(path, list) : 0) < 0)
        return -1;
    uint64_t count = list->count;
    if (comm_broadcast(comm, &count, sizeof count, 0) < 0)
        return -1;
    if (comm->rank != 0) {
        list->count = (size_t)count;
        list->step = mem_array((size_t)count + 1, sizeof *list->step);
    }
    return count ? comm_broadcast(comm, list->step, (size_t)count * sizeof *list->step, 0) : 0;
}

/* 1: open and whole on every rank; 0: damaged (the record says how); -1: error. */
static int
try_one(struct comm *comm, const char *path, struct checkpoint **out)
{
    struct checkpoint *c = checkpoint_open(path);
    if (agree(comm, c ? 0 : -1) == 0 && checkpoint_verify(comm, c) == 0) {
        *out = c;
        return 1;
    }
    checkpoint_close(c);
    return err_status() == STATUS_INPUT ? 0 : -1;
}

int
checkpoint_resume(struct comm *comm, const char *path, void (*damaged)(void *, const char *),
                  void *arg, struct checkpoint **out)
{
    uint8_t itself = comm->rank == 0 && checkpoint_is(path);
    struct checkpoint_list list;
    if (comm_broadcast(comm, &itself, 1, 0) < 0)
        return -1;
    if (itself)
        return try_one(comm, path, out) == 1 ? 1 : -1;
    if (share_list(comm, path, &list) < 0)
        return -1;
    int result = 0;
    for (size_t i = 0; i < list.count && result == 0; i++) {
        char *candidate = checkpoint_path(path, list.step[i]);
        result = try_one(comm, candidate, out);
        free(candidate);
        if (result == 0 && comm->rank == 0)
            damaged(arg, err_text());
    }
    if (list.count && result == 0)
        result = err_set(STATUS_INPUT, "%s: every checkpoint in it is damaged", path);
    checkpoint_list_release(&list);
    return result;
}

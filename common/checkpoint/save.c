#include "checkpoint/checkpoint.h"

#include <string.h>

#include "base/err.h"
#include "checkpoint/writer.h"

/* A save that is waited for. */
int
checkpoint_save(struct comm *comm, const struct checkpoint_layout *layout,
                const struct checkpoint_save *s, struct hash128 *state_hash)
{
    struct checkpoint_writer_options options = {.pool = 1}; /* nothing changes meanwhile */
    struct checkpoint_writer *w = checkpoint_writer_new(comm, layout, &options);
    struct checkpoint_status status = {0};
    if (!w)
        return -1;
    int result = checkpoint_begin(w, s, NULL);
    if (result == 0)
        result = checkpoint_finish(w, &status);
    if (result == 0 && status.phase != CHECKPOINT_DONE)
        result = err_set(STATUS_FAILED, "%s", status.error);
    if (result == 0 && status.error[0])
        result = err_set(STATUS_FAILED, "%s", status.error);
    struct err e;
    err_take(&e);
    checkpoint_writer_free(w);
    err_give(&e);
    if (result == 0 && state_hash)
        *state_hash = status.state_hash;
    return result;
}

/* A checkpoint written once more, for another number of files; and are two the same state? */
#include "cmd/llm-convert/convert.h"

#include "base/err.h"
#include "base/mem.h"
#include "comm/comm.h"

int
rewrite(const struct model_source *m, const char *output)
{
    struct slice_limits limits = checkpoint_limits();
    return checkpoint_rewrite(m->checkpoint, output, &limits);
}

/* Everything of a, but for the arrays' files, is in b. */
static int
compare_files(const struct checkpoint *a, const struct checkpoint *b)
{
    for (size_t i = 0; i < a->manifest.files; i++) {
        const struct manifest_file *x = &a->manifest.file[i], *y = manifest_find(&b->manifest, x->name);
        if (x->header == 0 && (!y || x->hash.low != y->hash.low || x->hash.high != y->hash.high))
            return err_set(STATUS_DIFFERS, "%s/%s: differs from that of %s", b->path, x->name,
                           a->path);
    }
    return 0;
}

int
rewrite_verify(const struct model_source *m, const char *output)
{
    const struct checkpoint *a = m->checkpoint;
    char *path = checkpoint_find_newest(output);
    struct checkpoint *b = path ? checkpoint_open(path) : NULL;
    int result = b ? checkpoint_verify(comm_single(), b) : -1;
    const struct hash128 x = a->manifest.state_hash;
    if (result == 0 &&
        (x.low != b->manifest.state_hash.low || x.high != b->manifest.state_hash.high))
        result = err_set(STATUS_DIFFERS, "%s: its state_hash differs from that of %s", b->path,
                         a->path);
    if (result == 0 && compare_files(a, b) < 0)
        result = -1;
    checkpoint_close(b);
    free(path);
    return result;
}

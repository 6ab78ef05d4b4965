/* A model as the checkpoint with which a training from it begins: step 0, moments zero. */
#include "cmd/llm-convert/convert.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/progress.h"

static int
read_source(void *arg, int param, int64_t offset, int64_t n, float *out)
{
    return model_source_read(arg, param, offset, n, out);
}

/* Data can then be checked against it. A model without a tokenizer becomes a checkpoint without. */
static void
take_fingerprint(struct training_state *state, const struct model_source *m)
{
    struct tokenizer *t = model_source_tokenizer(m);
    if (t)
        tokenizer_fingerprint(t, state->fingerprint);
    else
        err_clear();
    tokenizer_free(t);
}

/* Beside later steps it would never be the newest. */
static int
check_output(const char *output)
{
    struct checkpoint_list list = {0};
    int result = file_is_dir(output) ? checkpoint_list(output, &list) : 0;
    if (result == 0 && list.count > 0 && list.step[0] > 0)
        result = err_set(STATUS_USAGE,
                         "%s: holds a checkpoint of step %lld, and this would be step 0", output,
                         (long long)list.step[0]);
    checkpoint_list_release(&list);
    return result;
}

struct slice_limits
checkpoint_limits(void)
{
    struct slice_limits limits = {0};
    if (options.max_shard_size_given)
        limits.file_bytes = options.max_shard_size > INT64_MAX ? INT64_MAX
                                                               : (int64_t)options.max_shard_size;
    return slice_limits_fit(&limits);
}

int
checkpoint_write(const struct model_source *m, const char *output)
{
    struct side_files side = {0};
    struct config config = {0};
    struct training_state state = {.seed = (uint64_t)common.seed};
    struct threads *pool = options_threads();
    const struct checkpoint_weights weights = {.whole = &m->params,
                                               .read = read_source,
                                               .arg = (void *)(uintptr_t)m,
                                               .limits = checkpoint_limits()};
    progress_start("convert", (uint64_t)m->params.parameters * sizeof(float), PROGRESS_BYTES,
                   common.progress_given ? common.progress : -1);
    int result = check_output(output);
    if (result == 0)
        result = config_copy(&config, &m->config);
    if (result == 0)
        result = side_files_load(&side, m);
    if (result == 0) {
        const struct checkpoint_save save = {.directory = output,
                                             .config = &config,
                                             .files = side.data,
                                             .file_count = side.len,
                                             .state = &state};
        take_fingerprint(&state, m);
        result = checkpoint_begin_from(&weights, &save, pool, NULL);
    }
    progress_end();
    side_files_release(&side);
    config_release(&config);
    threads_free(pool);
    return result;
}

/*
 * A checkpoint begun from weights that are read piece by piece: the bytes of checkpoint_save with zero
 * moments, for any number of threads; errors of the reader leave nothing.
 */
#include "checkpoint/checkpoint.h"

#include <dirent.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tests/unit/tap.h"

static const char json[] =
    "{\"model_type\":\"llama\",\"vocab_size\":3000,\"hidden_size\":64,\"intermediate_size\":100,"
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"max_position_embeddings\":16}";

struct weights {
    const struct params *params;
    const float *flat;
    int bad; /* the tensor that cannot be read; -1: none */
};

static int
read_weights(void *arg, int param, int64_t offset, int64_t n, float *out)
{
    const struct weights *w = arg;
    if (param == w->bad)
        return err_set(STATUS_INPUT, "tensor %d: bad", param);
    memcpy(out, w->flat + w->params->param[param].offset + offset, (size_t)n * sizeof *out);
    return 0;
}

/* Are all files of a in b, the same? */
static int64_t
files_that_differ(const char *a, const char *b, int64_t *files)
{
    DIR *d = opendir(a);
    struct dirent *e;
    int64_t differ = 0;
    *files = 0;
    while (d && (e = readdir(d))) {
        struct str x = {0}, y = {0};
        char *from = file_join(a, e->d_name), *to = file_join(b, e->d_name);
        if (file_is_regular(from)) {
            ++*files;
            differ += file_load(from, 1 << 30, &x) < 0 || file_load(to, 1 << 30, &y) < 0 ||
                      x.len != y.len || memcmp(x.data, y.data, x.len) != 0;
        }
        str_release(&x);
        str_release(&y);
        free(from);
        free(to);
    }
    if (d)
        closedir(d);
    return differ;
}

int
main(void)
{
    struct config config;
    struct params params;
    struct training_state state = {.seed = 7};
    struct hash128 hash[2];
    int64_t files;
    if (config_parse(&config, "config.json", json, sizeof json - 1) < 0 ||
        params_init(&params, &config) < 0)
        return 1;
    float *flat = mem_zarray((size_t)params.elements, sizeof *flat);
    float *zero = mem_zarray((size_t)params.elements, sizeof *zero);
    params_initialize(NULL, &params, &config, 3, 0.1, flat);
    const float *const arrays[CHECKPOINT_ARRAYS] = {flat, zero, zero};

    const struct slice_limits limits[] = {{0}, {.slice_blocks = 1, .file_bytes = 200000}};
    for (size_t l = 0; l < 2; l++) {
        struct held_list held = {0};
        held_add_share(&held, &params, 0, 1, arrays);
        struct checkpoint_layout layout = {
            .whole = &params, .held = held.data, .count = held.len, .limits = limits[l]};
        struct checkpoint_save save = {.directory = "saved", .config = &config, .state = &state};
        ok(checkpoint_save(comm_single(), &layout, &save, &hash[0]) == 0, "saved");
        vec_release(&held);
        for (int n = 1; n <= 3; n++) {
            struct weights w = {&params, flat, -1};
            const struct checkpoint_weights from = {
                .whole = &params, .read = read_weights, .arg = &w, .limits = limits[l]};
            struct threads *pool = n > 1 ? threads_new(n) : NULL;
            save.directory = "begun";
            ok(checkpoint_begin_from(&from, &save, pool, &hash[1]) == 0, "begun with %d threads", n);
            ok(hash[0].low == hash[1].low && hash[0].high == hash[1].high, "the same state");
            is_int(files_that_differ("saved/step-00000000", "begun/step-00000000", &files), 0,
                   "the same bytes");
            ok(files >= (l ? 15 : 5), "of %lld files", (long long)files);

            w.bad = params.count / 2;
            save.directory = "broken";
            err_clear();
            ok(checkpoint_begin_from(&from, &save, pool, NULL) < 0 && err_status() == STATUS_INPUT,
               "a reader's error is told");
            ok(!file_exists("broken/step-00000000"), "and leaves nothing");
            threads_free(pool);
        }
        file_remove_tree("saved");
        file_remove_tree("begun");
    }
    struct checkpoint_save save = {.directory = "loaded", .config = &config, .state = &state};
    struct weights w = {&params, flat, -1};
    const struct checkpoint_weights from = {.whole = &params, .read = read_weights, .arg = &w};
    ok(checkpoint_begin_from(&from, &save, NULL, NULL) == 0, "once more");
    struct checkpoint *c = checkpoint_open("loaded/step-00000000");
    if (ok(c != NULL, "opened")) {
        ok(checkpoint_verify(comm_single(), c) == 0, "every checksum is right");
        ok(checkpoint_read(c, CHECKPOINT_MASTER, zero) == 0 &&
               memcmp(zero, flat, (size_t)params.elements * sizeof *flat) == 0,
           "the weights");
        checkpoint_close(c);
    }
    free(flat);
    free(zero);
    params_release(&params);
    config_release(&config);
    return done();
}

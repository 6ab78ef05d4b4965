/*
 * Any text with the tokenizers of the unit tests: ids do not depend on the instruction
 * set, nor on what was encoded before; any ids decode alike in one piece and in stream.
 */
#include <jansson.h>

#include "tests/fuzz/encode.h"

enum { TOKENIZERS_MAX = 256, SCRATCHES_MAX = 8 }; /* a scratch may have megabytes */

static struct tokenizer *tokenizers[TOKENIZERS_MAX];
static struct {
    size_t tokenizer;
    struct fuzz_scratch scratch;
} kept[SCRATCHES_MAX];
static size_t count;

/* A fixture's model may be the name of one that several share. */
static void
load_fixture(const json_t *fixture, const json_t *models)
{
    json_t *description = json_deep_copy(json_object_get(fixture, "tokenizer"));
    const char *name = json_string_value(json_object_get(description, "model"));

    if (name)
        json_object_set(description, "model", json_object_get(models, name));
    char *text = json_dumps(description, JSON_COMPACT | JSON_ENSURE_ASCII);
    struct tokenizer *t = tokenizer_load_json("fixture", text, strlen(text));
    if (t)
        tokenizers[count++] = t;
    err_clear();
    free(text);
    json_decref(description);
}

static void
load_all(void)
{
    const char *src = getenv("LLM_SRC");
    struct str path = {0};
    size_t i;
    json_t *fixture;

    str_addf(&path, "%s/tests/unit/data/tokenizer_fixtures.json", src ? src : ".");
    json_t *all = json_load_file(path.data, JSON_ALLOW_NUL, NULL);
    must(all);
    json_array_foreach(json_object_get(all, "fixtures"), i, fixture)
        if (count < TOKENIZERS_MAX)
            load_fixture(fixture, json_object_get(all, "models"));
    must(count > 10);
    json_decref(all);
    str_release(&path);
}

/* One that was used for this tokenizer before, if it was lately. */
static struct fuzz_scratch *
scratch_of(size_t tokenizer)
{
    static size_t oldest;

    for (size_t i = 0; i < SCRATCHES_MAX; i++)
        if (kept[i].scratch.best && kept[i].tokenizer == tokenizer)
            return &kept[i].scratch;
    oldest = (oldest + 1) % SCRATCHES_MAX;
    fuzz_scratch_free(&kept[oldest].scratch);
    kept[oldest].tokenizer = tokenizer;
    kept[oldest].scratch = fuzz_scratch(tokenizers[tokenizer]);
    return &kept[oldest].scratch;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* libFuzzer's: loading is not what its time limit is for. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    load_all();
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct ids ids = {0};

    if (!count)
        load_all();
    if (n < 2)
        return 0;
    const struct tokenizer *t = tokenizers[data[0] % count];
    fuzz_encode(t, scratch_of(data[0] % count), data + 2, n - 2, data[1] & 7);
    for (size_t i = 2; i + 1 < n; i += 2)
        vec_push(&ids, ((uint32_t)data[i] | (uint32_t)data[i + 1] << 8) %
                           (tokenizer_vocabulary(t) + 1));
    if (ids.len)
        fuzz_decode(t, &ids, data[1] & 1);
    vec_release(&ids);
    return 0;
}

/*
 * model.safetensors.index.json and the headers of its files, beside a valid config.json: refused with
 * a line, or every weight can be read. The first byte says what the rest is: the index, or one of the
 * two files.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "checkpoint/model_source.h"
#include "tests/fuzz/fuzz.h"

enum { A, B, INDEX, FILES };
static const char *const names[FILES] = {"a.safetensors", "b.safetensors",
                                         "model.safetensors.index.json"};
static const char config[] =
    "{\"model_type\":\"gpt2\",\"architectures\":[\"GPT2LMHeadModel\"],\"vocab_size\":2,\"n_embd\":2,"
    "\"n_layer\":1,\"n_head\":1,\"n_positions\":1}";

static char directory[] = "/dev/shm/fuzz-index-XXXXXX";
static struct str whole[FILES];
static int damaged = -1; /* the file that is not whole[] at the moment */

static void
put(const char *name, const void *data, size_t n)
{
    char *path = file_join(directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    must(fd >= 0 && write(fd, data, n) == (ssize_t)n);
    close(fd);
    free(path);
}

static void
clean(void)
{
    file_remove_tree(directory);
}

/* A tiny GPT-2, its tensors dealt out to both files, all zero. */
static void
make(void)
{
    static const struct {
        const char *name;
        int rank;
        uint64_t shape[2];
    } tensors[] = {{"wte.weight", 2, {2, 2}},          {"wpe.weight", 2, {1, 2}},
                   {"h.0.ln_1.weight", 1, {2, 0}},     {"h.0.ln_1.bias", 1, {2, 0}},
                   {"h.0.attn.c_attn.weight", 2, {2, 6}}, {"h.0.attn.c_attn.bias", 1, {6, 0}},
                   {"h.0.attn.c_proj.weight", 2, {2, 2}}, {"h.0.attn.c_proj.bias", 1, {2, 0}},
                   {"h.0.ln_2.weight", 1, {2, 0}},     {"h.0.ln_2.bias", 1, {2, 0}},
                   {"h.0.mlp.c_fc.weight", 2, {2, 8}}, {"h.0.mlp.c_fc.bias", 1, {8, 0}},
                   {"h.0.mlp.c_proj.weight", 2, {8, 2}}, {"h.0.mlp.c_proj.bias", 1, {2, 0}},
                   {"ln_f.weight", 1, {2, 0}},         {"ln_f.bias", 1, {2, 0}}};
    enum { COUNT = sizeof tensors / sizeof *tensors };
    struct tensor_plan plan[2][COUNT] = {0};
    size_t count[2] = {0};
    str_adds(&whole[INDEX], "{\"weight_map\":{");
    for (size_t i = 0; i < COUNT; i++) {
        struct tensor_plan *t = &plan[i % 2][count[i % 2]++];
        snprintf(t->name, sizeof t->name, "transformer.%s", tensors[i].name);
        t->rank = tensors[i].rank;
        memcpy(t->shape, tensors[i].shape, sizeof t->shape);
        t->dtype = i % 3 ? DTYPE_F32 : DTYPE_BF16;
        str_addf(&whole[INDEX], "%s\"%s\":\"%s\"", i ? "," : "", t->name, names[i % 2]);
    }
    str_adds(&whole[INDEX], "}}");
    for (int f = A; f <= B; f++) {
        uint64_t bytes;
        safetensors_plan(plan[f], count[f], &whole[f], &bytes);
        while (whole[f].len < bytes)
            str_addc(&whole[f], '\0');
    }
    must(mkdtemp(directory));
    atexit(clean);
    put("config.json", config, sizeof config - 1);
    for (int f = 0; f < FILES; f++)
        put(names[f], whole[f].data, whole[f].len);
    struct model_source m;
    must(model_source_open_as(&m, directory, "hf") == 0); /* else nothing behind would be reached */
    model_source_close(&m);
}

/* What was opened can be read to its end. */
static void
read_all(const struct model_source *m)
{
    float *flat = malloc((size_t)m->params.elements * sizeof *flat);
    must(flat && model_source_load(m, flat) == 0);
    for (size_t i = 0; i < m->tensors; i++)
        must(model_source_stored(m, m->tensor[i].info->name) == &m->tensor[i]);
    free(flat);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct model_source m;
    if (n < 1)
        return 0;
    if (!whole[INDEX].len)
        make();
    int file = data[0] % FILES;
    if (damaged >= 0 && damaged != file)
        put(names[damaged], whole[damaged].data, whole[damaged].len);
    damaged = file;
    put(names[file], data + 1, n - 1);
    if (model_source_open_as(&m, directory, "hf") < 0)
        fuzz_error();
    else
        read_all(&m);
    model_source_close(&m);
    return 0;
}

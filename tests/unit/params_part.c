/*
 * Parts of a parameter table: every element of the whole model is counted by one part, blocks lie
 * where their extents say, and weights begin as in the whole model.
 */
#include "tests/unit/small_model.h"

/* Adds 1 to the whole model's elements that the part counts; -1: values that differ. */
static int
visit(const struct params *whole, const struct params *part, const float *want, const float *got,
      uint8_t *seen)
{
    int different = 0;

    for (int64_t b = 0; b < params_blocks(part); b++) {
        struct extent e[BLOCK_EXTENTS];
        struct param_block block;
        int64_t covered = 0;
        int n = params_block_extents(part, b, e);

        params_block(part, b, &block);
        const struct param *t = &part->param[block.param];
        for (int i = 0; i < n; i++)
            for (int64_t k = 0; k < e[i].count * e[i].repeat; k++, covered++) {
                int64_t at = whole->param[e[i].param].offset + e[i].offset +
                             k / e[i].count * e[i].stride + k % e[i].count;
                different += want[at] != got[e[i].local + k];
                seen[at] += t->whole.run[block.run].counted;
            }
        different += covered != block.size;
    }
    return different;
}

static void
check_parts(const char *name, const char *json, int tensor)
{
    struct small_model m;
    int different = 0, bad = 0;

    small_model_init(&m, json);
    float *want = mem_zarray((size_t)m.params.elements, sizeof *want);
    uint8_t *seen = mem_zalloc((size_t)m.params.elements);
    params_initialize(NULL, &m.params, &m.config, 5, 0, want);
    for (int stage = 0; stage < 2; stage++)
        for (int rank = 0; rank < tensor; rank++) {
            struct model_piece piece = {stage, stage + 1, stage == 0, stage == 1};
            struct model_part part = {&piece, 1, rank, tensor, 0, 0};
            struct params p;
            if (params_init_part(&p, &m.config, &part) < 0)
                abort();
            float *got = mem_zarray((size_t)p.elements, sizeof *got);
            params_initialize(NULL, &p, &m.config, 5, 0, got);
            different += visit(&m.params, &p, want, got, seen);
            free(got);
            params_release(&p);
        }
    for (int i = 0; i < m.params.count; i++)
        for (int64_t k = 0; k < m.params.param[i].size; k++)
            bad += seen[m.params.param[i].offset + k] != 1;
    ok(bad == 0, "%s, tensor %d: every element is counted once", name, tensor);
    ok(different == 0, "%s, tensor %d: the whole model's weights", name, tensor);
    free(want);
    free(seen);
    small_model_release(&m);
}

static void
check_refused(const char *json, int tensor, const char *expected)
{
    struct small_model m;
    struct model_part part = {.tensor_size = tensor};
    struct params p;

    small_model_init(&m, json);
    bool refused = params_init_part(&p, &m.config, &part) < 0;
    ok(refused && strstr(err_text(), expected), "tensor %d is refused: %s", tensor, err_text());
    small_model_release(&m);
}

int
main(void)
{
    check_parts("llama", small_llama, 1);
    check_parts("llama", small_llama, 2);
    check_parts("llama", small_llama, 4);
    check_parts("tied, one key head", small_llama_tied, 2);
    check_parts("tied, one key head", small_llama_tied, 4);
    check_parts("gpt2", small_gpt2, 3);
    check_refused(small_llama, 3, "num_attention_heads (4)");
    check_refused(small_gpt2, 5, "num_attention_heads (3)");
    return done();
}

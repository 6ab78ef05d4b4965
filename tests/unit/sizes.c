/*
 * Published sizes of models, from the table of parameters: the ten rows of Megatron-LM's table
 * (Narayanan et al., "Efficient Large-Scale Language Model Training on GPU Clusters", 2021, table 1), and
 * LLM-jp's 172B.
 */
#include "model/params.h"

#include <math.h>

#include "tests/unit/tap.h"

enum { VOCABULARY = 51200, LENGTH = 2048 };

static int64_t
parameters(const char *json)
{
    struct config c;
    struct params p;
    int64_t n = -1;

    if (config_parse(&c, "config.json", json, strlen(json)) < 0)
        return -1;
    if (params_init(&p, &c) == 0) {
        n = p.parameters;
        params_release(&p);
    }
    config_release(&c);
    return n;
}

static void
test_megatron(double billions, int64_t hidden, int64_t layers, int heads)
{
    char json[512];
    double h = (double)hidden, l = (double)layers, formula;
    int64_t n;

    snprintf(json, sizeof json,
             "{\"model_type\": \"gpt2\", \"vocab_size\": %d, \"n_embd\": %d, \"n_layer\": %d, \"n_head\": %d,"
             "\"n_positions\": %d, \"activation_function\": \"gelu_new\", \"resid_pdrop\": 0, \"embd_pdrop\": 0,"
             "\"attn_pdrop\": 0}",
             VOCABULARY, (int)hidden, (int)layers, heads, LENGTH);
    n = parameters(json);
    /* The paper's formula, which leaves the final norm out. */
    formula = 12 * l * h * h * (1 + 13 / (12 * h) + (VOCABULARY + LENGTH) / (12 * l * h)) + 2 * h;
    ok(fabs((double)n - formula) < 1, "%gB: %lld parameters, formula %.0f", billions, (long long)n, formula);
    ok(fabs((double)n / 1e9 - billions) < 0.004 * billions, "the table's %g", billions);
}

static void
test_llm_jp(void)
{
    int64_t n = parameters("{\"model_type\": \"llama\", \"vocab_size\": 100352, \"hidden_size\": 12288,"
                           "\"intermediate_size\": 38464, \"num_hidden_layers\": 96, \"num_attention_heads\": 96,"
                           "\"num_key_value_heads\": 16, \"hidden_act\": \"silu\", \"max_position_embeddings\": 4096,"
                           "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"tie_word_embeddings\": false}");

    ok(llround((double)n / 1e7) == 17241, "LLM-jp 172B: %lld parameters", (long long)n);
}

int
main(void)
{
    test_megatron(1.65, 2304, 24, 24);
    test_megatron(3.56, 3072, 30, 32);
    test_megatron(7.47, 4096, 36, 32);
    test_megatron(18.45, 6144, 40, 48);
    test_megatron(39.1, 8192, 48, 64);
    test_megatron(76.05, 10240, 60, 80);
    test_megatron(145.6, 12288, 80, 96);
    test_megatron(310.1, 16384, 96, 128);
    test_megatron(529.6, 20480, 105, 128);
    test_megatron(1008, 25600, 128, 160);
    test_llm_jp();
    return done();
}

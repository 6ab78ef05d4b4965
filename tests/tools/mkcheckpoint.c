/*
 * Makes a checkpoint of random weights, for tests:
 *
 *     mkcheckpoint [--seed N] [--std X] [--step N] [--tokenizer DIR] [--option NAME=VALUE]…
 *                  [--slice-blocks N] [--file-bytes N] CONFIG.json DIRECTORY
 *
 * The moments are random as well; with --std biases and norms are, too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "checkpoint/checkpoint.h"

static int64_t seed = 1, step = 1;
static double std;
static struct slice_limits limits;
static const char *tokenizer;
static struct training_state state;

static void
set(const char *name, const char *value)
{
    int bad = 0;
    if (strcmp(name, "--seed") == 0)
        bad = parse_int(value, &seed);
    else if (strcmp(name, "--step") == 0)
        bad = parse_int(value, &step);
    else if (strcmp(name, "--std") == 0)
        bad = parse_double(value, &std);
    else if (strcmp(name, "--slice-blocks") == 0)
        bad = parse_int(value, &limits.slice_blocks);
    else if (strcmp(name, "--file-bytes") == 0)
        bad = parse_int(value, &limits.file_bytes);
    else if (strcmp(name, "--tokenizer") == 0)
        tokenizer = value;
    else if (strcmp(name, "--option") == 0 && strchr(value, '=')) {
        char *key = mem_strdup(value), *at = strchr(key, '=');
        *at = '\0';
        training_state_option(&state, key, at + 1);
        if (strcmp(key, "precision") == 0)
            state.precision = mem_strdup(at + 1);
    } else
        bad = -1;
    if (bad)
        die(STATUS_USAGE, "%s %s: what?", name, value);
}

/* Nothing stays at its neutral value. */
static void
fill(const struct params *p, float *out, uint64_t key)
{
    for (int i = 0; i < p->count; i++)
        for (int64_t j = p->param[i].offset; j < p->param[i].offset + p->param[i].size; j++)
            out[j] = (float)((p->param[i].kind == PARAM_NORM) + std * rng_normal(key, (uint64_t)j));
}

int
main(int argc, char **argv)
{
    struct config config;
    struct params params;
    int i = 1;
    die_set_tool("mkcheckpoint");
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2)
        set(argv[i], argv[i + 1]);
    if (i + 2 != argc)
        die(STATUS_USAGE, "mkcheckpoint [options] CONFIG DIRECTORY");
    if (config_load(&config, argv[i]) < 0 || params_init(&params, &config) < 0)
        die_err();

    struct checkpoint_save s = {.directory = argv[i + 1],
                                .config = &config,
                                .state = &state};
    const float *arrays[CHECKPOINT_ARRAYS];
    struct held_list held = {0};
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        float *values = mem_zarray((size_t)params.elements, sizeof *values);
        if (std > 0)
            fill(&params, values, rng_key((uint64_t)seed, checkpoint_array_name((enum checkpoint_array)a)));
        else
            params_initialize(NULL, &params, &config, (uint64_t)(seed + a), 0, values);
        arrays[a] = values;
    }
    held_add_share(&held, &params, 0, 1, arrays);
    struct checkpoint_layout layout = {
        .whole = &params, .held = held.data, .count = held.len, .limits = limits};
    if (tokenizer) {
        struct tokenizer *t = tokenizer_load(tokenizer);
        if (!t)
            die_err();
        s.file_count = tokenizer_files(t, &s.files);
        tokenizer_fingerprint(t, state.fingerprint);
    }
    state.step = step;
    if (checkpoint_save(comm_single(), &layout, &s, NULL) < 0)
        die_err();
    return 0;
}

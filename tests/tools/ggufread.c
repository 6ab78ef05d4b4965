/*
 * What is read of a GGUF file, for tests; float32 on standard output:
 *
 *     ggufread tensor FILE NAME FIRST COUNT    elements of a tensor as the file names it
 *     ggufread param MODEL NAME FIRST COUNT    of a tensor of ours, of any MODEL
 *     ggufread file FILE NAME                  a text: tokenizer.json and its like
 *     ggufread q8_0                            blocks of Q8_0 of the floats on standard input
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/gguf.h"
#include "checkpoint/gguf_quant.h"
#include "checkpoint/model_source.h"

static int64_t
number(const char *text)
{
    int64_t n;
    if (parse_int(text, &n) < 0 || n < 0)
        die(STATUS_USAGE, "%s is not a number", text);
    return n;
}

static void
put(const void *data, size_t size, size_t n)
{
    if (fwrite(data, size, n, stdout) != n)
        die(STATUS_FAILED, "standard output");
}

static void
tensor(char **arg)
{
    struct gguf g;
    if (gguf_open(&g, arg[0]) < 0)
        die_err();
    const struct gguf_tensor *t = gguf_find_tensor(&g, arg[1]);
    if (!t)
        die(STATUS_USAGE, "no tensor %s", arg[1]);
    size_t n = (size_t)number(arg[3]);
    float *out = mem_array(n + 1, sizeof *out);
    if (gguf_read_float(&g, t, (uint64_t)number(arg[2]), n, out) < 0)
        die_err();
    put(out, sizeof *out, n);
    free(out);
    gguf_close(&g);
}

static void
param(char **arg)
{
    struct model_source m;
    if (model_source_open(&m, arg[0]) < 0)
        die_err();
    int i = params_find(&m.params, arg[1]);
    if (i < 0)
        die(STATUS_USAGE, "no tensor %s", arg[1]);
    size_t n = (size_t)number(arg[3]);
    float *out = mem_array(n + 1, sizeof *out);
    if (model_source_read(&m, i, number(arg[2]), (int64_t)n, out) < 0)
        die_err();
    put(out, sizeof *out, n);
    free(out);
    model_source_close(&m);
}

static int
take(void *arg, const char *name, const char *data, size_t n)
{
    if (strcmp(arg, name) == 0)
        put(data, 1, n);
    return 0;
}

static void
side_file(char **arg)
{
    struct model_source m;
    if (model_source_open(&m, arg[0]) < 0 || !m.reader ||
        m.reader->files(m.state, take, arg[1]) < 0)
        die_err();
    model_source_close(&m);
}

static void
quantize(void)
{
    struct str in = {0};
    if (file_load("-", 1 << 28, &in) < 0)
        die_err();
    size_t n = in.len / sizeof(float) / 32 * 32;
    float *values = mem_array(n + 1, sizeof *values);
    uint8_t *out = mem_alloc(n / 32 * 34 + 1);
    memcpy(values, in.data, n * sizeof *values);
    gguf_to_q8_0(values, n, out);
    put(out, 34, n / 32);
    free(values);
    free(out);
    str_release(&in);
}

int
main(int argc, char **argv)
{
    die_set_tool("ggufread");
    if (argc == 6 && strcmp(argv[1], "tensor") == 0)
        tensor(argv + 2);
    else if (argc == 6 && strcmp(argv[1], "param") == 0)
        param(argv + 2);
    else if (argc == 4 && strcmp(argv[1], "file") == 0)
        side_file(argv + 2);
    else if (argc == 2 && strcmp(argv[1], "q8_0") == 0)
        quantize();
    else
        die(STATUS_USAGE, "ggufread tensor|param FILE NAME FIRST COUNT, file FILE NAME, or q8_0");
    finish(STATUS_OK);
}

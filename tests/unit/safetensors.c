/*
 * The safetensors reader on crafted files: those that the reference implementation (safetensors
 * 0.8.0) refuses are refused, those it accepts are accepted but for duplicate names,
 * which the format's README forbids. Then what the writer makes is read back.
 */
#include "checkpoint/safetensors.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/float16.h"
#include "tests/unit/tap.h"

struct crafted {
    const char *what;
    bool accepted;
    const char *json;
    uint64_t data; /* bytes behind the header */
    const char *place; /* of those refused: what the message names */
};

#define T "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
#define ONE(fields) "{\"a\":{" fields "}}"

static const struct crafted cases[] = {
    {"one tensor", true, T "}", 8, NULL},
    {"no tensor", true, "{}", 0, NULL},
    {"only metadata", true, "{\"__metadata__\":{\"format\":\"pt\"}}", 0, NULL},
    {"metadata null", true, "{\"__metadata__\":null}", 0, NULL},
    {"leading white space", true, " \n" T "}", 8, NULL},
    {"trailing white space", true, T "}   ", 8, NULL},
    {"empty name", true, "{\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, NULL},
    {"a name that looks like a path", true,
     "{\"../x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, NULL},
    {"unordered header", true,
     "{\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     2, NULL},
    {"unaligned F64", true,
     "{\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[1,9]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
     9, NULL},
    {"scalar", true, ONE("\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]"), 4, NULL},
    {"a dimension of zero", true, ONE("\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[0,0]"),
     0, NULL},
    {"unknown field", true, ONE("\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4],\"x\":1"),
     4, NULL},
    {"F4 pairs", true, ONE("\"dtype\":\"F4\",\"shape\":[4],\"data_offsets\":[0,2]"), 2, NULL},
    {"F6", true, ONE("\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[0,3]"), 3, NULL},
    {"duplicate tensor", false,
     T ",\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "near '\"a\"'"},
    {"duplicate metadata key", false, "{\"__metadata__\":{\"k\":\"a\",\"k\":\"b\"}}", 0,
     "near '\"k\"'"},
    {"duplicate field", false,
     ONE("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]"), 4,
     "near '\"dtype\"'"},
    {"short data", false, T "}", 7,
     "7 bytes of data, the header describes 8"},
    {"extra tail", false, T "}", 9,
     "9 bytes of data, the header describes 8"},
    {"hole at the start", false, ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]"), 2,
     "tensor a: begins at data byte 1, expected 0"},
    {"hole", false,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[2,3]}}",
     3,
     "tensor b: begins at data byte 2, expected 1"},
    {"overlap", false,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3,
     "tensor b: begins at data byte 1, expected 2"},
    {"the same bytes twice", false,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}",
     2,
     "tensor b: begins at data byte 0, expected 2"},
    {"begin > end", false, ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]"), 1,
     "a.data_offsets: "},
    {"negative offset", false, ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]"), 1,
     "a.data_offsets[0]: "},
    {"negative dimension", false, ONE("\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]"), 1,
     "a.shape[0]: "},
    {"real offset", false, ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0.0,1]"), 1,
     "a.data_offsets[0]: "},
    {"exponent", false, ONE("\"dtype\":\"U8\",\"shape\":[1e0],\"data_offsets\":[0,1]"), 1,
     "a.shape[0]: "},
    {"leading zero", false, ONE("\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,1]"), 1,
     "line 1: not JSON"},
    {"number beyond 64 bits", false,
     ONE("\"dtype\":\"U8\",\"shape\":[18446744073709551617],\"data_offsets\":[0,1]"), 1,
     "near '18446744073709551617'"},
    {"offset beyond 64 bits", false,
     ONE("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,18446744073709551617]"), 1,
     "near '18446744073709551617'"},
    {"product of the shape overflows", false,
     ONE("\"dtype\":\"U8\",\"shape\":[4294967296,4294967296,2],\"data_offsets\":[0,1]"), 1,
     "a.shape: "},
    {"size in bytes overflows", false,
     ONE("\"dtype\":\"F64\",\"shape\":[2305843009213693953],\"data_offsets\":[0,8]"), 8,
     "a.data_offsets: "},
    {"shape and bytes disagree", false,
     ONE("\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), 8,
     "a.data_offsets: "},
    {"lower-case type", false, ONE("\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]"), 8,
     "a.dtype: "},
    {"unknown type", false, ONE("\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]"), 8,
     "a.dtype: "},
    {"odd count of F4", false, ONE("\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]"), 1,
     "a.data_offsets: "},
    {"no shape", false, ONE("\"dtype\":\"F32\",\"data_offsets\":[0,8]"), 8,
     "a.shape: missing"},
    {"no type", false, ONE("\"shape\":[2],\"data_offsets\":[0,8]"), 8,
     "a.dtype: missing"},
    {"no offsets", false, ONE("\"dtype\":\"F32\",\"shape\":[2]"), 8,
     "a.data_offsets: missing"},
    {"three offsets", false, ONE("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4,8]"), 8,
     "a.data_offsets: "},
    {"tensor is not an object", false, "{\"a\":[]}", 0,
     "header: a: "},
    {"metadata is not text", false, "{\"__metadata__\":{\"k\":1}}", 0,
     "__metadata__.k: "},
    {"metadata is a list", false, "{\"__metadata__\":[]}", 0,
     "__metadata__: "},
    {"byte order mark", false, "\xef\xbb\xbf" T "}", 8,
     "line 1: "},
    {"trailing JSON", false, T "}{}", 8,
     "line 1: "},
    {"a list", false, "[]", 0,
     "expected an object"},
    {"bad UTF-8", false, "{\"a\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     "byte 0xff"},
    {"lone surrogate", false,
     "{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
     "D800"},
    {"unclosed", false, T, 8,
     "end of file"},
    {"a tensor's end behind the file's", false,
     ONE("\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]"), 8,
     "8 bytes of data, the header describes 9"},
    {"a thousand dimensions", true, NULL, 1, NULL},
    {"zero elements of a large shape", true,
     ONE("\"dtype\":\"F32\",\"shape\":[0,9223372036854775807,2],\"data_offsets\":[0,0]"), 0, NULL},
    {"zero elements, but the product overflows before", false,
     ONE("\"dtype\":\"F32\",\"shape\":[9223372036854775807,4,0],\"data_offsets\":[0,0]"), 0,
     "a.shape: "},
    {"nothing, within another tensor", false,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[1,1]}}",
     2, "tensor b: begins at data byte 1, expected 2"},
    {"one name in two spellings", false,
     "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
     "\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
     0, "duplicate object key"},
    {"metadata twice", false, "{\"__metadata__\":{},\"__metadata__\":{}}", 0,
     "near '\"__metadata__\"'"},
    {"metadata that is nothing", false, "{\"__metadata__\":{\"k\":null}}", 0, "__metadata__.k: "},
    {"NUL in a name", false,
     "{\"\\u0000\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "line 1: "},
    {"odd count of F6", false, ONE("\"dtype\":\"F6_E2M3\",\"shape\":[3],\"data_offsets\":[0,2]"), 2,
     "a.data_offsets: "},
    {"shape of text", false, ONE("\"dtype\":\"U8\",\"shape\":[\"1\"],\"data_offsets\":[0,1]"), 1,
     "a.shape[0]: "},
    {"type of a number", false, ONE("\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,1]"), 1,
     "a.dtype: "},
    {"NaN", false, ONE("\"dtype\":\"U8\",\"shape\":[NaN],\"data_offsets\":[0,1]"), 1, "line 1: "},
    {"a comment", false, "{}/**/", 0, "line 1: "},
};

/* Writes N, the header and `data` zero bytes. */
static void
write_raw(const char *path, uint64_t n, const void *json, size_t size, uint64_t data)
{
    struct str s = {0};
    uint8_t length[8];
    store_u64(length, n);
    str_add(&s, length, 8);
    str_add(&s, json, size);
    for (uint64_t i = 0; i < data; i++)
        str_addc(&s, '\0');
    file_store(path, s.data, s.len);
    str_release(&s);
}

static bool
opens(const char *path)
{
    struct safetensors s;
    err_clear();
    if (safetensors_open(&s, path) < 0)
        return false;
    safetensors_close(&s);
    return true;
}

static void
refused_at(const char *path, const char *what, const char *place)
{
    bool opened = opens(path);
    if (!ok(!opened && err_status() == STATUS_INPUT && strstr(err_text(), path) &&
                strstr(err_text(), place),
            "%s is refused", what))
        diag("%s", err_text());
}

static void
refused(const char *path, const char *what)
{
    refused_at(path, what, "");
}

static const char *
deep_shape(void)
{
    static char json[4096];
    size_t n = (size_t)snprintf(json, sizeof json, "{\"a\":{\"dtype\":\"U8\",\"shape\":[1");
    for (int i = 1; i < 1000; i++)
        n += (size_t)snprintf(json + n, sizeof json - n, ",1");
    snprintf(json + n, sizeof json - n, "],\"data_offsets\":[0,1]}}");
    return json;
}

/* Every type of the specification, by name and size. */
static void
test_type_names(void)
{
    static const struct {
        const char *name;
        int bits;
    } types[] = {{"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
                 {"I8", 8},      {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
                 {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
                 {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        char json[256];
        snprintf(json, sizeof json, "{\"a\":{\"dtype\":\"%s\",\"shape\":[8],\"data_offsets\":[0,%d]}}",
                 types[i].name, types[i].bits);
        write_raw("c.safetensors", strlen(json), json, strlen(json), (uint64_t)types[i].bits);
        if (!ok(opens("c.safetensors"), "%s", types[i].name))
            diag("%s", err_text());
    }
}

/* Finding a tensor among very many, and opening such a file, is quick. */
static void
test_many(void)
{
    enum { MANY = 100000 };
    struct str json = {0};
    struct safetensors s;
    int64_t missed = 0;
    str_adds(&json, "{");
    for (int i = 0; i < MANY; i++)
        str_addf(&json, "%s\"layers.%d.w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                 i ? "," : "", i, i, i + 1);
    str_adds(&json, "}");
    write_raw("many.safetensors", json.len, json.data, json.len, MANY);
    clock_t begin = clock();
    if (!ok(safetensors_open(&s, "many.safetensors") == 0, "a file of %d tensors", MANY))
        return;
    for (int i = 0; i < MANY; i++) {
        char name[64];
        snprintf(name, sizeof name, "layers.%d.w", i);
        const struct tensor_info *t = safetensors_find(&s, name);
        missed += !t || t->begin != (uint64_t)i;
    }
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    is_int(missed, 0, "each is found");
    ok(seconds < 20, "in %.2f s", seconds); /* one by one: minutes */
    safetensors_close(&s);
    str_release(&json);
}

static void
test_crafted(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct crafted *c = &cases[i];
        const char *json = c->json ? c->json : deep_shape();
        write_raw("c.safetensors", strlen(json), json, strlen(json), c->data);
        if (!c->accepted)
            refused_at("c.safetensors", c->what, c->place);
        else if (!ok(opens("c.safetensors"), "%s is accepted", c->what))
            diag("%s", err_text());
    }
}

static void
test_lengths(void)
{
    struct str deep = {0};
    file_store("c.safetensors", "", 0);
    refused("c.safetensors", "an empty file");
    file_store("c.safetensors", "1234567", 7);
    refused("c.safetensors", "a file of 7 bytes");
    write_raw("c.safetensors", 0, "{}", 2, 0);
    refused("c.safetensors", "N = 0");
    write_raw("c.safetensors", UINT64_MAX, "{}", 2, 0);
    refused("c.safetensors", "N = 2^64 - 1");
    write_raw("c.safetensors", 3, "{}", 2, 0);
    refused("c.safetensors", "N beyond the file");
    write_raw("c.safetensors", 2, "{}\0\0", 4, 0);
    refused("c.safetensors", "bytes that belong to no tensor");
    write_raw("c.safetensors", 4, "{}\0\0", 4, 0);
    refused("c.safetensors", "padding with NUL");
    write_raw("c.safetensors", 100000001, "{}", 2, 0);
    ok(truncate("c.safetensors", 200000000) == 0, "a large sparse file");
    refused("c.safetensors", "N = 10^8 + 1");
    str_adds(&deep, "{\"a\":");
    for (int i = 0; i < 200000; i++)
        str_addc(&deep, '[');
    write_raw("c.safetensors", deep.len, deep.data, deep.len, 0);
    refused("c.safetensors", "nesting of 200,000");
    str_release(&deep);
    ok(!opens("none") && err_status() == STATUS_FAILED, "a missing file is not corrupt input");
}

static void
test_round_trip(void)
{
    struct tensor_plan list[3] = {
        {.name = "x", .dtype = DTYPE_F32, .rank = 2, .shape = {3, 5}},
        {.name = "\"quoted\"\\", .dtype = DTYPE_BF16, .rank = 1, .shape = {7}},
        {.name = "h", .dtype = DTYPE_F16, .rank = 1, .shape = {2}},
    };
    struct str header = {0};
    struct safetensors s;
    uint64_t bytes;
    float values[15], back[15];
    for (int i = 0; i < 15; i++)
        values[i] = (float)i / 3;
    safetensors_plan(list, 3, &header, &bytes);
    is_int((int64_t)(header.len % 8), 0, "the header is a multiple of 8 bytes");
    is_int((int64_t)bytes, (int64_t)header.len + 60 + 14 + 4, "the file's size");
    int fd = safetensors_create("w.safetensors", &header, bytes);
    ok(fd >= 0, "created");
    ok(safetensors_create("w.safetensors", &header, bytes) < 0, "not over an existing file");
    ok(file_pwrite_full(fd, values, 60, list[0].offset, "w") == 0, "written");
    uint8_t small[14];
    dtype_from_float(DTYPE_BF16, values, 7, small);
    ok(file_pwrite_full(fd, small, 14, list[1].offset, "w") == 0, "written, BF16");
    const float halves[2] = {65504.0f, -0.5f};
    dtype_from_float(DTYPE_F16, halves, 2, small);
    ok(file_pwrite_full(fd, small, 4, list[2].offset, "w") == 0, "written, F16");
    close(fd);

    if (!ok(safetensors_open(&s, "w.safetensors") == 0, "opened again"))
        return;
    is_int((int64_t)s.count, 3, "three tensors");
    is_str(s.metadata_count ? s.metadata[0].key : "", "format", "metadata");
    const struct tensor_info *x = safetensors_find(&s, "x");
    ok(x && x->rank == 2 && x->shape[0] == 3 && x->shape[1] == 5, "its shape");
    ok(x && safetensors_read_float(&s, x, 0, 15, back) == 0 && !memcmp(back, values, 60),
       "its data");
    ok(x && safetensors_read_float(&s, x, 14, 1, back) == 0 && back[0] == values[14], "a range");
    ok(x && safetensors_read_float(&s, x, 14, 2, back) < 0, "a range beyond its end is refused");
    const struct tensor_info *q = safetensors_find(&s, "\"quoted\"\\");
    ok(q && safetensors_read_float(&s, q, 3, 1, back) == 0 && back[0] == 1.0f,
       "BF16 read as float");
    const struct tensor_info *h = safetensors_find(&s, "h");
    ok(h && safetensors_read_float(&s, h, 0, 2, back) == 0 && back[0] == 65504.0f &&
           back[1] == -0.5f,
       "F16 read as float");
    ok(!safetensors_find(&s, "y"), "no such tensor");
    safetensors_close(&s);
    str_release(&header);
}

/* All 2^16 values of the half types, many at a time and one by one, there and back. */
static void
test_types(void)
{
    enum { ALL = 65536 };
    static const enum dtype types[] = {DTYPE_BF16, DTYPE_F16};
    uint16_t *bits = malloc(ALL * sizeof *bits), *back = malloc(ALL * sizeof *back);
    float *many = malloc(ALL * sizeof *many), one;
    for (size_t t = 0; t < 2; t++) {
        int64_t differ = 0, changed = 0;
        for (int i = 0; i < ALL; i++)
            bits[i] = (uint16_t)i;
        dtype_to_float(types[t], bits, ALL, many);
        dtype_from_float(types[t], many, ALL, back);
        for (int i = 0; i < ALL; i++) {
            one = t == 0 ? bf16_to_float(bits[i]) : fp16_to_float(bits[i]);
            differ += memcmp(&one, &many[i], sizeof one) != 0;
            changed += !isnan(one) && back[i] != bits[i];
        }
        is_int(differ, 0, "%s to float, as one by one", dtype_name(types[t]));
        is_int(changed, 0, "%s and back", dtype_name(types[t]));
    }
    int64_t differ = 0;
    for (uint32_t high = 0; high < 4; high++) { /* all that decides rounding, and NaNs */
        for (uint32_t i = 0; i < ALL; i++) {
            uint32_t u = (high == 3 ? 0x7f80u : 0x3f80u + high) << 16 | i;
            memcpy(&many[i], &u, sizeof u);
        }
        dtype_from_float(DTYPE_BF16, many, ALL, back);
        for (int i = 0; i < ALL; i++)
            differ += back[i] != bf16_from_float(many[i]);
    }
    is_int(differ, 0, "float to BF16, as one by one");
    free(bits);
    free(back);
    free(many);
}

/* Every truncation of a whole file is found. */
static void
test_truncations(void)
{
    struct str whole = {0};
    int64_t wrong = 0;
    if (file_load("w.safetensors", 1 << 20, &whole) < 0)
        return;
    for (size_t n = 0; n < whole.len; n++) {
        file_store("t.safetensors", whole.data, n);
        wrong += opens("t.safetensors") || err_status() != STATUS_INPUT;
    }
    is_int(wrong, 0, "every truncation of %zu bytes is refused", whole.len);
    str_release(&whole);
}

int
main(void)
{
    test_crafted();
    test_type_names();
    test_many();
    test_lengths();
    test_round_trip();
    test_types();
    test_truncations();
    return done();
}

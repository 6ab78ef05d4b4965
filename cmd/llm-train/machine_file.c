/* Reads a machine's description. */
#include "cmd/llm-train/machine_file.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/llm-train/machine_text.h"

enum { FILE_LIMIT = 1 << 20 };

/* The smallest and the largest value that makes sense, and the suffixes it may have. */
enum unit { UNIT_COUNT, UNIT_SIZE, UNIT_RATE, UNIT_REAL };

#define AT(field) offsetof(struct machine_file, field)
static const struct number {
    const char *name;
    enum unit unit;
    size_t at;
} numbers[] = {
    {"nodes", UNIT_COUNT, AT(nodes)},
    {"cores", UNIT_COUNT, AT(cores)},
    {"domains", UNIT_COUNT, AT(domains)},
    {"memory", UNIT_SIZE, AT(memory)},
    {"peak-fp32", UNIT_RATE, AT(rate[MACHINE_FP32].peak)},
    {"peak-bf16", UNIT_RATE, AT(rate[MACHINE_BF16].peak)},
    {"peak-fp8", UNIT_RATE, AT(rate[MACHINE_FP8].peak)},
    {"products-fp32", UNIT_RATE, AT(rate[MACHINE_FP32].products)},
    {"products-bf16", UNIT_RATE, AT(rate[MACHINE_BF16].products)},
    {"products-fp8", UNIT_RATE, AT(rate[MACHINE_FP8].products)},
    {"attention-fp32", UNIT_RATE, AT(rate[MACHINE_FP32].attention)},
    {"attention-bf16", UNIT_RATE, AT(rate[MACHINE_BF16].attention)},
    {"peak", UNIT_RATE, AT(any.peak)},
    {"products", UNIT_RATE, AT(any.products)},
    {"attention", UNIT_RATE, AT(any.attention)},
    {"half-size", UNIT_REAL, AT(half_size)},
    {"units", UNIT_REAL, AT(units)},
    {"overhead", UNIT_REAL, AT(overhead)},
    {"bandwidth", UNIT_RATE, AT(bandwidth)},
    {"stream", UNIT_RATE, AT(stream)},
    {"update", UNIT_RATE, AT(update)},
    {"scores", UNIT_REAL, AT(scores)},
    {"accumulate", UNIT_REAL, AT(accumulate)},
    {"overlap", UNIT_REAL, AT(overlap)},
    {"network", UNIT_RATE, AT(link)},
    {"latency", UNIT_REAL, AT(latency)},
    {"links", UNIT_REAL, AT(links)},
    {"inner", UNIT_RATE, AT(inner)},
    {"inner-latency", UNIT_REAL, AT(inner_latency)},
    {"watts", UNIT_RATE, AT(watts)},
};
#undef AT
enum { NUMBERS = sizeof numbers / sizeof *numbers };

static int
read_number(struct machine_file *m, const struct number *n, const char *value)
{
    void *at = (char *)m + n->at;
    uint64_t count = 0;
    double real = 0;
    bool good;

    if (n->unit == UNIT_REAL) {
        good = parse_double(value, &real) == 0 && isfinite(real) && real >= 0 && real < 1e15;
        if (!good)
            return err_set(STATUS_INPUT, "%s: expected a number, not '%s'", n->name, value);
        memcpy(at, &real, sizeof real);
        return 0;
    }
    good = (n->unit == UNIT_SIZE ? parse_size : parse_count)(value, &count) == 0 && count > 0 &&
           count <= (uint64_t)1 << 62;
    if (!good || ((n->at == offsetof(struct machine_file, domains) ||
                   n->at == offsetof(struct machine_file, nodes)) &&
                  count > 1 << 24))
        return err_set(STATUS_INPUT, "%s: expected a number above 0, not '%s'", n->name, value);
    if (n->unit != UNIT_RATE) {
        memcpy(at, &count, sizeof count);
        return 0;
    }
    real = (double)count;
    memcpy(at, &real, sizeof real);
    return 0;
}

static int
read_tile(struct machine_file *m, const char *value)
{
    int used = 0;

    if (sscanf(value, "%lfx%lf%n", &m->tile[0], &m->tile[1], &used) == 2 && value[used] == '\0' &&
        m->tile[0] >= 1 && m->tile[1] >= 1 && m->tile[0] < 1e6 && m->tile[1] < 1e6)
        return 0;
    return err_set(STATUS_INPUT, "tile: expected two sizes as 256x128, not '%s'", value);
}

static int
unknown(const char *name)
{
    struct str names = {0};

    for (int i = 0; i < NUMBERS; i++)
        str_addf(&names, ", %s", numbers[i].name);
    err_set(STATUS_INPUT, "'%s' is none of name, topology, tile%s", name, names.data);
    str_release(&names);
    return -1;
}

static int
set(struct machine_file *m, const char *name, const char *value)
{
    for (int i = 0; i < NUMBERS; i++)
        if (strcmp(name, numbers[i].name) == 0)
            return read_number(m, &numbers[i], value);
    if (strcmp(name, "tile") == 0)
        return read_tile(m, value);
    if (strcmp(name, "topology") == 0)
        return network_parse(&m->network, value);
    if (strcmp(name, "name") != 0)
        return unknown(name);
    free(m->name);
    m->name = mem_strdup(value);
    return 0;
}

/* Without spaces at both ends, in place. */
static char *
trim(char *s)
{
    size_t n;

    s += strspn(s, " \t\r");
    n = strlen(s);
    while (n > 0 && strchr(" \t\r", s[n - 1]))
        n--;
    s[n] = '\0';
    return s;
}

static int
read_line(struct machine_file *m, char *line)
{
    char *equals;

    line[strcspn(line, "#")] = '\0';
    line = trim(line);
    if (*line == '\0')
        return 0;
    equals = strchr(line, '=');
    if (!equals)
        return err_set(STATUS_INPUT, "expected name = value");
    *equals = '\0';
    return set(m, trim(line), trim(equals + 1));
}

/* Of two rates the one that is known. */
static double
either(double rate, double other)
{
    return rate > 0 ? rate : other;
}

/* Where there is no unit for a precision, it is computed in the next wider one. */
static void
take_wider(struct machine_rate *r, const struct machine_rate *wider)
{
    if (r->peak <= 0 && r->products <= 0)
        *r = *wider;
    if (r->attention <= 0)
        r->attention = wider->attention;
}

/* Fills in the rates that follow from others where they are 0. */
static void
complete(struct machine_file *m)
{
    const struct machine_rate *any = &m->any;

    for (int i = 0; i < MACHINE_PRECISIONS; i++) {
        struct machine_rate *r = &m->rate[i];
        r->peak = either(r->peak, any->peak);
        r->products = either(r->products, either(any->products, r->peak));
        r->attention = either(r->attention, any->attention);
        if (i != MACHINE_FP8) /* which attention is never in */
            r->attention = either(r->attention, r->products);
    }
    take_wider(&m->rate[MACHINE_BF16], &m->rate[MACHINE_FP32]);
    take_wider(&m->rate[MACHINE_FP8], &m->rate[MACHINE_BF16]);
    m->stream = either(m->stream, m->bandwidth);
    m->bandwidth = either(m->bandwidth, m->stream);
    m->update = either(m->update, m->stream);
    m->inner = either(m->inner, m->domains > 0 ? m->bandwidth / 2 / (double)m->domains : 0);
    m->links = either(m->links, 1);
}

static int
check(const struct machine_file *m, const char *path)
{
    bool peak = false;

    for (int i = 0; i < MACHINE_PRECISIONS; i++)
        peak = peak || m->rate[i].peak > 0;
    if (m->cores == 0 || !peak || m->memory == 0)
        return err_set(STATUS_INPUT, "%s: %s is missing", path,
                       m->cores == 0 ? "cores"
                       : !peak       ? "peak"
                                     : "memory");
    for (int i = 0; i < MACHINE_PRECISIONS; i++)
        if (m->rate[i].products > m->rate[i].peak)
            return err_set(STATUS_INPUT, "%s: products are faster than the peak (%.4g, %.4g)", path,
                           m->rate[i].products, m->rate[i].peak);
    if (m->overlap > 1)
        return err_set(STATUS_INPUT, "%s: overlap: expected a share from 0 to 1", path);
    return 0;
}

static int
read_lines(struct machine_file *m, const char *path, char *text)
{
    int number = 0;

    for (char *line = text, *next; line; line = next) {
        struct err e;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (read_line(m, line) == 0)
            continue;
        err_take(&e);
        return err_set(STATUS_INPUT, "%s: line %d: %s", path, number, e.text);
    }
    complete(m);
    return check(m, path);
}

static int
load_text(struct machine_file *m, const char *path, struct str *text)
{
    *m = (struct machine_file){.domains = 1, .links = 1, .overlap = 1};
    str_addc(text, '\n');
    if (strlen(text->data) < text->len)
        return err_set(STATUS_INPUT, "%s: is not text", path);
    return read_lines(m, path, text->data);
}

/* Adds what there is to the record of a file that is not. */
static void
name_machines(void)
{
    struct str names = {0};
    struct err e;

    err_take(&e);
    embedded_add_names(machine_texts, machine_texts_count, &names);
    err_set(e.status, "%s; the machines known by name are %s", e.text, names.data);
    str_release(&names);
}

int
machine_file_load(struct machine_file *m, const char *path)
{
    const struct embedded_file *builtin = strchr(path, '/') || file_exists(path)
                                              ? NULL
                                              : embedded_find(machine_texts, machine_texts_count,
                                                              path);
    struct str text = {0};
    int result;

    *m = (struct machine_file){0};
    if (builtin) {
        str_add(&text, builtin->text, builtin->n);
    } else if (file_load(path, FILE_LIMIT, &text) < 0) {
        name_machines();
        return -1;
    }
    result = load_text(m, path, &text);
    str_release(&text);
    if (result < 0)
        machine_file_release(m);
    return result;
}

void
machine_file_release(struct machine_file *m)
{
    free(m->name);
    *m = (struct machine_file){0};
}

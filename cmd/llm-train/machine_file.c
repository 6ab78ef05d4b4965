/* Reads a machine's description. */
#include "cmd/llm-train/machine_file.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"

enum { FILE_LIMIT = 1 << 20 };

static const struct number {
    const char *name;
    int (*parse)(const char *s, uint64_t *out);
    size_t at;
} numbers[] = {
    {"cores", parse_count, offsetof(struct machine_file, cores)},
    {"domains", parse_count, offsetof(struct machine_file, domains)},
    {"peak", parse_count, offsetof(struct machine_file, peak)},
    {"memory", parse_size, offsetof(struct machine_file, memory)},
    {"bandwidth", parse_count, offsetof(struct machine_file, bandwidth)},
    {"network", parse_count, offsetof(struct machine_file, link)},
};

static int
set(struct machine_file *m, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        void *at = (char *)m + numbers[i].at;
        uint64_t n;
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        if (numbers[i].parse(value, &n) != 0 || n == 0 || n > (uint64_t)1 << 62)
            return err_set(STATUS_INPUT, "%s: expected a number above 0, not '%s'", name, value);
        memcpy(at, &n, sizeof n);
        return 0;
    }
    if (strcmp(name, "topology") == 0)
        return network_parse(&m->network, value);
    if (strcmp(name, "name") != 0)
        return err_set(STATUS_INPUT,
                       "'%s' is none of name, cores, domains, peak, memory, bandwidth, network, topology",
                       name);
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
    if (m->cores == 0 || m->peak == 0 || m->memory == 0)
        return err_set(STATUS_INPUT, "%s: %s is missing", path,
                       m->cores == 0 ? "cores" : m->peak == 0 ? "peak" : "memory");
    return 0;
}

int
machine_file_load(struct machine_file *m, const char *path)
{
    struct str text = {0};
    int result;

    *m = (struct machine_file){.domains = 1};
    if (file_load(path, FILE_LIMIT, &text) < 0)
        return -1;
    str_addc(&text, '\n');
    result = strlen(text.data) < text.len ? err_set(STATUS_INPUT, "%s: is not text", path)
                                          : read_lines(m, path, text.data);
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

#include "base/log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

enum { SINKS_MAX = 8 };

struct sink {
    int fd;
    char *path;
};

static struct sink sinks[SINKS_MAX];
static int sink_count;
static struct str line;

static int
add_sink(int fd, const char *path)
{
    if (sink_count == SINKS_MAX)
        return err_set(STATUS_FAILED, "%s: more than %d logs", path, SINKS_MAX);
    sinks[sink_count++] = (struct sink){fd, mem_strdup(path)};
    return 0;
}

int
log_open(const char *path)
{
    int fd;

    if (strcmp(path, "-") == 0)
        return err_set(STATUS_USAGE, "--log: standard output carries data, name a file");
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return err_sys("%s", path);
    return add_sink(fd, path);
}

bool
log_enabled(void)
{
    return sink_count > 0;
}

static void
add_key(const char *key)
{
    str_addc(&line, ',');
    str_add_json(&line, key, strlen(key));
    str_addc(&line, ':');
}

void
log_begin(const char *event)
{
    if (!sink_count)
        return;
    str_clear(&line);
    str_adds(&line, "{\"event\":");
    str_add_json(&line, event, strlen(event));
}

void
log_int(const char *key, int64_t value)
{
    if (!sink_count)
        return;
    add_key(key);
    str_addf(&line, "%" PRId64, value);
}

void
log_real(const char *key, double value)
{
    if (!sink_count)
        return;
    add_key(key);
    if (isfinite(value))
        str_add_real(&line, value);
    else
        str_adds(&line, "null");
}

void
log_str(const char *key, const char *value)
{
    if (!sink_count)
        return;
    add_key(key);
    str_add_json(&line, value, strlen(value));
}

void
log_bool(const char *key, bool value)
{
    log_json(key, value ? "true" : "false");
}

void
log_json(const char *key, const char *json)
{
    if (!sink_count)
        return;
    add_key(key);
    str_adds(&line, json);
}

int
log_end(void)
{
    int result = 0;

    if (!sink_count)
        return 0;
    str_adds(&line, "}\n");
    for (int i = 0; i < sink_count; i++)
        if (file_write_full(sinks[i].fd, line.data, line.len, sinks[i].path) != 0)
            result = -1;
    return result;
}

int
log_close(void)
{
    int result = 0;

    while (sink_count > 0) {
        struct sink *s = &sinks[--sink_count];

        if (close(s->fd) != 0)
            result = err_sys("%s: close", s->path);
        mem_free_at(&s->path);
    }
    str_release(&line);
    return result;
}

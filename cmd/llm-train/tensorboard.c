#include "cmd/llm-train/tensorboard.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/protobuf.h"
#include "base/str.h"

/* Fields of tensorflow.Event, Summary, Summary.Value and SessionLog (event.proto, summary.proto). */
enum {
    EVENT_WALL_TIME = 1,
    EVENT_STEP = 2,
    EVENT_FILE_VERSION = 3,
    EVENT_SUMMARY = 5,
    EVENT_SESSION_LOG = 7,
    SUMMARY_VALUE = 1,
    VALUE_TAG = 1,
    VALUE_SIMPLE = 2,
    SESSION_STATUS = 1,
    SESSION_START = 1
};

struct tensorboard {
    int fd;
    char *path;
    struct str summary; /* of the step so far */
};

/* ---- records ---- */

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4), bit by bit: events are few and short. */
static uint32_t
crc32c(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return ~crc;
}

/* As TFRecord stores it. */
static uint32_t
masked_crc(const void *data, size_t n)
{
    uint32_t crc = crc32c(data, n);

    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static int
write_record(struct tensorboard *t, const struct str *event)
{
    struct str record = {0};
    uint8_t head[12], tail[4];

    store_u64(head, event->len);
    store_u32(head + 8, masked_crc(head, 8));
    store_u32(tail, masked_crc(event->data, event->len));
    str_add(&record, head, sizeof head);
    str_add(&record, event->data, event->len);
    str_add(&record, tail, sizeof tail);
    int result = file_write_full(t->fd, record.data, record.len, t->path);
    str_release(&record);
    return result;
}

/* ---- messages ---- */

static void
begin_event(struct str *event, uint64_t step)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    protobuf_put_double(event, EVENT_WALL_TIME, (double)now.tv_sec + (double)now.tv_nsec * 1e-9);
    protobuf_put_int(event, EVENT_STEP, (int64_t)step);
}

static int
write_start(struct tensorboard *t, uint64_t first_step)
{
    static const char version[] = "brain.Event:2";
    struct str event = {0}, session = {0};

    begin_event(&event, 0);
    protobuf_put_bytes(&event, EVENT_FILE_VERSION, version, sizeof version - 1);
    int result = write_record(t, &event);
    str_clear(&event);
    begin_event(&event, first_step);
    protobuf_put_int(&session, SESSION_STATUS, SESSION_START);
    protobuf_put_message(&event, EVENT_SESSION_LOG, &session);
    if (result == 0 && first_step > 1)
        result = write_record(t, &event);
    str_release(&event);
    str_release(&session);
    return result;
}

/* ---- the file ---- */

struct tensorboard *
tensorboard_open(const char *dir, uint64_t first_step)
{
    struct tensorboard *t;
    char host[256] = "";

    if (file_mkdirs(dir) < 0)
        return NULL;
    (void)gethostname(host, sizeof host - 1);
    t = mem_zalloc(sizeof *t);
    t->path = mem_printf("%s/events.out.tfevents.%010lld.%s.%lld.0", dir, (long long)time(NULL), host,
                         (long long)getpid());
    t->fd = open(t->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
    if (t->fd < 0)
        err_sys("%s", t->path);
    else if (write_start(t, first_step) == 0)
        return t;
    (void)tensorboard_close(t);
    return NULL;
}

void
tensorboard_scalar(struct tensorboard *t, const char *tag, double value)
{
    struct str entry = {0};

    if (!t)
        return;
    protobuf_put_bytes(&entry, VALUE_TAG, tag, strlen(tag));
    protobuf_put_float(&entry, VALUE_SIMPLE, (float)value);
    protobuf_put_message(&t->summary, SUMMARY_VALUE, &entry);
    str_release(&entry);
}

int
tensorboard_end(struct tensorboard *t, uint64_t step)
{
    struct str event = {0};

    if (!t)
        return 0;
    begin_event(&event, step);
    protobuf_put_message(&event, EVENT_SUMMARY, &t->summary);
    int result = write_record(t, &event);
    str_release(&event);
    return result;
}

int
tensorboard_close(struct tensorboard *t)
{
    int result = 0;

    if (!t)
        return 0;
    if (t->fd >= 0 && close(t->fd) < 0)
        result = err_sys("%s", t->path);
    str_release(&t->summary);
    free(t->path);
    free(t);
    return result;
}

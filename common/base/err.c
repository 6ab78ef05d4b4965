#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local struct err record;

void
err_mask(char *text)
{
    unsigned char *p = (unsigned char *)text;

    for (; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f)
            *p = p[1] = '?';
    }
}

/* The new text is complete before the record changes: arguments may point into it. */
static void
keep(enum status status, const char *text)
{
    record.status = status;
    memmove(record.text, text, strlen(text) + 1);
    err_mask(record.text);
}

int
err_set(enum status status, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    keep(status, text);
    return -1;
}

int
err_sys(const char *fmt, ...)
{
    int saved = errno;
    char text[ERR_TEXT_MAX], reason[128];
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    len = strlen(text);
    snprintf(text + len, sizeof text - len, ": %s", strerror_r(saved, reason, sizeof reason));
    keep(STATUS_FAILED, text);
    errno = saved;
    return -1;
}

int
err_prefix(const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    size_t len;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    len = strlen(text);
    snprintf(text + len, sizeof text - len, ": %s", record.text);
    keep(record.status, text);
    return -1;
}

const char *
err_text(void)
{
    return record.text;
}

enum status
err_status(void)
{
    return record.status;
}

void
err_clear(void)
{
    record.status = STATUS_OK;
    record.text[0] = '\0';
}

void
err_take(struct err *to)
{
    *to = record;
    err_clear();
}

void
err_give(const struct err *from)
{
    record = *from;
}

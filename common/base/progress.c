#include "base/progress.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "base/sys.h"
#include "base/utf8.h"

enum { LINE_MAX_COLUMNS = 78 };

static struct {
    atomic_bool active;
    atomic_uint_fast64_t done;
    _Atomic double next; /* when to draw again */

    pthread_mutex_t lock; /* of what follows, and of the line on the terminal */
    const char *what;
    uint64_t total;
    enum progress_unit unit;
    bool terminal, visible;
    double interval, drawn_at, rate;
    uint64_t drawn;
    char note[64];
} meter = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A background job must not draw over the shell's line. */
static bool
on_terminal(void)
{
    return isatty(STDERR_FILENO) && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

static void
put(const char *text)
{
    /* Nothing can be done about a meter that cannot be drawn. */
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

    (void)ignored;
}

static void
erase(void)
{
    if (meter.visible)
        put("\r\033[K");
    meter.visible = false;
}

/* The rate over the last few seconds: a fifth of each new measurement. */
static void
measure(double now, uint64_t done)
{
    double seconds = now - meter.drawn_at;
    double rate = seconds > 0 ? (double)(done - meter.drawn) / seconds : 0;

    meter.rate = meter.drawn ? 0.8 * meter.rate + 0.2 * rate : rate;
    meter.drawn_at = now;
    meter.drawn = done;
}

static void
describe(struct str *out, uint64_t done)
{
    char *(*human)(double, char[32]) =
        meter.unit == PROGRESS_BYTES ? human_bytes : human_count;
    char buf[32];

    str_addf(out, "%s  %s", meter.what, human((double)done, buf));
    if (meter.total)
        str_addf(out, " of %s", human((double)meter.total, buf));
    str_addf(out, "  %s/s", human(meter.rate, buf));
    if (meter.total > done && meter.rate > 0)
        str_addf(out, "  %s left", human_time((double)(meter.total - done) / meter.rate, buf));
    if (meter.note[0])
        str_addf(out, "  %s", meter.note);
}

static void
draw(double now)
{
    uint64_t done = atomic_load(&meter.done);
    struct str line = {0};

    if (done < meter.drawn)
        meter.drawn = done;
    measure(now, done);
    if (meter.terminal)
        str_adds(&line, "\r");
    describe(&line, done);
    while (utf8_count(line.data, line.len) > LINE_MAX_COLUMNS)
        line.data[--line.len] = '\0';
    err_mask(line.data + (meter.terminal ? 1 : 0));
    str_adds(&line, meter.terminal ? "\033[K" : "\n");
    put(line.data);
    meter.visible = meter.terminal;
    str_release(&line);
}

void
progress_start(const char *what, uint64_t total, enum progress_unit unit, int force)
{
    bool terminal = on_terminal();

    progress_end();
    if (force == 0 || (force < 0 && !terminal))
        return;
    pthread_mutex_lock(&meter.lock);
    meter.what = what;
    meter.total = total;
    meter.unit = unit;
    meter.terminal = terminal;
    meter.interval = terminal ? 0.25 : 5; /* a file gets lines, and fewer of them */
    meter.drawn_at = sys_seconds();
    meter.drawn = 0;
    meter.rate = 0;
    meter.note[0] = '\0';
    atomic_store(&meter.done, 0);
    meter.next = meter.drawn_at + meter.interval;
    atomic_store(&meter.active, true);
    pthread_mutex_unlock(&meter.lock);
}

static void
maybe_draw(void)
{
    double now = sys_seconds();

    if (now < meter.next || pthread_mutex_trylock(&meter.lock) != 0)
        return;
    if (meter.active && now >= meter.next) {
        meter.next = now + meter.interval;
        draw(now);
    }
    pthread_mutex_unlock(&meter.lock);
}

void
progress_add(uint64_t n)
{
    if (!atomic_load_explicit(&meter.active, memory_order_relaxed))
        return;
    atomic_fetch_add_explicit(&meter.done, n, memory_order_relaxed);
    maybe_draw();
}

void
progress_set(uint64_t done)
{
    if (!atomic_load_explicit(&meter.active, memory_order_relaxed))
        return;
    atomic_store_explicit(&meter.done, done, memory_order_relaxed);
    maybe_draw();
}

void
progress_note(const char *fmt, ...)
{
    va_list ap;

    if (!atomic_load_explicit(&meter.active, memory_order_relaxed))
        return;
    pthread_mutex_lock(&meter.lock);
    va_start(ap, fmt);
    vsnprintf(meter.note, sizeof meter.note, fmt, ap);
    va_end(ap);
    pthread_mutex_unlock(&meter.lock);
}

void
progress_erase(void)
{
    if (!atomic_load_explicit(&meter.active, memory_order_relaxed))
        return;
    pthread_mutex_lock(&meter.lock);
    erase();
    pthread_mutex_unlock(&meter.lock);
}

void
progress_end(void)
{
    if (!atomic_load_explicit(&meter.active, memory_order_relaxed))
        return;
    pthread_mutex_lock(&meter.lock);
    erase();
    atomic_store(&meter.active, false);
    pthread_mutex_unlock(&meter.lock);
}

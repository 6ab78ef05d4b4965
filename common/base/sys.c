#include "base/sys.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"

/* The number after `key` in a /proc or cgroup file ("" : the first word); false: none. */
static bool
read_number(const char *path, const char *key, uint64_t *out)
{
    char line[256];
    bool found = false;
    FILE *f = fopen(path, "re");

    if (!f)
        return false;
    while (!found && fgets(line, sizeof line, f)) {
        unsigned long long value;

        if (!str_starts(line, key))
            continue;
        found = sscanf(line + strlen(key), " %llu", &value) == 1;
        if (found)
            *out = value;
        else if (!*key)
            break; /* "max" */
    }
    fclose(f);
    return found;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* What one cgroup (v2) leaves: its limit less what is used and cannot be reclaimed. */
static uint64_t
cgroup_left(const char *dir)
{
    char path[600];
    uint64_t limit, used, cache = 0;

    snprintf(path, sizeof path, "%s/memory.max", dir);
    if (!read_number(path, "", &limit))
        return UINT64_MAX;
    snprintf(path, sizeof path, "%s/memory.current", dir);
    if (!read_number(path, "", &used))
        return limit;
    snprintf(path, sizeof path, "%s/memory.stat", dir);
    read_number(path, "inactive_file ", &cache);
    used -= least(used, cache);
    return limit - least(limit, used);
}

/* The least that this process's cgroup and those above it leave. */
static uint64_t
cgroups_left(void)
{
    char line[400], dir[500];
    uint64_t left = UINT64_MAX, limit, used;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f && fgets(line, sizeof line, f)) {
        if (!str_starts(line, "0::/"))
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(dir, sizeof dir, "/sys/fs/cgroup%s", line + 3);
        for (char *slash = dir + strlen(dir); slash >= dir + strlen("/sys/fs/cgroup");) {
            *slash = '\0';
            left = least(left, cgroup_left(dir));
            slash = strrchr(dir, '/');
        }
    }
    if (f)
        fclose(f);
    /* Version 1, as a container sees its own. */
    if (read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", "", &limit) &&
        read_number("/sys/fs/cgroup/memory/memory.usage_in_bytes", "", &used))
        left = least(left, limit - least(limit, used));
    return left;
}

uint64_t
sys_memory_available(void)
{
    uint64_t kib;
    struct rlimit address_space;
    uint64_t left = cgroups_left();

    if (read_number("/proc/meminfo", "MemAvailable:", &kib))
        left = least(left, kib * 1024);
    if (getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY)
        left = least(left, address_space.rlim_cur);
    return left == UINT64_MAX ? (uint64_t)1 << 30 : left;
}

uint64_t
sys_memory_resident(void)
{
    uint64_t kib = 0;

    read_number("/proc/self/status", "VmRSS:", &kib);
    return kib * 1024;
}

uint64_t
sys_memory_peak(void)
{
    uint64_t kib = 0;

    read_number("/proc/self/status", "VmHWM:", &kib);
    return kib * 1024;
}

uint64_t
sys_heap_used(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

double
sys_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

const char *
sys_hostname(void)
{
    static char name[256];

    if (!name[0] && gethostname(name, sizeof name - 1) != 0)
        snprintf(name, sizeof name, "localhost");
    return name;
}

static volatile sig_atomic_t stop_signal;
static volatile sig_atomic_t last_seen[NSIG];

/*
 * A launcher echoes what its process group already got: the same signal again at
 * once is one and the same. A person who repeats it within a second means it.
 */
static void
on_stop(int number)
{
    enum { ECHO = 10, REPEAT = 100 }; /* hundredths of a second */
    struct timespec now;
    long time;

    clock_gettime(CLOCK_MONOTONIC, &now);
    time = (now.tv_sec & 0xfffff) * 100 + now.tv_nsec / 10000000 + 1;
    if (last_seen[number] && time - last_seen[number] > ECHO &&
        time - last_seen[number] <= REPEAT) {
        signal(number, SIG_DFL);
        raise(number);
    }
    last_seen[number] = (sig_atomic_t)time;
    stop_signal = number;
}

static bool catching;

bool
sys_catches_stop(void)
{
    return catching;
}

void
sys_catch_stop(void)
{
    struct sigaction action = {.sa_handler = on_stop, .sa_flags = SA_RESTART};

    catching = true;
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
}

int
sys_stop_signal(void)
{
    return stop_signal;
}

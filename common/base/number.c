/* Numbers as people write and read them. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

__extension__ typedef unsigned __int128 wide;

/* The power of `base` that a suffix stands for: 0 none, -1 unknown. */
static int
suffix_power(const char *s, const char *letters)
{
    const char *found;

    if (!*s)
        return 0;
    found = strchr(letters, *s);
    return found && !s[1] ? (int)(found - letters) + 1 : -1;
}

/*
 * [0-9]+(\.[0-9]+)? and a suffix, in integers, so that 1.1G is no victim of
 * binary fractions. A fraction of one unit is cut off.
 */
static int
parse_scaled(const char *s, const char *letters, uint64_t base, uint64_t *out)
{
    enum { DIGITS_MAX = 19 };
    wide value = 0, scale = 1;
    int digits = 0, power;
    bool fraction = false;

    for (; isdigit((unsigned char)*s) || (*s == '.' && !fraction && digits); s++) {
        if (*s == '.') {
            fraction = true;
            if (!isdigit((unsigned char)s[1]))
                return -1;
            continue;
        }
        if (++digits > DIGITS_MAX)
            return -1;
        value = value * 10 + (unsigned)(*s - '0');
        if (fraction)
            scale *= 10;
    }
    power = suffix_power(s, letters);
    if (!digits || power < 0 || (fraction && !power))
        return -1;
    while (power-- > 0)
        value *= base; /* below 2^64 * 2^40 */
    value /= scale;
    if (value > UINT64_MAX)
        return -1;
    *out = (uint64_t)value;
    return 0;
}

int
parse_size(const char *s, uint64_t *out)
{
    return parse_scaled(s, "KMGT", 1024, out);
}

int
parse_count(const char *s, uint64_t *out)
{
    char upper[32];
    size_t n = strlen(s);

    if (!n || n >= sizeof upper)
        return -1;
    memcpy(upper, s, n + 1);
    if (upper[n - 1] == 'k')
        upper[n - 1] = 'K';
    return parse_scaled(upper, "KMGT", 1000, out);
}

int
parse_double(const char *s, double *out)
{
    char *end;
    double value;

    /* strtod also takes blanks, hexadecimal, "inf" and "nan". */
    if (!*s || strspn(s, "0123456789+-.eE") != strlen(s))
        return -1;
    value = strtod(s, &end);
    if (*end || !isfinite(value))
        return -1;
    *out = value;
    return 0;
}

int
parse_int(const char *s, int64_t *out)
{
    const char *digits = s + (*s == '-' || *s == '+');
    long long value;

    if (!*digits || strspn(digits, "0123456789") != strlen(digits))
        return -1;
    errno = 0;
    value = strtoll(s, NULL, 10);
    if (errno)
        return -1;
    *out = value;
    return 0;
}

/* Three significant digits: 1.53, 15.3, 153. */
static int
decimals(double x)
{
    return x < 9.995 ? 2 : x < 99.95 ? 1 : 0;
}

static char *
human_scaled(double n, const char *const units[], double base, char buf[32])
{
    int unit = 0;

    while (fabs(n) >= (base == 1000 ? 999.5 : 1023.5) && units[unit + 1]) {
        n /= base;
        unit++;
    }
    snprintf(buf, 32, "%.*f%s", unit ? decimals(fabs(n)) : 0, n, units[unit]);
    return buf;
}

char *
human_bytes(double bytes, char buf[32])
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB", " PB", NULL};

    return human_scaled(bytes, units, 1000, buf);
}

char *
human_count(double n, char buf[32])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", NULL};

    return human_scaled(n, units, 1000, buf);
}

char *
human_time(double seconds, char buf[32])
{
    double whole = floor(seconds + 0.5);

    if (!(seconds >= 0) || seconds > 86400.0 * 36500)
        snprintf(buf, 32, "?");
    else if (seconds < 9.95)
        snprintf(buf, 32, "%.1fs", seconds);
    else if (whole < 60)
        snprintf(buf, 32, "%.0fs", whole);
    else if (whole < 3600)
        snprintf(buf, 32, "%dm%02ds", (int)whole / 60, (int)whole % 60);
    else if (whole < 86400)
        snprintf(buf, 32, "%dh%02dm", (int)whole / 3600, (int)whole / 60 % 60);
    else
        snprintf(buf, 32, "%dd%02dh", (int)(whole / 86400), (int)fmod(whole / 3600, 24));
    return buf;
}

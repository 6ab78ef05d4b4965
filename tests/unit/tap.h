#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * Test Anything Protocol on stdout. A test program is a main() that calls ok()
 * and its like, and ends with `return done();`. It runs in an empty directory of
 * its own; $LLM_SRC is the source tree and $LLM_BIN where the programs are.
 * A comment "timeout: N" within its first lines changes the default 120 seconds.
 */
static int tap_count, tap_failed;

__attribute__((format(printf, 2, 0))) static inline bool
tap_result(bool passed, const char *fmt, va_list ap)
{
    printf("%sok %d - ", passed ? "" : "not ", ++tap_count);
    vprintf(fmt, ap);
    putchar('\n');
    fflush(stdout);
    tap_failed += !passed;
    return passed;
}

/* One test: passed when cond holds; the text says what is tested. Returns cond. */
__attribute__((format(printf, 2, 3))) static inline bool
ok(bool cond, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tap_result(cond, fmt, ap);
    va_end(ap);
    return cond;
}

/* A line of explanation, shown when the program fails. */
__attribute__((format(printf, 1, 2))) static inline void
diag(const char *fmt, ...)
{
    va_list ap;

    printf("# ");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* Passed when both are equal; otherwise both are shown. */
__attribute__((format(printf, 3, 4))) static inline bool
is_int(int64_t got, int64_t want, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tap_result(got == want, fmt, ap);
    va_end(ap);
    if (got != want)
        diag("got %" PRId64 ", want %" PRId64, got, want);
    return got == want;
}

__attribute__((format(printf, 3, 4))) static inline bool
is_str(const char *got, const char *want, const char *fmt, ...)
{
    bool same = got && want ? strcmp(got, want) == 0 : got == want;
    va_list ap;

    va_start(ap, fmt);
    tap_result(same, fmt, ap);
    va_end(ap);
    if (!same)
        diag("got '%s', want '%s'", got ? got : "(null)", want ? want : "(null)");
    return same;
}

/* Passed when |got - want| <= bound (a NaN never is). */
__attribute__((format(printf, 4, 5))) static inline bool
is_near(double got, double want, double bound, const char *fmt, ...)
{
    double difference = got < want ? want - got : got - want;
    bool near = difference <= bound;
    va_list ap;

    va_start(ap, fmt);
    tap_result(near, fmt, ap);
    va_end(ap);
    if (!near)
        diag("got %.17g, want %.17g, bound %g", got, want, bound);
    return near;
}

/* A test that cannot run here, and why. */
static inline void
skip(const char *what, const char *why)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_count, what, why);
}

/* Prints the plan; the value for main() to return. */
static inline int
done(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed || !tap_count;
}

#endif

#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A growing byte string. `data` is never NULL after the first append and always
 * has a NUL after `len` bytes. {0} is an empty string.
 */
struct str {
    char *data;
    size_t len, cap;
};

void str_release(struct str *s);
void str_clear(struct str *s);                       /* len = 0, keeps the memory */
void str_reserve(struct str *s, size_t more);        /* room for `more` bytes and the NUL */
void str_add(struct str *s, const void *bytes, size_t n);
void str_adds(struct str *s, const char *text);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_vaddf(struct str *s, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void str_add_utf8(struct str *s, uint32_t code_point);
void str_add_json(struct str *s, const char *bytes, size_t n); /* quoted and escaped; ill-formed
                                                                  UTF-8 becomes U+FFFD */
void str_add_real(struct str *s, double value); /* the shortest text that reads back: "0.1", "1e-05";
                                                   a '.' or an exponent always stands in it */
char *str_take(struct str *s);                       /* the bytes, now the caller's; s is {0} */

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/*
 * Counts and sizes of CLI.md. parse_size: K M G T are powers of 1024;
 * parse_count: k K M G T are powers of 1000; a plain decimal number otherwise,
 * a fraction allowed before a suffix ("1.5M"). 0, or -1 when s is not wholly one
 * or does not fit (no error record: the caller names the option).
 */
int parse_size(const char *s, uint64_t *out);
int parse_count(const char *s, uint64_t *out);
int parse_double(const char *s, double *out);
int parse_int(const char *s, int64_t *out);

/* "1.5 GB", "3.2k", "1h02m" into buf, for people; return buf. */
char *human_bytes(double bytes, char buf[32]);
char *human_count(double n, char buf[32]);
char *human_time(double seconds, char buf[32]);

/* Shell-style match with * ? [..] and '**'; '/' is an ordinary character. */
bool glob_match(const char *pattern, const char *text);

/* Damerau-Levenshtein distance of two short strings (option suggestions). */
unsigned edit_distance(const char *a, const char *b);

#endif

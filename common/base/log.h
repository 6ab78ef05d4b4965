#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Events as JSON lines. log_begin("step"); log_int("step", 3); log_real("loss", x);
 * log_end(); writes one line with one write(2) to every open sink. Without a sink
 * nothing is done. Main thread only.
 */
int log_open(const char *path); /* appends; "-" is not allowed; 0 or -1 */
bool log_enabled(void);
void log_begin(const char *event);
void log_int(const char *key, int64_t value);
void log_real(const char *key, double value); /* shortest text that reads back; NaN and Inf as null */
void log_str(const char *key, const char *value);
void log_bool(const char *key, bool value);
void log_json(const char *key, const char *json); /* already JSON */
int log_end(void);                                /* 0 or -1 */
int log_close(void);

#endif

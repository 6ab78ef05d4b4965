#ifndef TOKENIZER_JINJA_SPEC_H
#define TOKENIZER_JINJA_SPEC_H

#include "tokenizer/jinja_value.h"

enum { WIDEST = 100000 };

/* A conversion: [[fill]align][sign][#][0][width][,][.precision][type]. */
struct spec {
    const char *fill; /* one character */
    size_t fill_n;
    char align; /* < > ^ = or 0 */
    char sign;  /* + space or 0 */
    bool alternate, grouped;
    int64_t width, precision; /* precision -1: none */
    char type;                /* 0: none */
};

/* Append the value, as the conversion asks. */
void spec_put_text(struct jinja_run *run, const struct spec *spec, struct value v, struct str *out);
void spec_put_integer(struct jinja_run *run, const struct spec *spec, int64_t i, struct str *out);
void spec_put_real(struct jinja_run *run, const struct spec *spec, double f, struct str *out);

/* Decimal digits at *at, which moves behind them; 0 where there are none. */
int64_t spec_number(struct jinja_run *run, const char **at, const char *end);

#endif

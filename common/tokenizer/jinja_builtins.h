#ifndef TOKENIZER_JINJA_BUILTINS_H
#define TOKENIZER_JINJA_BUILTINS_H

#include "tokenizer/jinja_value.h"

/* The tables of what templates can call; each ends with a name of NULL. */
extern const struct builtin jinja_text_filters[];  /* jinja_filters.c */
extern const struct builtin jinja_list_filters[];  /* jinja_filters_list.c */
extern const struct builtin jinja_value_tests[];   /* jinja_tests.c */
extern const struct builtin jinja_functions[];     /* jinja_functions.c */
extern const struct builtin jinja_text_methods[];  /* jinja_methods.c */
extern const struct builtin jinja_other_methods[]; /* jinja_functions.c */

/* Of an argument: whether it was given; an integer (fails for others); a text. */
static inline bool
given(struct value v)
{
    return v.type != JINJA_ABSENT;
}

int64_t argument_int(struct jinja_run *run, struct value v, int64_t otherwise);
/* A string; others fail, with the name of what is called. */
struct value argument_text(struct jinja_run *run, struct value v, const char *what);

/* Text in another case, as a value (jinja_methods.c). */
struct value jinja_upper(struct jinja_run *run, struct value self, const struct value *p);
struct value jinja_lower(struct jinja_run *run, struct value self, const struct value *p);
struct value jinja_capitalize(struct jinja_run *run, struct value self, const struct value *p);
/* strip() on both sides; p[0]: characters, or absent. */
struct value jinja_strip(struct jinja_run *run, struct value self, const struct value *p);
/* replace(); p: old, new, count. */
struct value jinja_replace(struct jinja_run *run, struct value self, const struct value *p);
/* int() of a text: false where it is none. */
bool jinja_parse_int(struct jinja_run *run, struct value text, int64_t base, struct value *out);
bool jinja_parse_float(struct value text, double *out);

#endif

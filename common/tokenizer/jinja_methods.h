#ifndef TOKENIZER_JINJA_METHODS_H
#define TOKENIZER_JINJA_METHODS_H

#include "tokenizer/jinja_value.h"

/* Methods of strings that find, strip and split; parameters as in the table of jinja_methods.c. */
struct value method_find(struct jinja_run *run, struct value self, const struct value *p);
struct value method_rfind(struct jinja_run *run, struct value self, const struct value *p);
struct value method_index(struct jinja_run *run, struct value self, const struct value *p);
struct value method_rindex(struct jinja_run *run, struct value self, const struct value *p);
struct value method_count(struct jinja_run *run, struct value self, const struct value *p);
struct value method_startswith(struct jinja_run *run, struct value self, const struct value *p);
struct value method_endswith(struct jinja_run *run, struct value self, const struct value *p);
struct value method_removeprefix(struct jinja_run *run, struct value self, const struct value *p);
struct value method_removesuffix(struct jinja_run *run, struct value self, const struct value *p);
struct value method_split(struct jinja_run *run, struct value self, const struct value *p);
struct value method_rsplit(struct jinja_run *run, struct value self, const struct value *p);
struct value method_splitlines(struct jinja_run *run, struct value self, const struct value *p);
struct value method_partition(struct jinja_run *run, struct value self, const struct value *p);
struct value method_rpartition(struct jinja_run *run, struct value self, const struct value *p);
struct value method_lstrip(struct jinja_run *run, struct value self, const struct value *p);
struct value method_rstrip(struct jinja_run *run, struct value self, const struct value *p);

#endif

/* Finding filters, tests, functions and methods, and calling them with arguments in order. */
#include "tokenizer/jinja_builtins.h"

#include "tokenizer/jinja_eval.h"

enum { PARAMETERS_MAX = 8 };

static const struct builtin *
find(const struct builtin *table, const char *name)
{
    for (; table->name; table++)
        if (!strcmp(table->name, name))
            return table;
    return NULL;
}

const struct builtin *
jinja_filter(const char *name)
{
    const struct builtin *b = find(jinja_text_filters, name);

    return b ? b : find(jinja_list_filters, name);
}

const struct builtin *
jinja_test(const char *name)
{
    return find(jinja_value_tests, name);
}

const struct builtin *
jinja_function(const char *name)
{
    return find(jinja_functions, name);
}

const struct builtin *
jinja_method(struct value self, const char *name)
{
    if (self.type == JINJA_STRING)
        return find(jinja_text_methods, name);
    for (const struct builtin *b = jinja_other_methods; b->name; b++)
        if ((b->types & 1u << self.type) && !strcmp(b->name, name))
            return b;
    return NULL;
}

bool
jinja_method_refused(const char *name)
{
    static const char *const refused[] = {
        "casefold",     "encode",           "expandtabs", "format_map", "isascii",
        "isidentifier", "isprintable",      "istitle",    "maketrans",  "translate",
        "fromkeys",     "as_integer_ratio", "bit_length", "conjugate",  "fromhex",
        "hex",          "is_integer",       "to_bytes",   "from_bytes"};

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (!strcmp(refused[i], name))
            return true;
    return false;
}

/* The parameter's place in "old new count"; false: no such name. */
static bool
parameter_place(const char *parameters, const char *name, size_t *place)
{
    size_t n = strlen(name);

    *place = 0;
    for (const char *p = parameters; *p; (*place)++) {
        size_t word = strcspn(p, " ");

        if (word == n && !memcmp(p, name, n))
            return true;
        p += word + (p[word] == ' ');
    }
    return false;
}

static size_t
parameter_count(const char *parameters)
{
    size_t n = *parameters != 0;

    for (; *parameters; parameters++)
        n += *parameters == ' ';
    return n;
}

struct value
jinja_invoke(struct jinja_run *run, const struct builtin *b, struct value self,
             const struct arguments *a)
{
    struct value p[PARAMETERS_MAX];
    size_t n, place;

    if (!jinja_step(run, 1))
        return self;
    if (b->call_any)
        return b->call_any(run, self, a);
    n = parameter_count(b->parameters);
    for (size_t i = 0; i < PARAMETERS_MAX; i++)
        p[i] = (struct value){.type = JINJA_ABSENT};
    if (a->n > n)
        return jinja_fail(run, "%s takes at most %zu arguments, not %zu", b->name, n, a->n);
    for (size_t i = 0; i < a->n; i++)
        p[i] = a->values[i];
    for (size_t i = 0; i < a->keywords_n; i++) {
        if (!parameter_place(b->parameters, a->keywords[i].name, &place))
            return jinja_fail(run, "%s takes no argument '%s'", b->name, a->keywords[i].name);
        if (given(p[place]))
            return jinja_fail(run, "%s: two values for '%s'", b->name, a->keywords[i].name);
        p[place] = a->keywords[i].value;
    }
    for (size_t i = 0; i < b->needed; i++)
        if (!given(p[i]))
            return jinja_fail(run, "%s lacks an argument (%s)", b->name, b->parameters);
    return b->call(run, self, p);
}

int64_t
argument_int(struct jinja_run *run, struct value v, int64_t otherwise)
{
    if (!given(v))
        return otherwise;
    if (value_is_integer(v))
        return v.i;
    if (v.type == JINJA_UNDEFINED)
        jinja_fail_undefined(run, v);
    jinja_fail(run, "an integer is expected, not '%s'", value_type_name(v));
    return otherwise;
}

struct value
argument_text(struct jinja_run *run, struct value v, const char *what)
{
    if (v.type == JINJA_STRING)
        return v;
    if (v.type == JINJA_UNDEFINED)
        jinja_fail_undefined(run, v);
    jinja_fail(run, "%s: a string is expected, not '%s'", what, value_type_name(v));
    return value_text("", 0);
}

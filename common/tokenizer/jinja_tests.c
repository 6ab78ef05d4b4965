/* Tests of templates: what stands behind `is`. */
#include "text/python.h"
#include "tokenizer/jinja_builtins.h"
#include "tokenizer/jinja_eval.h"

#define TEST(name, answer)                                                                    \
    static struct value name(struct jinja_run *run, struct value self, const struct value *p) \
    {                                                                                         \
        (void)run;                                                                            \
        (void)p;                                                                              \
        return value_bool(answer);                                                            \
    }

static struct value
remainder_is(struct jinja_run *run, struct value self, struct value by, int64_t rest)
{
    struct value r = jinja_binary(run, '%', self, by);

    return value_bool(!run->failed && value_equal(run, r, value_int(rest)));
}

static struct value
odd(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return remainder_is(run, self, value_int(2), 1);
}

static struct value
even(struct jinja_run *run, struct value self, const struct value *p)
{
    (void)p;
    return remainder_is(run, self, value_int(2), 0);
}

static struct value
divisibleby(struct jinja_run *run, struct value self, const struct value *p)
{
    return remainder_is(run, self, p[0], 0);
}

static bool
is_sequence(struct value v)
{
    return v.type == JINJA_STRING || v.type == JINJA_LIST || v.type == JINJA_TUPLE ||
           v.type == JINJA_RANGE || v.type == JINJA_DICT || v.type == JINJA_UNDEFINED;
}

static bool
is_callable(struct value v)
{
    return v.type == JINJA_MACRO || v.type == JINJA_FUNCTION || v.type == JINJA_METHOD ||
           v.type == JINJA_LOOP || v.type == JINJA_UNDEFINED;
}

static bool
same(struct jinja_run *run, struct value a, struct value b)
{
    if (a.type != b.type)
        return false;
    if (a.type == JINJA_NONE || a.type == JINJA_BOOL)
        return a.type == JINJA_NONE || a.i == b.i;
    if (a.type >= JINJA_LIST && a.type != JINJA_FUNCTION && a.type != JINJA_METHOD)
        return a.dict == b.dict;
    jinja_fail(run, "'sameas' on values of type '%s' is not supported", value_type_name(a));
    return false;
}

/* islower() and isupper() of the text. */
static bool
is_cased(struct jinja_run *run, struct value v, const char *method)
{
    struct value text = value_string(run, v);
    struct arguments none = {0};

    return !run->failed && jinja_invoke(run, jinja_method(text, method), text, &none).i;
}

static bool
names_builtin(struct value v, const struct builtin *(*find)(const char *))
{
    return v.type == JINJA_STRING && strlen(v.text) == v.n && find(v.text);
}

TEST(defined, self.type != JINJA_UNDEFINED)
TEST(undefined, self.type == JINJA_UNDEFINED)
TEST(none, self.type == JINJA_NONE)
TEST(boolean, self.type == JINJA_BOOL)
TEST(is_true, self.type == JINJA_BOOL && self.i)
TEST(is_false, self.type == JINJA_BOOL && !self.i)
TEST(integer, self.type == JINJA_INT)
TEST(is_float, self.type == JINJA_FLOAT)
TEST(number, value_is_number(self))
TEST(string, self.type == JINJA_STRING)
TEST(mapping, self.type == JINJA_DICT)
TEST(sequence, is_sequence(self))
TEST(iterable, value_iterable(self) || self.type == JINJA_LOOP)
TEST(callable, is_callable(self))
TEST(sameas, same(run, self, p[0]))
TEST(escaped, self.safe)
TEST(lower, is_cased(run, self, "islower"))
TEST(upper, is_cased(run, self, "isupper"))
TEST(filter, names_builtin(self, jinja_filter))
TEST(test, names_builtin(self, jinja_test))
TEST(in, jinja_compare(run, 'i', self, p[0]))
TEST(eq, jinja_compare(run, '=', self, p[0]))
TEST(ne, jinja_compare(run, '!', self, p[0]))
TEST(lt, jinja_compare(run, '<', self, p[0]))
TEST(le, jinja_compare(run, 'l', self, p[0]))
TEST(gt, jinja_compare(run, '>', self, p[0]))
TEST(ge, jinja_compare(run, 'g', self, p[0]))

#define PLAIN(text, function)                            \
    {                                                    \
        .name = text, .parameters = "", .call = function \
    }
#define WITH(text, function)                                               \
    {                                                                      \
        .name = text, .parameters = "other", .needed = 1, .call = function \
    }

const struct builtin jinja_value_tests[] = {
    PLAIN("boolean", boolean),
    PLAIN("callable", callable),
    PLAIN("defined", defined),
    WITH("divisibleby", divisibleby),
    PLAIN("escaped", escaped),
    PLAIN("even", even),
    PLAIN("false", is_false),
    PLAIN("filter", filter),
    PLAIN("float", is_float),
    WITH("in", in),
    PLAIN("integer", integer),
    PLAIN("iterable", iterable),
    PLAIN("lower", lower),
    PLAIN("mapping", mapping),
    PLAIN("none", none),
    PLAIN("number", number),
    PLAIN("odd", odd),
    WITH("sameas", sameas),
    PLAIN("sequence", sequence),
    PLAIN("string", string),
    PLAIN("test", test),
    PLAIN("true", is_true),
    PLAIN("undefined", undefined),
    PLAIN("upper", upper),
    WITH("==", eq),
    WITH("eq", eq),
    WITH("equalto", eq),
    WITH("!=", ne),
    WITH("ne", ne),
    WITH("<", lt),
    WITH("lt", lt),
    WITH("lessthan", lt),
    WITH("<=", le),
    WITH("le", le),
    WITH(">", gt),
    WITH("gt", gt),
    WITH("greaterthan", gt),
    WITH(">=", ge),
    WITH("ge", ge),
    {0},
};

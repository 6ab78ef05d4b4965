#include "base/opt.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/opt_table.h"
#include "base/vec.h"
#include "base/version.h"

struct opt_common common;

struct presence {
    const struct opt *option;
    bool config; /* in a --config file or preset */
};

/* The options that were present, in their order; a process has one table. */
static VEC(struct presence) present;

bool
opt_takes_argument(const struct opt *o)
{
    switch (o->type) {
    case OPT_FLAG:
        return o->flags & OPT_YESNO;
    case OPT_HELP:
    case OPT_VERSION:
    case OPT_DUMP:
    case OPT_MORE:
    case OPT_GROUP:
        return false;
    default:
        return true;
    }
}

const char *
opt_choice(const char *choices, int n, size_t *length)
{
    for (; choices; n--) {
        *length = strcspn(choices, "|");
        if (n == 0)
            return choices;
        choices = choices[*length] ? choices + *length + 1 : NULL;
    }
    return NULL;
}

static const struct opt *
find_name(const struct opt_tool *tool, const char *name, size_t length)
{
    for (const struct opt *o = tool->options; !opt_is_end(o); o++)
        if (o->name && strlen(o->name) == length && memcmp(o->name, name, length) == 0)
            return o;
    return NULL;
}

static const struct opt *
find_letter(const struct opt_tool *tool, char letter)
{
    for (const struct opt *o = tool->options; !opt_is_end(o); o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

/* ---- values from text --------------------------------------------------------- */

static bool
bounded(const struct opt *o)
{
    return o->min != 0 || o->max != 0;
}

static bool
in_bounds(const struct opt *o, double value)
{
    return !bounded(o) || (value >= o->min && value <= o->max);
}

static int
expected(const struct opt *o, const char *what, const char *value)
{
    struct str range = {0};

    if (bounded(o)) {
        str_addf(&range, o->max < 1e15 ? " from %.15g to %.15g" : " of at least %.15g", o->min,
                 o->max);
    }
    err_set(STATUS_USAGE, "--%s: expected %s%s, not '%s'", o->name, what,
            range.data ? range.data : "", value);
    str_release(&range);
    return -1;
}

static int
set_int(const struct opt *o, const char *value)
{
    int64_t n;

    if (parse_int(value, &n) != 0 || !in_bounds(o, (double)n))
        return expected(o, "an integer", value);
    *(int64_t *)o->target = n;
    return 0;
}

static int
set_unsigned(const struct opt *o, const char *value)
{
    bool size = o->type == OPT_SIZE;
    uint64_t n;

    if ((size ? parse_size(value, &n) : parse_count(value, &n)) != 0 || !in_bounds(o, (double)n))
        return expected(o, size ? "a size (as 512M)" : "a count (as 1.5M)", value);
    *(uint64_t *)o->target = n;
    return 0;
}

static int
set_real(const struct opt *o, const char *value)
{
    double x;

    if (parse_double(value, &x) != 0 || !in_bounds(o, x))
        return expected(o, "a number", value);
    *(double *)o->target = x;
    return 0;
}

/* Which of the choices it is; -1: none. */
static int
choice_of(const struct opt *o, const char *value)
{
    const char *choice;
    size_t length;

    for (int n = 0; (choice = opt_choice(o->choices, n, &length)); n++)
        if (strlen(value) == length && memcmp(choice, value, length) == 0)
            return n;
    return -1;
}

static int
set_choice(const struct opt *o, const char *value)
{
    int n = choice_of(o, value);

    if (n >= 0) {
        *(int *)o->target = n;
        return 0;
    }
    return err_set(STATUS_USAGE, "--%s: expected one of %s, not '%s'", o->name, o->choices, value);
}

static int
set_flag(const struct opt *o, const char *value)
{
    bool yes = strcmp(value, "yes") == 0;

    if (!yes && strcmp(value, "no") != 0)
        return err_set(STATUS_USAGE, "--%s: expected yes or no, not '%s'", o->name, value);
    *(bool *)o->target = yes;
    return 0;
}

static int
set_more(const struct opt *o, const char *value)
{
    int64_t n;

    if (parse_int(value, &n) != 0 || n < 0 || n > 9)
        return err_set(STATUS_USAGE, "--%s: expected a level from 0 to 9, not '%s'", o->name,
                       value);
    *(int *)o->target = (int)n;
    return 0;
}

/* `value` may live as long as the process: argv, or a copy. */
static int
set_value(const struct opt *o, const char *value)
{
    switch (o->type) {
    case OPT_FLAG:
        return set_flag(o, value);
    case OPT_STRING:
        *(const char **)o->target = value;
        return 0;
    case OPT_LIST:
        vec_push((struct opt_list *)o->target, value);
        return 0;
    case OPT_INT:
        return set_int(o, value);
    case OPT_COUNT:
    case OPT_SIZE:
        return set_unsigned(o, value);
    case OPT_REAL:
        return set_real(o, value);
    case OPT_CHOICE:
        return set_choice(o, value);
    case OPT_MORE:
        return set_more(o, value);
    default:
        return err_set(STATUS_USAGE, "--%s: cannot be set to a value", o->name);
    }
}

static void
mark_given(const struct opt *o, bool config)
{
    vec_push(&present, ((struct presence){o, config}));
    if (o->given)
        *o->given = true;
}

void
opt_defaults(const struct opt_tool *tool)
{
    for (const struct opt *o = tool->options; !opt_is_end(o); o++)
        if (o->fallback && o->target && set_value(o, o->fallback) != 0)
            die(STATUS_FAILED, "default of %s", err_text());
}

/* ---- values as text ------------------------------------------------------------ */

static void
add_list(struct str *out, const struct opt_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        if (i)
            str_addc(out, '\n');
        for (const char *p = list->data[i]; *p; p++) {
            if (*p == '\n' || *p == '\\')
                str_addc(out, '\\');
            str_addc(out, *p == '\n' ? 'n' : *p);
        }
    }
}

static void
set_list(struct opt_list *list, const char *value)
{
    struct str item = {0};

    for (const char *p = value;; p++) {
        if (*p && *p != '\n') {
            bool escaped = *p == '\\' && (p[1] == '\\' || p[1] == 'n');

            p += escaped;
            str_addc(&item, escaped && *p == 'n' ? '\n' : *p);
            continue;
        }
        vec_push(list, str_take(&item));
        if (!*p)
            return;
    }
}

int
opt_set(const struct opt_tool *tool, const char *name, const char *value)
{
    const struct opt *o = find_name(tool, name, strlen(name));

    if (!o || !o->target)
        return err_set(STATUS_USAGE, "--%s: no such option", name);
    if (o->type == OPT_LIST) {
        set_list(o->target, value);
        return 0;
    }
    return set_value(o, o->type == OPT_STRING ? mem_strdup(value) : value);
}

char *
opt_get(const struct opt_tool *tool, const char *name)
{
    const struct opt *o = find_name(tool, name, strlen(name));
    const char *text;
    struct str out = {0};
    size_t length;

    if (!o || !o->target)
        return NULL;
    switch (o->type) {
    case OPT_FLAG:
        return mem_strdup(*(bool *)o->target ? "yes" : "no");
    case OPT_STRING:
        text = *(const char **)o->target;
        return text ? mem_strdup(text) : NULL;
    case OPT_LIST:
        if (((struct opt_list *)o->target)->len == 0)
            return NULL;
        add_list(&out, o->target);
        break;
    case OPT_INT:
        str_addf(&out, "%" PRId64, *(int64_t *)o->target);
        break;
    case OPT_COUNT:
    case OPT_SIZE:
        str_addf(&out, "%" PRIu64, *(uint64_t *)o->target);
        break;
    case OPT_REAL:
        str_add_real(&out, *(double *)o->target);
        break;
    case OPT_CHOICE:
        text = *(int *)o->target < 0 ? NULL : opt_choice(o->choices, *(int *)o->target, &length);
        return text ? mem_strndup(text, length) : NULL;
    case OPT_MORE:
        str_addf(&out, "%d", *(int *)o->target);
        break;
    default:
        return NULL;
    }
    return str_take(&out);
}

/* Where it was given last; NULL: nowhere. */
static const struct presence *
last_presence(const struct opt_tool *tool, const char *name)
{
    const struct opt *o = find_name(tool, name, strlen(name));

    for (size_t i = present.len; i-- > 0;)
        if (present.data[i].option == o)
            return &present.data[i];
    return NULL;
}

bool
opt_given(const struct opt_tool *tool, const char *name)
{
    return last_presence(tool, name) != NULL;
}

bool
opt_from_config(const struct opt_tool *tool, const char *name)
{
    const struct presence *p = last_presence(tool, name);

    return p && p->config;
}

/* ---- --config files -------------------------------------------------------------- */

static char *
trim(char *s)
{
    char *end;

    while (isspace((unsigned char)*s))
        s++;
    for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    return s;
}

static int
config_line(const struct opt_tool *tool, char *line)
{
    char *name = trim(line), *value = strchr(name, '=');
    const struct opt *o;

    if (!*name || *name == '#')
        return 0;
    if (!value)
        return err_set(STATUS_USAGE, "expected name = value");
    *value++ = '\0';
    name = trim(name);
    if (str_starts(name, "--"))
        name += 2;
    o = find_name(tool, name, strlen(name));
    if (!o || !o->target) {
        char *nearest = o ? NULL : opt_nearest(tool, name);

        err_set(STATUS_USAGE, "no option is named '%s'%s%s", name,
                nearest ? "; the nearest is " : "", nearest ? nearest : "");
        free(nearest);
        return -1;
    }
    if (set_value(o, mem_strdup(trim(value))) != 0)
        return -1;
    mark_given(o, true);
    return 0;
}

/* A file, or else a preset of the program; a directory of that name is none. */
static int
load_config(const struct opt_tool *tool, const char *name, struct str *text)
{
    enum { CONFIG_MAX = 1 << 20 };
    const char *preset;
    size_t n = 0;

    if (!tool->preset || (file_exists(name) && !file_is_dir(name)))
        return file_load(name, CONFIG_MAX, text);
    preset = tool->preset(name, &n);
    if (preset)
        str_add(text, preset, n);
    return preset ? 0 : -1;
}

static void
read_config(const struct opt_tool *tool, const char *path)
{
    struct str text = {0};
    size_t number = 1;

    if (load_config(tool, path, &text) != 0)
        die_err();
    if (text.data[strspn(text.data, " \t\r\n")] == '{')
        die(STATUS_USAGE, "--config: %s: is JSON, not lines of name = value; a model's "
                          "config.json goes with --model", path);
    for (char *line = text.data; line; number++) {
        char *end = strchr(line, '\n');

        if (end)
            *end++ = '\0';
        if (config_line(tool, line) != 0)
            die(STATUS_USAGE, "--config: %s: line %zu: %s", path, number, err_text());
        line = end;
    }
    str_release(&text);
}

/* ---- the command line -------------------------------------------------------------- */

static void
unknown(const struct opt_tool *tool, const char *name)
{
    char *nearest = opt_nearest(tool, name);

    if (nearest)
        die(STATUS_USAGE, "unknown option --%s; did you mean %s?", name, nearest);
    die(STATUS_USAGE, "unknown option --%s; see %s --help", name, tool->name);
}

static void
print_and_leave(const struct opt_tool *tool, enum opt_type type)
{
    struct str out = {0};

    if (type == OPT_HELP)
        opt_add_help(tool, &out);
    else if (type == OPT_DUMP)
        opt_add_dump(tool, &out);
    else
        str_addf(&out, "%s %s\n", tool->name, version_string);
    print_text(out.data ? out.data : "");
    if (type == OPT_VERSION && tool->version)
        tool->version();
    finish(STATUS_OK);
}

static void
apply(const struct opt_tool *tool, const struct opt *o, const char *value)
{
    switch (o->type) {
    case OPT_HELP:
    case OPT_VERSION:
    case OPT_DUMP:
        print_and_leave(tool, o->type);
        break;
    case OPT_CONFIG:
        read_config(tool, value);
        break;
    case OPT_MORE:
        ++*(int *)o->target;
        break;
    default:
        if (set_value(o, value) != 0)
            die(STATUS_USAGE, "%s", err_text());
    }
    mark_given(o, false);
}

struct cursor {
    char **next, **end;
};

static const char *
next_argument(struct cursor *c, const struct opt *o)
{
    if (o->flags & OPT_OPTIONAL && (c->next == c->end || choice_of(o, *c->next) < 0))
        return "yes";
    if (c->next == c->end)
        die(STATUS_USAGE, "--%s: needs %s", o->name, o->placeholder ? o->placeholder : "a value");
    return *c->next++;
}

static void
long_option(const struct opt_tool *tool, const char *text, struct cursor *c)
{
    const char *equals = strchr(text, '=');
    size_t length = equals ? (size_t)(equals - text) : strlen(text);
    const struct opt *o = find_name(tool, text, length);
    const char *value = "yes";

    if (!o && str_starts(text, "no-")) {
        o = find_name(tool, text + 3, length - 3);
        if (o && !(o->flags & OPT_NEGATABLE))
            o = NULL;
        value = "no";
    }
    if (!o) {
        char *name = mem_strndup(text, length);

        unknown(tool, name);
    } else if (opt_takes_argument(o)) {
        value = equals ? equals + 1 : next_argument(c, o);
    } else if (equals) {
        die(STATUS_USAGE, "--%s: takes no value", o->name);
    }
    apply(tool, o, value);
}

/* "-x", "-xVALUE", "-x VALUE" and flags together, "-qv". */
static void
short_options(const struct opt_tool *tool, const char *text, struct cursor *c)
{
    for (; *text; text++) {
        const struct opt *o = find_letter(tool, *text);

        if (!o)
            die(STATUS_USAGE, "unknown option -%c; see %s --help", *text, tool->name);
        if (opt_takes_argument(o)) {
            apply(tool, o, text[1] ? text + 1 : next_argument(c, o));
            return;
        }
        apply(tool, o, "yes");
    }
}

int
opt_parse(const struct opt_tool *tool, int argc, char **argv, char ***operands)
{
    struct cursor c = {argv + 1, argv + argc};
    char **found = mem_zarray((size_t)argc + 1, sizeof *found);
    int n = 0;

    die_set_tool(tool->name);
    opt_defaults(tool);
    while (c.next < c.end) {
        char *text = *c.next++;

        if (strcmp(text, "--") == 0) {
            while (c.next < c.end)
                found[n++] = *c.next++;
        } else if (str_starts(text, "--")) {
            long_option(tool, text + 2, &c);
        } else if (text[0] == '-' && text[1]) {
            short_options(tool, text + 1, &c);
        } else {
            found[n++] = text;
        }
    }
    die_set_verbosity(common.quiet ? 0 : 1 + common.verbose);
    *operands = found;
    return n;
}

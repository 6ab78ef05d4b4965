/* What an option table says about itself: --help, --dump-options, suggestions. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt_table.h"
#include "base/utf8.h"

enum { COLUMNS = 80, TEXT_COLUMN = 28 };

static size_t
width(const char *s)
{
    return utf8_count(s, strlen(s));
}

static void
pad_to(struct str *out, size_t from, size_t column)
{
    for (; from < column; from++)
        str_addc(out, ' ');
}

/* What stands for the argument: the placeholder, or the choices where they fit the column. */
static const char *
argument_name(const struct opt *o)
{
    if (o->flags & OPT_OPTIONAL)
        return o->placeholder;
    if (o->type == OPT_CHOICE && strlen(o->choices) + strlen(o->name) <= TEXT_COLUMN - 11)
        return o->choices;
    if (o->flags & OPT_YESNO && !o->placeholder)
        return "yes|no";
    return o->placeholder ? o->placeholder : "VALUE";
}

/* "  -o, --output FILE" */
static void
add_synopsis(const struct opt *o, struct str *out)
{
    if (o->letter)
        str_addf(out, "  -%c, ", o->letter);
    else
        str_adds(out, "      ");
    str_addf(out, "--%s%s", o->flags & OPT_NEGATABLE ? "[no-]" : "", o->name);
    if (opt_takes_argument(o))
        str_addf(out, " %s", argument_name(o));
}

/* The help line, what may be chosen and the default, where they are not yet said. */
static char *
description(const struct opt *o)
{
    struct str text = {0};

    str_adds(&text, o->help ? o->help : "");
    if (o->type == OPT_CHOICE && !(o->flags & OPT_OPTIONAL) && o->choices != argument_name(o))
        str_addf(&text, ": %s", o->choices);
    if (o->fallback && (o->type != OPT_FLAG || (o->flags & OPT_YESNO)))
        str_addf(&text, " [%s]", o->fallback);
    return str_take(&text);
}

/* Bytes of the next word; of a list of choices too long for a line, those that fit one. */
static size_t
next_word(const char *text)
{
    size_t length = strcspn(text, " "), fits = length;

    while (utf8_count(text, fits) > COLUMNS - TEXT_COLUMN) {
        size_t shorter = fits - 1;

        while (shorter > 0 && text[shorter - 1] != '|')
            shorter--;
        if (shorter == 0)
            return length;
        fits = shorter;
    }
    return fits;
}

/* Words up to the last column, further lines indented to TEXT_COLUMN. */
static void
add_wrapped(struct str *out, size_t column, const char *text)
{
    bool first = true;

    while (*text) {
        size_t length = next_word(text), columns = utf8_count(text, length);

        if (!first && column + 1 + columns > COLUMNS) {
            str_addc(out, '\n');
            pad_to(out, 0, TEXT_COLUMN);
            column = TEXT_COLUMN;
        } else if (!first) {
            str_addc(out, ' ');
            column++;
        }
        str_add(out, text, length);
        column += columns;
        text += length;
        text += strspn(text, " ");
        first = false;
    }
    str_addc(out, '\n');
}

static void
add_option(const struct opt *o, struct str *out)
{
    struct str line = {0};
    size_t column;
    char *text = description(o);

    add_synopsis(o, &line);
    column = width(line.data);
    str_adds(out, line.data);
    if (column + 1 >= TEXT_COLUMN) { /* too long to stand beside its text */
        str_addc(out, '\n');
        column = 0;
    }
    pad_to(out, column, TEXT_COLUMN);
    add_wrapped(out, TEXT_COLUMN, text);
    free(text);
    str_release(&line);
}

void
opt_add_help(const struct opt_tool *tool, struct str *out)
{
    str_addf(out, "Usage: %s %s\n", tool->name, tool->usage);
    str_addf(out, "%s\n", tool->purpose);
    for (const struct opt *o = tool->options; !opt_is_end(o); o++) {
        if (o->type == OPT_GROUP)
            str_addf(out, "\n%s:\n", o->help);
        else if (!(o->flags & OPT_HIDDEN))
            add_option(o, out);
    }
    str_addf(out, "\nSee %s(1).\n", tool->name);
}

static const char *
type_name(const struct opt *o)
{
    static const char *const names[] = {
        [OPT_FLAG] = "flag",     [OPT_STRING] = "string", [OPT_LIST] = "list",
        [OPT_INT] = "int",       [OPT_COUNT] = "count",   [OPT_SIZE] = "size",
        [OPT_REAL] = "real",     [OPT_CHOICE] = "choice", [OPT_HELP] = "help",
        [OPT_VERSION] = "version", [OPT_DUMP] = "dump",   [OPT_CONFIG] = "config",
        [OPT_MORE] = "more",     [OPT_GROUP] = "group",
    };

    if (o->type == OPT_FLAG && o->flags & OPT_NEGATABLE)
        return "negatable";
    if (o->type == OPT_FLAG && o->flags & OPT_YESNO)
        return "yesno";
    if (o->flags & OPT_OPTIONAL)
        return "optional";
    return names[o->type];
}

static const char *
or_dash(const char *s)
{
    return s && *s ? s : "-";
}

void
opt_add_dump(const struct opt_tool *tool, struct str *out)
{
    for (const struct opt *o = tool->options; !opt_is_end(o); o++) {
        char letter[2] = {o->letter, '\0'};

        if (o->type == OPT_GROUP || o->flags & OPT_HIDDEN)
            continue;
        str_addf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o->name, or_dash(letter),
                 opt_takes_argument(o) ? argument_name(o) : "-", type_name(o),
                 or_dash(o->fallback), or_dash(o->choices), or_dash(o->help));
    }
}

/* Names that differ in a third of their letters are not meant. */
static void
compare(const char *name, const char *prefix, const char *rest, unsigned *best, char **nearest)
{
    char *known = mem_printf("--%s%s", prefix, rest);
    unsigned distance = edit_distance(name, known + 2);

    if (str_starts(known + 2, name))
        distance = 1; /* an abbreviation */
    if (distance < *best && distance <= width(name) / 3 + 1) {
        *best = distance;
        free(*nearest);
        *nearest = known;
        return;
    }
    free(known);
}

char *
opt_nearest(const struct opt_tool *tool, const char *name)
{
    char *nearest = NULL;
    unsigned best = UINT32_MAX;

    for (const struct opt *o = tool->options; !opt_is_end(o); o++) {
        if (!o->name || o->flags & OPT_HIDDEN)
            continue;
        compare(name, "", o->name, &best, &nearest);
        if (o->flags & OPT_NEGATABLE)
            compare(name, "no-", o->name, &best, &nearest);
    }
    return nearest;
}

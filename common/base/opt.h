#ifndef BASE_OPT_H
#define BASE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Options are data: one table a tool, from which parsing, --help, --dump-options
 * (a TSV that completions and the manual's test are made from), --config files
 * and the checkpoint's option record all come.
 */
enum opt_type {
    OPT_FLAG,    /* bool: no argument; with OPT_NEGATABLE also --no-NAME */
    OPT_STRING,  /* const char * */
    OPT_LIST,    /* struct opt_list: repeatable strings, in order */
    OPT_INT,     /* int64_t, within [min, max] */
    OPT_COUNT,   /* uint64_t, k M G T of 1000 */
    OPT_SIZE,    /* uint64_t, K M G T of 1024 */
    OPT_REAL,    /* double, within [min, max] */
    OPT_CHOICE,  /* int: index into `choices` ("a|b|c") */
    OPT_HELP,    /* prints help and exits 0 */
    OPT_VERSION, /* prints version and exits 0 */
    OPT_DUMP,    /* hidden --dump-options */
    OPT_CONFIG,  /* --config FILE: read in place */
    OPT_MORE,    /* counts up an int (-v) */
    OPT_GROUP    /* not an option: a heading in --help */
};

enum {
    OPT_NEGATABLE = 1,
    OPT_HIDDEN = 2,
    OPT_YESNO = 4, /* OPT_FLAG that takes yes|no (also --no-NAME not offered) */
    OPT_OPTIONAL = 8 /* OPT_CHOICE of no|yes|… that may stand alone, as a flag: then it is yes; the next
                        word belongs to it only where it is one of the choices */
};

struct opt_list {
    const char **data;
    size_t len, cap;
};

struct opt {
    enum opt_type type;
    int flags;
    char letter;             /* 0: none */
    const char *name;        /* long name, without dashes */
    const char *placeholder; /* FILE, N, ...; NULL for flags */
    void *target;            /* where the value goes; set to the default before parsing */
    const char *fallback;    /* default as text, parsed like an argument; NULL: target untouched */
    const char *choices;     /* for OPT_CHOICE */
    double min, max;         /* for numbers; both 0: no bound but the type's */
    const char *help;        /* one line, lower case, no full stop */
    bool *given;             /* optional: set when the option was present */
};

struct opt_tool {
    const char *name;        /* "llm-train" */
    const char *usage;       /* "[options] SHARD…|-" */
    const char *purpose;     /* one line */
    const struct opt *options; /* ends with an entry whose name and type's heading are NULL */
    void (*version)(void);   /* prints the build's facts after "llm-train 1.0" */
    /* Optional: the text (n bytes) of a --config that is no file, by name. NULL and an error: none such. */
    const char *(*preset)(const char *name, size_t *n);
};

/*
 * Parses argv: options may stand between operands, "--" ends them, "-" is an
 * operand, "--name=value" and "--name value", "-n value" and "-nvalue"; nothing is
 * abbreviated. A bad command line dies with STATUS_USAGE (an unknown option
 * suggests the nearest). Returns the number of operands, which *operands lists.
 */
int opt_parse(const struct opt_tool *tool, int argc, char **argv, char ***operands);

/* Sets every target to its fallback; opt_parse does this first. */
void opt_defaults(const struct opt_tool *tool);

/*
 * Sets one option from text (a flag: yes or no). A list takes what opt_get gave:
 * items after those it has, a line each, with \n and \\ for newline and
 * backslash. Not counted as given. 0 or -1 (STATUS_USAGE).
 */
int opt_set(const struct opt_tool *tool, const char *name, const char *value);

/* The option's current value as text that opt_set would take; allocated. NULL: none such or unset. */
char *opt_get(const struct opt_tool *tool, const char *name);

/* Was the option given on the command line or in a --config file? */
bool opt_given(const struct opt_tool *tool, const char *name);

/* Does its value come from a --config file or preset, rather than from the command line? */
bool opt_from_config(const struct opt_tool *tool, const char *name);

/* Options every tool shares (CLI.md); splice OPT_COMMON into the table and read `common`. */
struct opt_common {
    int64_t threads;   /* 0: not given */
    int64_t seed;      /* default 1 */
    const char *log;
    bool progress;     /* meaningful when progress_given */
    bool progress_given;
    int on_error;      /* enum on_error */
    bool on_error_given;
    uint64_t memory;   /* 0: not given */
    const char *tmpdir;
    bool quiet;
    int verbose;
};
extern struct opt_common common;

enum on_error { ON_ERROR_STOP, ON_ERROR_SKIP };

#define OPT_COMMON                                                                               \
    {.type = OPT_GROUP, .help = "Common"},                                                        \
    {.type = OPT_HELP, .letter = 'h', .name = "help", .help = "show this help"},                  \
    {.type = OPT_VERSION, .name = "version", .help = "show version and build"},                   \
    {.type = OPT_FLAG, .letter = 'q', .name = "quiet", .target = &common.quiet, .help = "errors only"}, \
    {.type = OPT_MORE, .letter = 'v', .name = "verbose", .target = &common.verbose, .help = "more messages"}, \
    {.type = OPT_INT, .name = "threads", .placeholder = "N", .target = &common.threads, .min = 1, .max = 4096, .help = "compute threads (per rank)"}, \
    {.type = OPT_INT, .name = "seed", .placeholder = "N", .target = &common.seed, .fallback = "1", .min = 0, .max = 9007199254740992.0, .help = "seed of everything random"}, \
    {.type = OPT_CONFIG, .name = "config", .placeholder = "FILE", .help = "read options from FILE (name = value)"}, \
    {.type = OPT_STRING, .name = "log", .placeholder = "FILE", .target = &common.log, .help = "write events as JSON lines"}, \
    {.type = OPT_FLAG, .flags = OPT_NEGATABLE, .name = "progress", .target = &common.progress, .given = &common.progress_given, .help = "progress meter (default: on a terminal)"}, \
    {.type = OPT_CHOICE, .name = "on-error", .placeholder = "WHAT", .target = &common.on_error, .choices = "stop|skip", .given = &common.on_error_given, .help = "what a faulty input does"}, \
    {.type = OPT_SIZE, .name = "memory", .placeholder = "SIZE", .target = &common.memory, .help = "memory to use (default: half of what is free)"}, \
    {.type = OPT_STRING, .name = "tmpdir", .placeholder = "DIR", .target = &common.tmpdir, .help = "directory of temporary files"}, \
    {.type = OPT_DUMP, .flags = OPT_HIDDEN, .name = "dump-options"}

#define OPT_END {.type = OPT_GROUP}

#endif

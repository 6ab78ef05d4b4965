/* base/opt.h: parsing, --config, values as text, help; base/die.h: messages and exit codes. */
#include "base/opt.h"

#include <stdlib.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "tests/unit/child.h"
#include "tests/unit/tap.h"

static struct {
    const char *output;
    int64_t length;
    uint64_t tokens, size;
    double rate;
    int schedule, plan;
    struct opt_list include;
    bool mask, flag, rate_given;
} o;

static const struct opt options[] = {
    {.type = OPT_GROUP, .help = "Input"},
    {.type = OPT_STRING, .letter = 'o', .name = "output", .placeholder = "FILE", .target = &o.output,
     .help = "where it goes"},
    {.type = OPT_INT, .name = "seq-length", .placeholder = "N", .target = &o.length, .min = 1,
     .max = 100, .fallback = "12", .help = "positions"},
    {.type = OPT_COUNT, .name = "tokens", .placeholder = "N", .target = &o.tokens, .help = "how many"},
    {.type = OPT_SIZE, .name = "size", .placeholder = "SIZE", .target = &o.size, .help = "how big"},
    {.type = OPT_REAL, .name = "lr", .placeholder = "X", .target = &o.rate, .min = 0, .max = 1,
     .fallback = "1e-4", .help = "rate", .given = &o.rate_given},
    {.type = OPT_CHOICE, .name = "schedule", .placeholder = "NAME", .target = &o.schedule,
     .choices = "cosine|linear|wsd", .fallback = "linear", .help = "the schedule"},
    {.type = OPT_CHOICE, .flags = OPT_OPTIONAL, .name = "plan", .placeholder = "[best]", .target = &o.plan,
     .choices = "no|yes|best", .help = "plan"},
    {.type = OPT_LIST, .name = "include", .placeholder = "GLOB", .target = &o.include,
     .help = "paths"},
    {.type = OPT_FLAG, .flags = OPT_YESNO, .name = "document-mask", .target = &o.mask,
     .fallback = "yes", .help = "mask"},
    {.type = OPT_FLAG, .letter = 'f', .name = "flag", .target = &o.flag, .help = "a flag"},
    OPT_COMMON,
    OPT_END,
};

/* One preset, which sets the length. */
static const char *
preset(const char *name, size_t *n)
{
    static const char text[] = "seq-length = 31\n";

    *n = sizeof text - 1;
    if (strcmp(name, "small") == 0)
        return text;
    err_set(STATUS_USAGE, "--config: %s: no such file or preset", name);
    return NULL;
}

static const struct opt_tool tool = {"llm-test", "[options] FILE…", "Tests options.", options, NULL, preset};

static char **operands;

/* Words of one command line, split at blanks; "\1" stands for a blank. */
static int
parse(const char *line)
{
    char *words = strdup(line), *argv[32];
    int argc = 0;

    for (char *word, *rest = words; argc < 31 && (word = strsep(&rest, " "));) {
        for (char *p = word; *p; p++)
            *p = *p == '\1' ? ' ' : *p;
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    memset(&o, 0, sizeof o);
    memset(&common, 0, sizeof common);
    return opt_parse(&tool, argc, argv, &operands);
}

static void
test_forms(void)
{
    int n = parse("t a -ox --seq-length=7 - -f --tokens 1.5M b -qv -- --lr -");

    ok(n == 5 && !strcmp(operands[0], "a") && !strcmp(operands[1], "-") &&
           !strcmp(operands[2], "b") && !strcmp(operands[3], "--lr") && !strcmp(operands[4], "-"),
       "operands stand between options, - is one, -- ends options");
    is_str(o.output, "x", "-oVALUE");
    ok(o.length == 7 && o.tokens == 1500000 && o.flag, "--name=value, --name value, a flag");
    ok(common.quiet && common.verbose == 1 && die_verbosity() == 0, "-qv together");
    is_near(o.rate, 1e-4, 0, "a default is parsed as an argument");
    ok(o.mask && o.schedule == 1 && !o.rate_given, "defaults of choices and yes|no");
    parse("t -o x --output y --include a --include b --document-mask no --schedule wsd --lr 0.5");
    ok(!strcmp(o.output, "y") && o.include.len == 2 && !o.mask && o.schedule == 2 && o.rate_given,
       "the last one counts, lists add up");
    parse("t --progress --no-progress --memory 1K");
    ok(!common.progress && common.progress_given && common.memory == 1024, "--no-NAME");
    ok(opt_given(&tool, "memory") && !opt_given(&tool, "threads"), "opt_given");
}

static void
test_optional(void)
{
    is_int(parse("t a"), 1, "an option whose argument may be left out");
    is_int(o.plan, 0, "is off when it is not there");
    ok(parse("t --plan a") == 1 && o.plan == 1 && !strcmp(operands[0], "a"), "alone it is yes, and the next word stays");
    ok(parse("t --plan") == 0 && o.plan == 1, "also at the end");
    ok(parse("t --plan --flag") == 0 && o.plan == 1 && o.flag, "and before another option");
    ok(parse("t --plan best b") == 1 && o.plan == 2, "it takes a word that is one of its choices");
    ok(parse("t --plan=best") == 0 && o.plan == 2, "also behind =");
    ok(parse("t --plan -- best") == 1 && o.plan == 1, "but not behind --");
    char *text = opt_get(&tool, "plan");
    is_str(text, "yes", "as text");
    free(text);
}

static void
test_text(void)
{
    static const char *const names[] = {"output", "seq-length", "tokens", "lr", "schedule",
                                        "include", "document-mask"};
    char *values[8], *include;

    parse("t -o a\1b --seq-length 9 --tokens 3k --lr 3e-4 --schedule cosine --document-mask no");
    opt_set(&tool, "include", "a\\\\n\\nb\nc");
    is_int((int64_t)o.include.len, 2, "a list is set from lines");
    is_str(o.include.data[0], "a\\n\nb", "with its escapes");
    for (size_t i = 0; i < 7; i++)
        values[i] = opt_get(&tool, names[i]);
    parse("t");
    ok(opt_get(&tool, "output") == NULL && opt_get(&tool, "nothing") == NULL, "unset is NULL");
    for (size_t i = 0; i < 7; i++) {
        char *again;

        ok(opt_set(&tool, names[i], values[i]) == 0, "--%s is set from '%s'", names[i], values[i]);
        again = opt_get(&tool, names[i]);
        is_str(again, values[i], "and gives it back");
        free(again);
    }
    include = opt_get(&tool, "include");
    is_str(include, "a\\\\n\\nb\nc", "a list as text");
    free(include);
    ok(opt_set(&tool, "lr", "fast") == -1 && err_status() == STATUS_USAGE, "a bad value is refused");
    for (size_t i = 0; i < 7; i++)
        free(values[i]);
}

static void
parse_line(void *line)
{
    parse(line);
}

static void
refused(const char *line, const char *message)
{
    char err[500], want[500];
    char *copy = strdup(line);

    is_int(in_child(parse_line, copy, NULL, err, sizeof err), 2, "'%s' is refused with 2", line);
    snprintf(want, sizeof want, "llm-test: %s\n", message);
    is_str(err, want, "and a message");
    free(copy);
}

static void
test_refusals(void)
{
    refused("t --sheed 3", "unknown option --sheed; did you mean --seed?");
    refused("t --no-progres", "unknown option --no-progres; did you mean --no-progress?");
    refused("t --thread 2", "unknown option --thread; did you mean --threads?");
    refused("t --xyzzy", "unknown option --xyzzy; see llm-test --help");
    refused("t --no-flag", "unknown option --no-flag; did you mean --flag?");
    refused("t -x", "unknown option -x; see llm-test --help");
    refused("t --output", "--output: needs FILE");
    refused("t --flag=yes", "--flag: takes no value");
    refused("t --seq-length 0", "--seq-length: expected an integer from 1 to 100, not '0'");
    refused("t --seq-length 1k", "--seq-length: expected an integer from 1 to 100, not '1k'");
    refused("t --tokens many", "--tokens: expected a count (as 1.5M), not 'many'");
    refused("t --lr 2", "--lr: expected a number from 0 to 1, not '2'");
    refused("t --schedule cosin", "--schedule: expected one of cosine|linear|wsd, not 'cosin'");
    refused("t --plan=worst", "--plan: expected one of no|yes|best, not 'worst'");
    refused("t --document-mask on", "--document-mask: expected yes or no, not 'on'");
}

static void
test_config(void)
{
    static const char good[] = "# comment\n\n seq-length = 33 \nquiet=yes\ninclude = a b\ninclude=c\n";

    file_store("good", good, strlen(good));
    parse("t --seq-length 5 --config good --lr 0.25");
    ok(o.length == 33 && common.quiet && o.include.len == 2 && o.rate == 0.25,
       "--config is read in place");
    is_str(o.include.data[0], "a b", "values keep inner blanks");
    ok(opt_given(&tool, "seq-length"), "what it names counts as given");
    ok(opt_from_config(&tool, "seq-length") && !opt_from_config(&tool, "lr"), "and as from a file");
    parse("t --config small --config good --seq-length 9");
    ok(o.length == 9 && !opt_from_config(&tool, "seq-length"), "the command line behind it overrides");
    parse("t --config small");
    is_int(o.length, 31, "a preset where there is no such file");
    file_mkdirs("small");
    parse("t --config small");
    is_int(o.length, 31, "a directory is none");
    refused("t --config none", "--config: none: no such file or preset");
    file_store("bad", "lr = 1\nsede = 3\n", 16);
    refused("t --config bad",
            "--config: bad: line 2: no option is named 'sede'; the nearest is --seed");
    file_store("value", "lr = 1\n\nlr = x\n", 15);
    refused("t --config value",
            "--config: value: line 3: --lr: expected a number from 0 to 1, not 'x'");
    file_store("config.json", " {\n", 3);
    refused("t --config config.json", "--config: config.json: is JSON, not lines of name = value; "
                                      "a model's config.json goes with --model");
}

static void
test_help(void)
{
    char err[500], text[8000];
    bool narrow = true;
    FILE *f;
    size_t n;

    is_int(in_child(parse_line, (void *)(uintptr_t)"t --help", NULL, err, sizeof err), 0, "--help exits with 0");
    f = fopen("child.out", "r");
    n = fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    fclose(f);
    ok(strstr(text, "\nInput:\n") && strstr(text, "\nCommon:\n"), "it is grouped");
    ok(strstr(text, "  -o, --output FILE         where it goes\n") != NULL, "a line an option");
    ok(strstr(text, "--schedule NAME       the schedule: cosine|linear|wsd [linear]\n") != NULL,
       "choices and default are shown");
    ok(strstr(text, "      --plan [best]         plan\n") != NULL, "and that an argument may be left out");
    ok(strstr(text, "dump-options") == NULL, "hidden options are not");
    for (char *line, *rest = text; (line = strsep(&rest, "\n"));)
        narrow &= strlen(line) <= 82; /* bytes; "…" has three */
    ok(narrow, "it fits 80 columns");
    is_int(in_child(parse_line, (void *)(uintptr_t)"t --help", "/dev/full", err, sizeof err), 1, "--help to a full disk fails");
    is_str(err, "llm-test: standard output: No space left on device\n", "with a message");
    is_int(in_child(parse_line, (void *)(uintptr_t)"t --version", NULL, err, sizeof err), 0, "--version");
}

static void
say(void *arg)
{
    (void)arg;
    die_set_rank(3);
    warn("a\033[31mb\n%s", "\xc2\x9b");
    die(STATUS_INPUT, "x.shard: offset %d: bad", 4096);
}

static void
test_messages(void)
{
    char err[500];

    is_int(in_child(say, NULL, NULL, err, sizeof err), 3, "die exits with its class");
    is_str(err, "llm-test: rank 3: a?[31mb???\nllm-test: rank 3: x.shard: offset 4096: bad\n",
           "control bytes are masked, the rank is named");
}

int
main(void)
{
    test_forms();
    test_optional();
    test_text();
    test_refusals();
    test_config();
    test_help();
    test_messages();
    return done();
}

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/die.h"
#include "base/mem.h"
#include "shuffle.h"

/* The length of the NAME before the first '=', or 0: [A-Za-z0-9._-]+ */
static size_t
name_length(const char *text)
{
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (text[n] && strchr("._-", text[n])))
        n++;
    return text[n] == '=' ? n : 0;
}

static struct operand
parse_operand(const char *text)
{
    struct operand o = {0};
    size_t n = name_length(text);
    if (n > 0) {
        o.name = mem_strndup(text, n);
        text += n + 1;
    }
    const char *colon = strrchr(text, ':');
    if (colon && ratio_is_decimal(colon + 1)) {
        o.weight = mem_strdup(colon + 1);
        o.path = mem_strndup(text, (size_t)(colon - text));
    } else {
        o.path = mem_strdup(text);
    }
    if (!*o.path)
        die(STATUS_USAGE, "%s: no shard is named", text);
    return o;
}

static const char *
shown(const struct operand *o)
{
    return strcmp(o->path, "-") == 0 ? "standard input" : o->path;
}

/* Without a tail (a pipe), or when salvaging, the file is only known once it was read. */
static void
look_at(struct inputs *in, struct operand *o)
{
    struct stat st;
    o->regular = strcmp(o->path, "-") != 0 && stat(o->path, &st) == 0 && S_ISREG(st.st_mode);
    in->all_regular &= o->regular;
    if (!o->regular || settings.salvage || settings.verify ||
        (common.on_error_given && common.on_error == ON_ERROR_SKIP))
        return;
    if (shard_summarize(o->path, &o->summary) != 0 ||
        inputs_check_head(in, o, &o->summary.head) != 0)
        die_err();
    for (size_t i = 0; i < o->summary.source_count; i++) {
        const struct shard_source *s = &o->summary.sources[i];
        inputs_source(in, o->name ? o->name : s->name, s->language);
    }
}

void
inputs_open(struct inputs *in, char **operands, int count)
{
    static char dash[] = "-", *standard_input[] = {dash};
    *in = (struct inputs){.all_regular = true};
    if (count == 0) {
        operands = standard_input;
        count = 1;
    }
    in->count = (size_t)count;
    in->operands = mem_zarray(in->count, sizeof *in->operands);
    int pipes = 0;
    for (int i = 0; i < count; i++) {
        in->operands[i] = parse_operand(operands[i]);
        pipes += strcmp(in->operands[i].path, "-") == 0;
    }
    if (pipes > 1)
        die(STATUS_USAGE, "standard input can be read only once");
    for (size_t i = 0; i < in->count; i++)
        look_at(in, &in->operands[i]);
}

void
inputs_close(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++) {
        struct operand *o = &in->operands[i];
        free(o->path);
        free(o->name);
        free(o->weight);
        shard_summary_release(&o->summary);
        vec_release(&o->sources);
    }
    free(in->operands);
    for (size_t i = 0; i < in->sources.len; i++) {
        free(in->sources.data[i].name);
        free(in->sources.data[i].language);
    }
    vec_release(&in->sources);
    free(in->head.provenance);
}

uint32_t
inputs_source(struct inputs *in, const char *name, const char *language)
{
    for (size_t i = 0; i < in->sources.len; i++)
        if (strcmp(in->sources.data[i].name, name) == 0)
            return (uint32_t)i;
    struct source s = {
        .name = mem_strdup(name),
        .language = mem_strdup(language),
        .weight = {0, 1},
        .epochs = {1, 1},
    };
    vec_push(&in->sources, s);
    return (uint32_t)in->sources.len - 1;
}

/* Adds the lines of `more` that are not yet in *text. */
static void
join_provenance(char **text, const char *more)
{
    struct str all = {0};
    str_adds(&all, *text ? *text : "");
    while (more && *more) {
        size_t n = strcspn(more, "\n");
        bool known = false;
        for (const char *p = all.data; p && !known && (p = memmem(p, strlen(p), more, n)); p++)
            known = (p == all.data || p[-1] == '\n') && (p[n] == '\0' || p[n] == '\n');
        if (!known && n > 0 && all.len + n + 1 < SHARD_PROVENANCE_MAX / 2) {
            if (all.len)
                str_addc(&all, '\n');
            str_add(&all, more, n);
        }
        more += n + (more[n] == '\n');
    }
    free(*text);
    *text = str_take(&all);
}

/* Are the shards joined as they are? What is packed already cannot be chosen from. */
static bool
joins_sequences(const struct inputs *in)
{
    return settings.no_shuffle && !settings.pack && !settings.salvage && !settings.dedup &&
           !settings.split.len && !settings.epochs.len && !settings.tokens &&
           !inputs_weighted(in) && !(common.on_error_given && common.on_error == ON_ERROR_SKIP);
}

int
inputs_check_head(struct inputs *in, const struct operand *o, const struct shard_head *head)
{
    uint32_t minhash = (uint32_t)head->bands * head->rows;
    if (head->seq_length && !joins_sequences(in))
        return err_set(STATUS_INPUT, "%s: block 0: offset 0: sequences of %u tokens are packed "
                       "already: --no-shuffle without any other choice joins them",
                       shown(o), head->seq_length);
    if (!in->have_head) {
        in->head = *head;
        in->head.provenance = NULL;
        in->minhash = minhash;
        in->have_head = true;
    } else if (shard_head_joins(&in->head, head) != 0) {
        return err_prefix("%s: block 0: offset 0", shown(o));
    }
    if (in->head.bands != head->bands || in->head.rows != head->rows)
        in->minhash = 0;
    join_provenance(&in->head.provenance, head->provenance);
    return 0;
}

/* ---- weights and epochs ----------------------------------------------------- */

static struct ratio
parse_share(const char *option, const char *text)
{
    struct ratio r;
    if (ratio_parse(text, &r) != 0)
        die(STATUS_USAGE, "%s: %s is not a decimal number of up to 9 digits on either side",
            option, text);
    return r;
}

/* The source that "NAME=VALUE" names; *value: what is behind the last '='. NULL: not there. */
static struct source *
named_source(struct inputs *in, const char *option, const char *text, const char **value)
{
    const char *equals = strrchr(text, '=');
    if (!equals || equals == text)
        die(STATUS_USAGE, "%s: %s is not NAME=NUMBER", option, text);
    *value = equals + 1;
    size_t n = (size_t)(equals - text);
    for (size_t i = 0; i < in->sources.len; i++)
        if (strlen(in->sources.data[i].name) == n && memcmp(in->sources.data[i].name, text, n) == 0)
            return &in->sources.data[i];
    return NULL;
}

static void
set_weight(struct source *s, const char *text)
{
    struct ratio r = parse_share("weight", text);
    if (s->weight_text &&
        (s->weight.num != r.num || s->weight.den != r.den))
        die(STATUS_USAGE, "source %s has two weights, %s and %s", s->name, s->weight_text, text);
    s->weight = r;
    s->weight_text = text;
}

/* The name of the one source that a weight without NAME= is for; NULL: not yet known. */
static const char *
only_source(const struct inputs *in, const struct operand *o)
{
    size_t count = o->summary.sources ? o->summary.source_count : o->sources.len;
    if (o->name || count == 0)
        return o->name;
    if (count > 1)
        die(STATUS_USAGE, "%s has %zu sources: a weight needs NAME= before it", shown(o), count);
    return o->summary.sources ? o->summary.sources[0].name
                              : in->sources.data[o->sources.data[0]].name;
}

static void
weigh_operand(struct inputs *in, const struct operand *o)
{
    const char *name = o->weight ? only_source(in, o) : NULL;
    for (size_t i = 0; i < in->sources.len && name; i++)
        if (strcmp(in->sources.data[i].name, name) == 0)
            set_weight(&in->sources.data[i], o->weight);
}

bool
inputs_weighted(const struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        if (in->operands[i].weight)
            return true;
    return settings.weight.len > 0;
}

uint64_t
inputs_tokens(const struct inputs *in)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < in->count && in->all_regular; i++)
        sum += in->operands[i].summary.totals.tokens;
    return sum;
}

static void
check_weights(const struct inputs *in)
{
    for (size_t i = 0; i < in->sources.len && inputs_weighted(in); i++)
        if (!in->sources.data[i].weight_text)
            die(STATUS_USAGE, "source %s has no weight, others have", in->sources.data[i].name);
}

void
inputs_weigh(struct inputs *in, bool final)
{
    const char *value;
    for (size_t i = 0; i < in->count; i++)
        weigh_operand(in, &in->operands[i]);
    for (size_t i = 0; i < settings.weight.len; i++) {
        struct source *s = named_source(in, "--weight", settings.weight.data[i], &value);
        parse_share("--weight", value);
        if (s)
            set_weight(s, value);
        else if (final)
            die(STATUS_USAGE, "--weight %s: there is no such source", settings.weight.data[i]);
    }
    for (size_t i = 0; i < settings.epochs.len; i++) {
        struct source *s = named_source(in, "--epochs", settings.epochs.data[i], &value);
        struct ratio r = parse_share("--epochs", value);
        if (ratio_of(r, 1) > 1000)
            die(STATUS_USAGE, "--epochs %s: more than 1000 epochs", settings.epochs.data[i]);
        if (s) {
            s->epochs = r;
            s->epochs_text = value;
        } else if (final) {
            die(STATUS_USAGE, "--epochs %s: there is no such source", settings.epochs.data[i]);
        }
    }
    if (final)
        check_weights(in);
}

struct shard_head
inputs_output_head(const struct inputs *in, bool shuffled, int split)
{
    struct shard_head head = in->head;
    struct str text = {0};
    if (head.provenance && *head.provenance)
        str_addf(&text, "%s\n", head.provenance);
    str_adds(&text, "llm-shuffle");
    if (shuffled)
        str_addf(&text, " --seed %lld", (long long)common.seed);
    if (settings.no_shuffle)
        str_adds(&text, " --no-shuffle");
    if (settings.pack && split < 0)
        str_addf(&text, " --pack %llu%s", (unsigned long long)settings.pack,
                 settings.best_fit ? " --best-fit" : "");
    if (settings.salvage)
        str_adds(&text, " --salvage");
    if (settings.dedup == DEDUP_EXACT)
        str_adds(&text, " --dedup exact");
    split_describe(&text);
    for (size_t i = 0; i < in->sources.len && split < 0; i++) {
        const struct source *s = &in->sources.data[i];
        if (s->weight_text)
            str_addf(&text, " --weight %s=%s", s->name, s->weight_text);
        if (s->epochs_text)
            str_addf(&text, " --epochs %s=%s", s->name, s->epochs_text);
    }
    if (settings.tokens && split < 0)
        str_addf(&text, " --tokens %llu", (unsigned long long)settings.tokens);
    if (split >= 0)
        str_addf(&text, " (part %d)", split + 1);
    head.provenance = str_take(&text);
    head.seed = shuffled ? (uint64_t)common.seed : 0;
    head.flags = (head.flags & (SHARD_LOSS_MASK | SHARD_PAIRS)) | (shuffled ? SHARD_SHUFFLED : 0) |
                 (in->minhash ? SHARD_MINHASH : 0);
    head.bands = in->minhash ? in->head.bands : 0;
    head.rows = in->minhash ? in->head.rows : 0;
    if (settings.pack && split < 0) {
        head.seq_length = (uint32_t)settings.pack;
        head.flags = SHARD_LOSS_MASK | (head.flags & SHARD_PAIRS) | (shuffled ? SHARD_SHUFFLED : 0);
        head.bands = head.rows = 0;
    }
    return head;
}

#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/hash.h"
#include "base/mem.h"
#include "shuffle.h"

/*
 * --split F=FILE: each option takes the next interval of the unit line. A document's
 * place on it is its text's hash, hashed again with the option's name, so that the
 * seed, the tokenizer and the other documents do not matter.
 */
struct part {
    char *fraction;
    const char *path;
    uint64_t bound; /* hashes below it, and not below the bound before, belong here */
    bool rest;      /* the interval ends at 1 */
    struct outfile out;
    struct shard_writer *writer;
    VEC(uint32_t) numbers; /* the writer's numbers of our sources, plus 1 */
};

static struct part *parts;
static int count;

/* a + b with the larger denominator; both are powers of ten up to 10^9. */
static struct ratio
add(struct ratio a, struct ratio b)
{
    uint64_t den = a.den > b.den ? a.den : b.den;
    return (struct ratio){a.num * (den / a.den) + b.num * (den / b.den), den};
}

void
split_open(void)
{
    struct ratio sum = {0, 1};
    count = (int)settings.split.len;
    parts = mem_zarray((size_t)count + 1, sizeof *parts);
    for (int i = 0; i < count; i++) {
        const char *text = settings.split.data[i];
        const char *equals = strchr(text, '=');
        struct part *p = &parts[i];
        struct ratio r = {0, 1};
        p->fraction = mem_strndup(text, equals ? (size_t)(equals - text) : 0);
        if (!equals || !equals[1] || ratio_parse(p->fraction, &r) != 0 || r.num == 0 ||
            r.num > r.den)
            die(STATUS_USAGE, "--split: %s is not FRACTION=FILE", text);
        sum = add(sum, r);
        if (sum.num > sum.den)
            die(STATUS_USAGE, "--split: the fractions sum to more than 1");
        p->path = equals + 1;
        p->bound = ratio_bound(sum, &p->rest);
    }
    for (int i = 0; i < count; i++)
        if (outfile_open(&parts[i].out, parts[i].path, true) != 0)
            die_err();
}

bool
split_active(void)
{
    return count > 0;
}

int
split_of(uint64_t hash)
{
    uint64_t place = hash64_seeded(&hash, sizeof hash, hash64("split", 5));
    for (int i = 0; i < count; i++)
        if (place < parts[i].bound || parts[i].rest)
            return i;
    return -1;
}

static int
open_writer(const struct inputs *in, int part)
{
    struct part *p = &parts[part];
    struct shard_head head = inputs_output_head(in, false, part);
    p->writer = shard_writer_open(&p->out, &head, (int)settings.level, 1);
    free(head.provenance);
    return p->writer ? 0 : -1;
}

int
split_begin(struct inputs *in, int part, const struct document *d)
{
    struct part *p = &parts[part];
    if (!p->writer && open_writer(in, part) != 0)
        return -1;
    while (p->numbers.len <= d->source)
        vec_push(&p->numbers, 0);
    uint32_t *number = &p->numbers.data[d->source];
    const struct source *s = &in->sources.data[d->source];
    if (*number == 0)
        *number = shard_writer_source(p->writer, s->name, s->language) + 1;
    return shard_writer_begin(p->writer, &(struct shard_document){
                                             .source = *number - 1,
                                             .bytes = d->bytes,
                                             .hash = d->hash,
                                             .minhash = d->minhash,
                                         });
}

int
split_ids(int part, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    return shard_writer_packed(parts[part].writer, packed, loss, n);
}

int
split_end(int part)
{
    return shard_writer_end(parts[part].writer);
}

int
split_close(struct inputs *in)
{
    for (int i = 0; i < count; i++) {
        struct shard_totals totals;
        if (!parts[i].writer && open_writer(in, i) != 0)
            return -1;
        if (shard_writer_close(parts[i].writer, &totals) != 0)
            return err_prefix("%s", parts[i].path);
        note("split %s: %llu documents, %llu tokens to %s", parts[i].fraction,
             (unsigned long long)totals.documents, (unsigned long long)totals.tokens,
             parts[i].path);
    }
    return 0;
}

int
split_commit(void)
{
    for (int i = 0; i < count; i++) {
        if (outfile_commit(&parts[i].out) != 0)
            return -1;
        free(parts[i].fraction);
        vec_release(&parts[i].numbers);
    }
    free(parts);
    return 0;
}

void
split_describe(struct str *out)
{
    for (int i = 0; i < count; i++)
        str_addf(out, " --split %s", parts[i].fraction);
}

#include "fit.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "bins.h"

/*
 * Two scatters. The lengths of all documents that were drawn say which bins there are.
 * Then the documents come in their shuffled order, each takes the next place for its
 * length, and goes to a second store under its bin's key, where the pieces of one bin
 * meet.
 */
struct fit {
    struct bins *bins;
    struct store *store;  /* the second one */
    uint64_t seed;
    uint32_t length;      /* ids a sequence */
    unsigned width;
    /* the document that is being cut */
    struct store_document doc;
    uint64_t left;        /* ids that have not come */
    uint64_t room;        /* of them, in the piece under way */
    uint64_t part;        /* its number */
    /* on the way out */
    struct output *output;
    const uint32_t *numbers; /* our sources to the output's */
    bool under_way;
    uint64_t bin;         /* the key of the sequence under way */
    bool shared;          /* the next id was the last of another piece */
};

/* ---- the lengths ------------------------------------------------------------ */

static void
count_pieces(void *arg, uint64_t tokens)
{
    struct fit *f = arg;
    if (tokens > f->length) {
        uint64_t step = f->length - 1, whole = (tokens - 2) / step;
        bins_count(f->bins, f->length, whole);
        tokens -= whole * step;
        packing.cut++;
    }
    bins_count(f->bins, (uint32_t)tokens, 1);
}

/* ---- in: each piece under its bin's key ------------------------------------- */

/* A bijection, so that no two bins meet: the finalizer of SplitMix64 (Steele et al. 2014). */
static uint64_t
key_of(const struct fit *f, uint64_t bin)
{
    uint64_t x = bin + f->seed;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

/* shared: the last id of the piece before, with which this one begins; NULL: the first piece. */
static int
begin_piece(struct fit *f, const uint8_t *shared)
{
    uint64_t tokens = f->left + (shared ? 1 : 0);
    tokens = tokens < f->length ? tokens : f->length;
    struct store_document piece = f->doc;
    piece.ordinal = f->part++;
    piece.bytes = shared ? 0 : f->doc.bytes;
    piece.key = key_of(f, bins_take(f->bins, (uint32_t)tokens));
    f->room = tokens - (shared ? 1 : 0);
    if (store_begin(f->store, &piece) != 0)
        return -1;
    packing.twice += shared ? 1 : 0;
    return shared ? store_ids(f->store, shared, NULL, 1) : 0; /* fill_ids has its mask */
}

static int
cut_begin(void *arg, const struct store_document *d)
{
    struct fit *f = arg;
    f->doc = *d;
    f->left = d->tokens;
    f->part = 0;
    return begin_piece(f, NULL);
}

static int
cut_ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    struct fit *f = arg;
    while (n > 0) {
        size_t part = n < f->room ? n : (size_t)f->room;
        if (store_ids(f->store, packed, loss, part) != 0)
            return -1;
        packed += part * f->width;
        loss = loss ? loss + part : NULL;
        n -= part;
        f->left -= part;
        f->room -= part;
        if (f->room > 0 || f->left == 0)
            continue;
        if (store_end(f->store) != 0 || begin_piece(f, packed - f->width) != 0)
            return -1;
    }
    return 0;
}

static int
cut_end(void *arg)
{
    struct fit *f = arg;
    return store_end(f->store);
}

/* ---- out: bin after bin ----------------------------------------------------- */

static int
fill_begin(void *arg, const struct store_document *d)
{
    struct fit *f = arg;
    if (f->under_way && d->key != f->bin && output_fill(f->output) != 0)
        return -1;
    f->under_way = true;
    f->bin = d->key;
    f->shared = d->ordinal > 0;
    return output_begin(f->output, &(struct shard_document){
                                       .source = f->numbers[d->source],
                                       .bytes = d->bytes,
                                       .hash = d->hash,
                                   });
}

static int
fill_ids(void *arg, const uint8_t *packed, const uint8_t *loss, size_t n)
{
    static const uint8_t off = 0;
    struct fit *f = arg;
    /* As a target it belongs to the piece before. */
    if (f->shared && output_ids(f->output, packed, &off, 1) != 0)
        return -1;
    if (f->shared) {
        packed += f->width;
        loss = loss ? loss + 1 : NULL;
        n--;
    }
    f->shared = false;
    return output_ids(f->output, packed, loss, n);
}

static int
fill_end(void *arg)
{
    struct fit *f = arg;
    return output_end(f->output);
}

static void
open_second(struct fit *f, const struct store_options *o, const struct inputs *in)
{
    struct store_options second = *o;
    second.minhash = 0;
    second.grouped = second.again = false;
    second.keyed = true;
    f->store = store_new(&second);
    for (size_t i = 0; i < in->sources.len; i++)
        store_source(f->store, in->sources.data[i].name, 1);
}

int
fit_write(struct store *from, const struct store_options *options, const struct inputs *in,
          struct output *o, const uint32_t *numbers, struct store_totals *totals)
{
    struct fit f = {
        .bins = bins_new((uint32_t)o->length),
        .seed = hash64_seeded("pack", 4, options->seed),
        .length = (uint32_t)o->length,
        .width = options->width,
        .output = o,
        .numbers = numbers,
    };
    struct store_sink cut = {&f, cut_begin, cut_ids, cut_end};
    struct store_sink fill = {&f, fill_begin, fill_ids, fill_end};
    int status = store_lengths(from, count_pieces, &f);
    if (status == 0) {
        bins_fill(f.bins);
        open_second(&f, options, in);
        status = store_write(from, &cut, totals);
    }
    store_free(from);
    bins_free(f.bins);
    if (status == 0)
        status = store_write(f.store, &fill, NULL);
    store_free(f.store);
    return status;
}

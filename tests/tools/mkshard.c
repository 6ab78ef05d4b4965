/*
 * Makes a shard without a tokenizer, for tests:
 *
 *     mkshard [--vocabulary N] [--block N] [--segment N] [--level N] [--threads N]
 *             [--loss] [--minhash BxR] [--fingerprint N] [--provenance TEXT]
 *             { --source NAME[:LANG] | --start N | --tokens MIN[:MAX] | --same N | --docs N | --padding N }…
 *
 * Words of the second kind act in order: --docs N writes the next N documents of
 * the source named last; what a document holds depends on its source's name and
 * its number alone. --same N: texts repeat every N documents.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/vec.h"
#include "shard/writer.h"

static struct shard_head head = {
    .vocabulary = 1000, .bos = SHARD_NONE, .eos = 0, .pad = SHARD_NONE, .unk = SHARD_NONE};
static uint64_t least = 10, most = 100, same, number;
static char *name;
static uint32_t source;
static struct ids ids;
static VEC(uint8_t) loss;
static VEC(uint32_t) minhash;

static uint64_t
count(const char *text)
{
    uint64_t n;
    if (!text || parse_count(text, &n) != 0)
        die(STATUS_USAGE, "%s is not a count", text ? text : "nothing");
    return n;
}

/* Ids by a few words each, so that they compress as text does. */
static void
fill_document(uint64_t text)
{
    uint64_t key = rng_key(text, name);
    uint64_t n = least + (most > least ? rng_u64(key, 0) % (most - least + 1) : 0);
    vec_clear(&ids);
    vec_reserve(&ids, n);
    vec_clear(&loss);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t r = rng_u64(key, 1 + i / 2);
        vec_push(&ids, (uint32_t)((i & 1 ? r >> 32 : r) % head.vocabulary));
        if (head.flags & SHARD_LOSS_MASK)
            vec_push(&loss, (uint8_t)(r >> 20 & 3) != 0);
    }
    if (n > 0)
        ids.data[n - 1] = head.eos;
    vec_clear(&minhash);
    for (uint32_t i = 0; i < (uint32_t)head.bands * head.rows; i++)
        vec_push(&minhash, (uint32_t)rng_u64(key ^ 1, i));
}

static void
write_documents(struct shard_writer *w, uint64_t n, int padding)
{
    for (uint64_t i = 0; i < n; i++, number++) {
        uint64_t text = same ? number % same : number;
        fill_document(text);
        struct shard_document d = {
            .source = source,
            .ids = ids.data,
            .tokens = ids.len,
            .bytes = 4 * ids.len,
            .hash = rng_key(text, name),
            .minhash = minhash.len ? minhash.data : NULL,
            .loss = loss.len ? loss.data : NULL,
            .padding = padding,
        };
        if (shard_writer_add(w, &d) != 0)
            die_err();
    }
}

static void
set_source(struct shard_writer *w, const char *text)
{
    const char *colon = strchr(text, ':');
    free(name);
    name = mem_strndup(text, colon ? (size_t)(colon - text) : strlen(text));
    source = shard_writer_source(w, name, colon ? colon + 1 : "");
    number = 0;
}

int
main(int argc, char **argv)
{
    uint64_t block = 0, segment = SHARD_SEGMENT_BLOCKS, level = 3, threads = 1;
    int i = 1;
    die_set_tool("mkshard");
    for (; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--loss") == 0) {
            head.flags |= SHARD_LOSS_MASK;
            continue;
        } else if (strcmp(argv[i], "--minhash") == 0) {
            char *x;
            head.flags |= SHARD_MINHASH;
            head.bands = (uint16_t)strtoul(value ? value : "", &x, 10);
            head.rows = (uint16_t)strtoul(*x ? x + 1 : x, NULL, 10);
        } else if (strcmp(argv[i], "--provenance") == 0) {
            head.provenance = argv[i + 1];
        } else if (strcmp(argv[i], "--vocabulary") == 0) {
            head.vocabulary = (uint32_t)count(value);
        } else if (strcmp(argv[i], "--fingerprint") == 0) {
            memset(head.fingerprint, (int)count(value), sizeof head.fingerprint);
        } else if (strcmp(argv[i], "--block") == 0) {
            block = count(value);
        } else if (strcmp(argv[i], "--segment") == 0) {
            segment = count(value);
        } else if (strcmp(argv[i], "--level") == 0) {
            level = count(value);
        } else if (strcmp(argv[i], "--threads") == 0) {
            threads = count(value);
        } else {
            break;
        }
        i++;
    }

    struct outfile out;
    if (outfile_open(&out, "-", true) != 0)
        die_err();
    struct shard_writer *w = shard_writer_open(&out, &head, (int)level, (int)threads);
    if (!w)
        die_err();
    if (block)
        shard_writer_limits(w, (uint32_t)block, (uint32_t)segment);
    for (; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!name)
            set_source(w, strcmp(argv[i], "--source") == 0 ? value : "default");
        if (strcmp(argv[i], "--source") == 0) {
            set_source(w, value);
        } else if (strcmp(argv[i], "--start") == 0) {
            number = count(value);
        } else if (strcmp(argv[i], "--same") == 0) {
            same = count(value);
        } else if (strcmp(argv[i], "--tokens") == 0) {
            const char *colon = strchr(value, ':');
            char *first = mem_strndup(value, colon ? (size_t)(colon - value) : strlen(value));
            least = count(first);
            most = colon ? count(colon + 1) : least;
            free(first);
        } else if (strcmp(argv[i], "--docs") == 0) {
            write_documents(w, count(value), 0);
        } else if (strcmp(argv[i], "--padding") == 0) {
            write_documents(w, count(value), 1);
        } else {
            die(STATUS_USAGE, "unknown word %s", argv[i]);
        }
    }
    if (shard_writer_close(w, NULL) != 0 || outfile_commit(&out) != 0)
        die_err();
    return 0;
}

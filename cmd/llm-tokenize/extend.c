#include "tokenizer/extend.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/vec.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "cmd/llm-tokenize/run.h"
#include "json/write.h"
#include "text/language.h"

/*
 * --extend: texts and a base to a larger tokenizer.json. Every twentieth document, by
 * hash, is not learned from: it measures what the new tokens gain, by language.
 */

enum { HELD_OUT_EACH = 20, HELD_OUT_MOST = 64 << 20 };

struct held_out {
    const char *language; /* a constant */
    char *text;
    size_t size;
    uint64_t hash;
    uint64_t before, after; /* tokens */
};

struct extension {
    struct extender *extender;
    pthread_mutex_t lock;
    VEC(struct held_out) held_out;
    uint64_t held_size, mask; /* only hashes without a bit of the mask are kept */
    struct threads *threads;
};

/* ---- held-out documents ---- */

static uint64_t
sub_hash(uint64_t hash)
{
    return hash / HELD_OUT_EACH;
}

/* Halves what is kept, by hash: what is left does not depend on the order. */
static void
thin_out(struct extension *x)
{
    size_t kept = 0;

    x->mask = x->mask * 2 + 1;
    for (size_t i = 0; i < x->held_out.len; i++) {
        struct held_out h = x->held_out.data[i];
        if (sub_hash(h.hash) & x->mask) {
            x->held_size -= h.size;
            free(h.text);
        } else {
            x->held_out.data[kept++] = h;
        }
    }
    x->held_out.len = kept;
}

static void
hold_out(struct extension *x, uint64_t hash, const char *text, size_t n)
{
    pthread_mutex_lock(&x->lock);
    if (!(sub_hash(hash) & x->mask)) {
        struct held_out h = {language_guess(text, n), mem_strndup(text, n), n, hash, 0, 0};
        vec_push(&x->held_out, h);
        x->held_size += n;
        while (x->held_size > HELD_OUT_MOST)
            thin_out(x);
    }
    pthread_mutex_unlock(&x->lock);
}

static int
add_text(void *arg, int worker, struct job *j, struct document *d, const char *text, size_t n)
{
    struct extension *x = arg;

    (void)j;
    if (d->hash % HELD_OUT_EACH)
        return extender_add(x->extender, worker, text, n);
    hold_out(x, d->hash, text, n);
    return 0;
}

/* ---- measuring ---- */

struct measure {
    struct extension *x;
    const struct tokenizer *tokenizer;
    struct tokenizer_scratch **scratch; /* [threads] */
    bool after;
};

static int
count_tokens(void *arg, size_t cell, int worker)
{
    struct measure *m = arg;
    struct held_out *h = &m->x->held_out.data[cell];
    struct ids ids = {0};
    int r = tokenizer_encode(m->tokenizer, m->scratch[worker], h->text, h->size, 0, &ids);

    *(m->after ? &h->after : &h->before) = ids.len;
    vec_release(&ids);
    return r;
}

static int
measure(struct extension *x, const struct tokenizer *t, bool after)
{
    struct measure m = {x, t, mem_array((size_t)options.threads, sizeof *m.scratch), after};

    for (int i = 0; i < options.threads; i++)
        m.scratch[i] = tokenizer_scratch_new(t);
    int r = threads_run(x->threads, x->held_out.len, count_tokens, &m);
    for (int i = 0; i < options.threads; i++)
        tokenizer_scratch_free(m.scratch[i]);
    free(m.scratch);
    return r;
}

/* ---- the report ---- */

struct gain {
    const char *language;
    uint64_t documents, bytes, before, after;
};
struct gains VEC_BODY(struct gain);

static void
add_gain(struct gains *all, const char *language, const struct held_out *h)
{
    struct gain *g = NULL;

    for (size_t i = 0; i < all->len && !g; i++)
        if (!strcmp(all->data[i].language, language))
            g = &all->data[i];
    if (!g) {
        vec_push(all, ((struct gain){.language = language}));
        g = &all->data[all->len - 1];
    }
    g->documents++;
    g->bytes += h->size;
    g->before += h->before;
    g->after += h->after;
}

static int
most_bytes_first(const void *a, const void *b)
{
    const struct gain *x = a, *y = b;

    if (x->bytes != y->bytes)
        return x->bytes > y->bytes ? -1 : 1;
    return strcmp(x->language, y->language);
}

static double
ratio(uint64_t bytes, uint64_t tokens)
{
    return tokens ? (double)bytes / (double)tokens : 0;
}

static void
log_gains(const struct gains *all, const char *source, uint32_t added)
{
    struct str json = {0};
    struct json_writer w = {.out = &json};

    json_begin_array(&w, NULL);
    for (size_t i = 0; i < all->len; i++) {
        const struct gain *g = &all->data[i];
        json_begin_object(&w, NULL);
        json_put_string(&w, "language", g->language);
        json_put_uint(&w, "documents", g->documents);
        json_put_uint(&w, "bytes", g->bytes);
        json_put_uint(&w, "tokens_before", g->before);
        json_put_uint(&w, "tokens_after", g->after);
        json_end_object(&w);
    }
    json_end_array(&w);
    log_begin("extend");
    log_str("source", source);
    log_int("added", added);
    log_json("held_out", json.data);
    log_end();
    str_release(&json);
}

static void
report(const struct extension *x, uint32_t added)
{
    struct gains all = {0};
    char size[32];

    for (size_t i = 0; i < x->held_out.len; i++)
        add_gain(&all, x->held_out.data[i].language, &x->held_out.data[i]);
    if (all.len)
        qsort(all.data, all.len, sizeof *all.data, most_bytes_first);
    for (size_t i = 0; i < all.len; i++) {
        const struct gain *g = &all.data[i];
        note("held out, %s: %.4f bytes per token before, %.4f after (documents %" PRIu64 ", %s)",
             g->language, ratio(g->bytes, g->before), ratio(g->bytes, g->after), g->documents,
             human_bytes((double)g->bytes, size));
    }
    if (!all.len)
        note("too few documents to hold one in twenty out: gains are not measured");
    log_gains(&all, options.source_name, added);
    vec_release(&all);
}

/* ---- the mode ---- */

/* No option is silently ignored. */
static int
check_options(const struct extender *e)
{
    static const char *const words[] = {"character-coverage", "split-digits",
                                        "split-by-whitespace", "split-by-script",
                                        "split-by-number"};

    for (size_t i = 0; i < sizeof words / sizeof *words && extender_is_byte_level(e); i++)
        if (options_given(words[i]))
            return err_set(STATUS_USAGE, "--%s is not for a byte-level BPE: its pattern decides",
                           words[i]);
    return 0;
}

static int
open_extender(struct extension *x)
{
    const struct train_options *t = &options.learn;
    struct extend_options o = {
        .base = options.extend,
        .add = (uint32_t)options.add,
        .min_frequency = t->min_frequency,
        .max_piece_length = t->max_piece_length,
        .coverage = t->character_coverage,
        .words = {t->split_by_whitespace, t->split_by_script, t->split_by_number,
                  t->split_digits},
        .threads = options.threads,
        .progress = run_phase,
    };

    x->extender = extender_new(&o);
    return x->extender ? check_options(x->extender) : -1;
}

/* The result is loaded again: what cannot be read back is not written. */
static int
learn_and_measure(struct extension *x, struct str *json, uint32_t *added)
{
    if (extender_finish(x->extender, json, added))
        return -1;
    struct tokenizer *t = tokenizer_load_json("the extended tokenizer", json->data, json->len);
    int r = t ? measure(x, extender_base(x->extender), false) : -1;
    if (!r)
        r = measure(x, t, true);
    tokenizer_free(t);
    return r;
}

static void
release(struct extension *x)
{
    for (size_t i = 0; i < x->held_out.len; i++)
        free(x->held_out.data[i].text);
    vec_release(&x->held_out);
    extender_free(x->extender);
    threads_free(x->threads);
    pthread_mutex_destroy(&x->lock);
}

int
extend_tokenizer(void)
{
    struct extension x = {.lock = PTHREAD_MUTEX_INITIALIZER,
                          .threads = threads_new(options.threads)};
    struct sink sink = {.deliver = add_text, .arg = &x};
    struct account total = {0};
    struct outfile out;
    struct str json = {0};
    uint32_t added = 0;
    int r = -1;

    if (outfile_open(&out, options.output, false)) {
        release(&x);
        return -1;
    }
    if (open_extender(&x) || run_input(&sink, &total))
        goto out;
    r = learn_and_measure(&x, &json, &added);
    progress_end();
    if (!r)
        r = outfile_write(&out, json.data, json.len);
    if (!r)
        r = outfile_commit(&out);
    if (!r) {
        if (added < options.add)
            note("only %" PRIu32 " tokens were added: the texts have no more frequent pairs",
                 added);
        account_report(&total, options.source_name, NULL, false);
        report(&x, added);
    }
out:
    if (r)
        outfile_abandon(&out);
    release(&x);
    str_release(&json);
    return r;
}

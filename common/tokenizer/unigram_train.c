#include "tokenizer/unigram_train.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "json/json.h"
#include "text/classes.h"
#include "tokenizer/added.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/piece_counts.h"
#include "tokenizer/unigram_learn.h"

/*
 * The trainer: each worker normalizes, cuts and counts by itself, as an encoder with the
 * finished vocabulary will; then one learns from the sum.
 */

/*
 * Few seeds, the most frequent: measured with 20 MB of Japanese and English and 32,000
 * tokens, five for each token make 0.8 % fewer tokens of other text than a million do,
 * and make it more likely, too (rare long strings, once in, keep out what is of use).
 */
enum { LONGEST_DEFAULT = 16, SEEDS_A_TOKEN = 5, OCCURRENCES_LEAST = 2 };

/* Texts that are searched and cut out. */
struct cutouts {
    struct added_trie trie;
    struct added_token *tokens; /* all of one kind: plain, found wherever they stand */
    VEC(char *) texts;
};

struct worker {
    struct piece_counts counts;
    struct normalizer_scratch scratch;
    struct added_spans specials, symbols;
    struct str text;
};

struct unigram_trainer {
    struct unigram_options o;
    struct cutouts specials, symbols; /* of the raw and of the normalized text */
    struct normalizer normalizer;
    uint8_t *classes;
    struct worker *workers;
    int worker_count;
};

/* ---- opening ---- */

static uint32_t
taken_ids(const struct unigram_options *o)
{
    return 1 + (o->byte_fallback ? 256u : 0u) + (uint32_t)(o->symbol_count + o->special_count);
}

static int
check_options(const struct unigram_options *o)
{
    if (o->vocab_size > UNIGRAM_PIECES_MOST || o->special_count > UNIGRAM_PIECES_MOST ||
        o->symbol_count > UNIGRAM_PIECES_MOST || o->vocab_size <= taken_ids(o))
        return err_set(STATUS_USAGE,
                       "a vocabulary of %u has no room for pieces besides <unk>,%s %zu user "
                       "symbols and %zu special tokens", o->vocab_size,
                       o->byte_fallback ? " 256 bytes," : "", o->symbol_count, o->special_count);
    if (o->longest > UNIGRAM_LENGTH_MOST)
        return err_set(STATUS_USAGE, "pieces of %u characters are too long (%d at most)",
                       o->longest, UNIGRAM_LENGTH_MOST);
    if (o->seed_size > UNIGRAM_PIECES_MOST - UNIGRAM_SYMBOLS_MOST)
        return err_set(STATUS_USAGE, "%zu seeds are too many (%d at most)", o->seed_size,
                       UNIGRAM_PIECES_MOST - UNIGRAM_SYMBOLS_MOST);
    return 0;
}

static int
add_cutout(struct cutouts *c, const char *kind, const char *text, size_t n)
{
    if (n == 0 || utf8_valid(text, n) != n)
        return err_set(STATUS_USAGE, "'%s' cannot be a %s: empty, or not UTF-8", text, kind);
    if (!added_trie_add(&c->trie, text, n, (uint32_t)c->texts.len))
        return err_set(STATUS_USAGE, "the %s '%s' is given twice", kind, text);
    vec_push(&c->texts, mem_strndup(text, n));
    return 0;
}

/* Symbols are found in the normalized text, where a space may still be one. */
static int
add_symbol(struct unigram_trainer *t, const char *symbol)
{
    struct normalizer_scratch scratch = {0};
    const char *text = symbol;
    size_t n = strlen(symbol);
    struct str plain = {0};
    int r = -1;

    if (utf8_valid(text, n) == n && !normalizer_run(&t->normalizer, &scratch, &text, &n, NULL)) {
        for (size_t at = 0, used; at < n; at += used) {
            bool space = text_peek(text + at, &used) == 0x2581;

            str_add(&plain, space ? " " : text + at, space ? 1 : used);
        }
        r = add_cutout(&t->symbols, "user symbol", plain.data ? plain.data : "", plain.len);
    } else {
        err_set(STATUS_USAGE, "'%s' cannot be a user symbol: not UTF-8", symbol);
    }
    normalizer_scratch_release(&scratch);
    str_release(&plain);
    return r;
}

/* The normalizer that encoding will run, but for its ▁. */
static int
load_normalizer(struct unigram_trainer *t)
{
    struct str json = {0};
    struct json_writer w = {.out = &json};
    struct json_doc doc = {0};
    const json_t *root = NULL;
    int r = 0;

    if (t->o.form == NORMAL_NONE)
        return 0;
    put_normal_form(&w, NULL, t->o.form);
    if (json_doc_parse(&doc, "normalizer", json.data, json.len) < 0 ||
        json_root_object(&doc, &root) < 0 || normalizer_load(&t->normalizer, &doc, root) < 0)
        r = -1;
    json_doc_release(&doc);
    str_release(&json);
    return r;
}

static int
prepare(struct unigram_trainer *t, const struct unigram_options *o)
{
    if (load_normalizer(t))
        return -1;
    added_trie_init(&t->specials.trie);
    added_trie_init(&t->symbols.trie);
    for (size_t i = 0; i < o->special_count; i++)
        if (add_cutout(&t->specials, "special token", o->specials[i], strlen(o->specials[i])))
            return -1;
    for (size_t i = 0; i < o->symbol_count; i++)
        if (add_symbol(t, o->symbols[i]))
            return -1;
    t->specials.tokens = mem_zarray(o->special_count + 1, sizeof *t->specials.tokens);
    t->symbols.tokens = mem_zarray(o->symbol_count + 1, sizeof *t->symbols.tokens);
    return 0;
}

struct unigram_trainer *
unigram_trainer_new(const struct unigram_options *o)
{
    if (check_options(o))
        return NULL;
    struct unigram_trainer *t = mem_zalloc(sizeof *t);

    t->o = *o;
    t->o.longest = o->longest ? o->longest : LONGEST_DEFAULT;
    t->o.seed_size = o->seed_size ? o->seed_size : (size_t)SEEDS_A_TOKEN * o->vocab_size;
    if (t->o.seed_size > UNIGRAM_PIECES_MOST - UNIGRAM_SYMBOLS_MOST)
        t->o.seed_size = UNIGRAM_PIECES_MOST - UNIGRAM_SYMBOLS_MOST;
    t->o.specials = t->o.symbols = NULL;
    t->worker_count = o->threads > 0 ? o->threads : 1;
    t->workers = mem_zarray((size_t)t->worker_count, sizeof *t->workers);
    if (prepare(t, o)) {
        unigram_trainer_free(t);
        return NULL;
    }
    t->classes = words_classes(&o->rules);
    return t;
}

static void
release_cutouts(struct cutouts *c)
{
    for (size_t i = 0; i < c->texts.len; i++)
        free(c->texts.data[i]);
    vec_release(&c->texts);
    added_trie_release(&c->trie);
    free(c->tokens);
}

static void
release_worker(struct worker *w)
{
    piece_counts_release(&w->counts);
    normalizer_scratch_release(&w->scratch);
    vec_release(&w->specials);
    vec_release(&w->symbols);
    str_release(&w->text);
}

void
unigram_trainer_free(struct unigram_trainer *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->worker_count; i++)
        release_worker(&t->workers[i]);
    free(t->workers);
    release_cutouts(&t->specials);
    release_cutouts(&t->symbols);
    normalizer_release(&t->normalizer);
    free(t->classes);
    free(t);
}

/* ---- counting ---- */

static void
count_word(void *arg, const char *text, size_t n)
{
    piece_counts_add(arg, text, n, 1);
}

/* Counts one stretch between special tokens, which begins with a ▁ as in encoding. */
static int
count_stretch(struct unigram_trainer *t, struct worker *w, const char *text, size_t n)
{
    if (normalizer_run(&t->normalizer, &w->scratch, &text, &n, NULL))
        return -1;
    if (n == 0)
        return 0;
    str_clear(&w->text);
    str_addc(&w->text, ' ');
    str_add(&w->text, text, n);
    vec_clear(&w->symbols);
    added_search(&t->symbols.trie, t->symbols.tokens, text_classes(), w->text.data, w->text.len,
                 false, &w->symbols);
    for (size_t i = 0; i < w->symbols.len; i++) {
        struct added_span *s = &w->symbols.data[i];

        if (s->token == ADDED_NONE)
            words_cut(t->classes, w->text.data + s->begin, s->end - s->begin, count_word,
                      &w->counts);
    }
    return 0;
}

int
unigram_trainer_add(struct unigram_trainer *t, int worker, const char *text, size_t n)
{
    struct worker *w = &t->workers[worker];
    size_t valid = n ? utf8_valid(text, n) : 0;

    if (valid != n)
        return err_set(STATUS_INPUT, "the text is not UTF-8 at byte %zu", valid);
    vec_clear(&w->specials);
    added_search(&t->specials.trie, t->specials.tokens, text_classes(), text, n, false,
                 &w->specials);
    for (size_t i = 0; i < w->specials.len; i++) {
        struct added_span *s = &w->specials.data[i];

        if (s->token == ADDED_NONE && count_stretch(t, w, text + s->begin, s->end - s->begin))
            return -1;
    }
    return 0;
}

/* ---- finishing ---- */

/* The texts of pieces, ▁ and all, one after another; entries point into the pool. */
static void
spell_pieces(const struct unigram_corpus *c, const struct unigram_learned *l, struct str *pool,
             struct unigram_vocab_entries *out)
{
    for (size_t i = 0; i < l->ranked.len; i++) {
        const struct unigram_string *s = &l->pieces.strings.data[l->ranked.data[i].string];
        size_t before = pool->len;

        for (uint32_t k = 0; k < s->length; k++)
            str_add_utf8(pool, c->points[l->pieces.text.data[s->start + k]]);
        vec_push(out, ((struct unigram_vocab_entry){NULL, pool->len - before,
                                                    l->ranked.data[i].score}));
    }
    const char *text = pool->data;
    for (size_t i = 0; i < out->len; text += out->data[i++].length)
        out->data[i].text = text;
}

static void
take_texts(const struct cutouts *c, bool spaces, struct str *pool,
           struct unigram_vocab_entries *out)
{
    for (size_t i = 0; i < c->texts.len; i++) {
        size_t before = pool->len;

        for (const char *s = c->texts.data[i]; *s; s++)
            str_add(pool, spaces && *s == ' ' ? "▁" : s, spaces && *s == ' ' ? 3 : 1);
        vec_push(out, ((struct unigram_vocab_entry){NULL, pool->len - before, 0}));
    }
    const char *text = pool->data;
    for (size_t i = 0; i < out->len; text += out->data[i++].length)
        out->data[i].text = text;
}

/* A user symbol of one character that is a piece besides would stand twice. */
static void
drop_double(struct unigram_file *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->pieces.len; i++) {
        struct unigram_vocab_entry e = f->pieces.data[i];
        bool twice = false;

        for (size_t k = 0; k < f->symbols.len && !twice; k++)
            twice = f->symbols.data[k].length == e.length &&
                    !memcmp(f->symbols.data[k].text, e.text, e.length);
        if (!twice)
            f->pieces.data[kept++] = e;
    }
    f->pieces.len = kept;
}

static void
write_vocabulary(struct unigram_trainer *t, const struct unigram_corpus *c,
                 const struct unigram_learned *l, struct str *json)
{
    struct unigram_file f = {.byte_fallback = t->o.byte_fallback, .form = t->o.form};
    struct str pieces = {0}, symbols = {0}, specials = {0};

    spell_pieces(c, l, &pieces, &f.pieces);
    take_texts(&t->symbols, true, &symbols, &f.symbols);
    take_texts(&t->specials, false, &specials, &f.specials);
    drop_double(&f);
    unigram_scores(&f);
    unigram_write(&f, json);
    vec_release(&f.pieces);
    vec_release(&f.symbols);
    vec_release(&f.specials);
    str_release(&pieces);
    str_release(&symbols);
    str_release(&specials);
}

static int
learn(struct unigram_trainer *t, struct unigram_corpus *c, struct str *json)
{
    uint32_t room = t->o.vocab_size - taken_ids(&t->o);
    struct unigram_learn_options o = {
        .target = room,
        .stop = (size_t)(1.1 * t->o.vocab_size),
        .shrink = t->o.shrink,
        .sub_iterations = t->o.sub_iterations,
        .seed = {.most = t->o.seed_size,
                 .least = OCCURRENCES_LEAST,
                 .longest = t->o.longest,
                 .spaces_inside = !t->o.rules.split_by_whitespace,
                 .progress = t->o.progress},
    };
    struct unigram_learned learned = {0};

    if (c->symbols > room)
        return err_set(STATUS_USAGE,
                       "the texts have %u characters that are to be pieces, but there is room "
                       "for %u: a larger --vocab-size or a smaller --character-coverage is "
                       "needed", c->symbols, room);
    struct threads *threads = t->worker_count > 1 ? threads_new(t->worker_count) : NULL;
    int r = unigram_learn(c, &o, threads, &learned);

    if (!r)
        write_vocabulary(t, c, &learned, json);
    threads_free(threads);
    unigram_learned_release(&learned);
    return r;
}

int
unigram_trainer_finish(struct unigram_trainer *t, struct str *json)
{
    struct unigram_corpus c = {0};
    /* What <unk> and bytes are written with has to have another reading: see write_unigram.h. */
    struct unigram_alphabet_options o = {
        .coverage = t->o.coverage,
        .limit = t->o.limit_alphabet,
        .always = t->o.byte_fallback ? "<0x123456789ABCDEFunk>" : "<unk>",
    };

    for (int i = 1; i < t->worker_count; i++)
        piece_counts_join(&t->workers[0].counts, &t->workers[i].counts);
    int r = unigram_corpus_build(&c, &t->workers[0].counts, &o);

    if (!r)
        r = learn(t, &c, json);
    unigram_corpus_release(&c);
    return r;
}

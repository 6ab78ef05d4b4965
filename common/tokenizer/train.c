#include "tokenizer/train.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "tokenizer/bpe_alphabet.h"
#include "tokenizer/bpe_learn.h"
#include "tokenizer/bytelevel.h"
#include "tokenizer/pattern.h"
#include "tokenizer/piece_counts.h"
#include "tokenizer/pieces.h"
#include "tokenizer/write_bpe.h"

/*
 * The trainer: a tokenizer without merges cuts the texts as the trained one will; each
 * worker counts pieces by itself, then one learns from their sum.
 */

enum { BYTES = 256, WORD_TOKENS = 3 };
static const char *const word_tokens[WORD_TOKENS] = {"<unk>", "<s>", "</s>"};

struct worker {
    struct piece_counts counts;
    struct pieces_scratch scratch;
    struct bpe_trainer *trainer;
};

struct bpe_trainer {
    struct bpe_options o;
    bool words;
    const char *regex;
    char *own_regex;
    uint8_t *classes;           /* of characters, for words_cut */
    struct vocab named;         /* special tokens and symbols: symbols first */
    struct tokenizer *front;    /* what cuts the texts */
    struct worker *workers;     /* [threads] */
    int threads;
};

/* ---- options ---- */

static int
take_names(struct bpe_trainer *t, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        if (n < 2 || utf8_valid(names[i], n) != n)
            return err_set(STATUS_USAGE,
                           "'%s' cannot be a special token: less than 2 bytes, or not UTF-8",
                           names[i]);
        vocab_add(&t->named, (uint32_t)t->named.entries.len, names[i], n);
    }
    return 0;
}

static int
check_names(struct bpe_trainer *t)
{
    uint32_t first, second;
    size_t n = 0;
    if (take_names(t, t->o.symbols, t->o.symbol_count) < 0 ||
        take_names(t, t->o.specials, t->o.special_count) < 0)
        return -1;
    if (t->words && take_names(t, word_tokens, WORD_TOKENS) < 0)
        return -1;
    if (vocab_index(&t->named, &first, &second))
        return 0;
    const char *s = vocab_get(&t->named, first, &n);
    return err_set(STATUS_USAGE, "the special token '%.*s' is given twice", (int)n, s);
}

/* A name is looked up; what is none is a regular expression. */
static int
check_pattern(struct bpe_trainer *t)
{
    const char *pattern = t->o.pattern ? t->o.pattern : "llama3";
    const struct pattern *known = pattern_by_name(pattern);
    char why[256];
    t->words = !strcmp(pattern, "sentencepiece");
    if (t->words || known) {
        t->regex = known ? known->regex : NULL;
        return 0;
    }
    if (!pattern[strspn(pattern, "abcdefghijklmnopqrstuvwxyz0123456789_-")])
        return err_set(STATUS_USAGE, "no pre-tokenizer pattern is called '%s'", pattern);
    struct regex *regex = regex_new(pattern, strlen(pattern), why, sizeof why);
    if (!regex)
        return err_set(STATUS_USAGE, "the pattern '%s': %s", pattern, why);
    regex_free(regex);
    t->regex = t->own_regex = mem_strdup(pattern);
    return 0;
}

static size_t
fixed_tokens(const struct bpe_trainer *t)
{
    return t->named.entries.len + (!t->words || t->o.byte_fallback ? BYTES : 0);
}

static int
check_size(const struct bpe_trainer *t)
{
    if (t->o.vocab_size <= VOCAB_MAX && t->o.vocab_size >= fixed_tokens(t))
        return 0;
    return err_set(STATUS_USAGE, "a vocabulary of %u does not hold %s%zu special tokens",
                   t->o.vocab_size, !t->words || t->o.byte_fallback ? "256 bytes and " : "",
                   t->named.entries.len);
}

/* ---- what is written ---- */

struct added_list VEC_BODY(struct write_added);

static const char *
name_at(const struct bpe_trainer *t, size_t i)
{
    const struct bpe_options *o = &t->o;
    return i < o->symbol_count ? o->symbols[i] : o->specials[i - o->symbol_count];
}

static void
write_json(const struct bpe_trainer *t, const struct vocab *vocab, const struct bpe_merge *merges,
           size_t merge_count, const struct added_list *added, struct str *json)
{
    struct write_bpe w = {
        .words = t->words,
        .normalization = t->o.normalization,
        .split_digits = t->o.split_digits,
        .regex = t->regex,
        .byte_fallback = t->o.byte_fallback,
        .vocab = vocab,
        .merges = merges,
        .merge_count = merge_count,
        .added = added->data,
        .added_count = added->len,
    };
    write_bpe(&w, json);
}

static void
add_text(struct vocab *v, const char *s, size_t n)
{
    vocab_add(v, (uint32_t)v->entries.len, s, n);
}

static void
add_name(struct vocab *v, struct added_list *added, const char *name, bool special, bool in_vocab)
{
    uint32_t id = (uint32_t)(in_vocab ? v->entries.len : v->entries.len + added->len);
    vec_push(added, ((struct write_added){id, name, special}));
    if (in_vocab)
        add_text(v, name, strlen(name));
}

/* <unk>, <s>, </s>, the symbols, the bytes: SentencePiece's order. */
static void
begin_words(const struct bpe_trainer *t, struct vocab *v, struct added_list *added)
{
    for (size_t i = 0; i < WORD_TOKENS; i++)
        add_name(v, added, word_tokens[i], true, true);
    for (size_t i = 0; i < t->o.symbol_count; i++)
        add_name(v, added, t->o.symbols[i], false, true);
    for (unsigned i = 0; t->o.byte_fallback && i < BYTES; i++) {
        struct str text = {0};
        str_addf(&text, "<0x%02X>", i);
        add_text(v, text.data, text.len);
        str_release(&text);
    }
}

static void
end_names(const struct bpe_trainer *t, struct vocab *v, struct added_list *added)
{
    size_t all = t->o.symbol_count + t->o.special_count;
    for (size_t i = t->words ? t->o.symbol_count : 0; i < all; i++)
        add_name(v, added, name_at(t, i), i >= t->o.symbol_count, t->words);
}

/* ---- opening ---- */

static int
open_front(struct bpe_trainer *t)
{
    struct vocab v = {0};
    struct added_list added = {0};
    struct str json = {0};
    if (t->words)
        begin_words(t, &v, &added);
    end_names(t, &v, &added);
    write_json(t, &v, NULL, 0, &added, &json);
    t->front = tokenizer_load_json("options of training", json.data, json.len);
    str_release(&json);
    vocab_release(&v);
    vec_release(&added);
    return t->front ? 0 : -1;
}

struct bpe_trainer *
bpe_trainer_new(const struct bpe_options *o)
{
    struct bpe_trainer *t = mem_zalloc(sizeof *t);
    t->o = *o;
    t->threads = o->threads > 0 ? o->threads : 1;
    t->workers = mem_zarray((size_t)t->threads, sizeof *t->workers);
    for (int i = 0; i < t->threads; i++)
        t->workers[i].trainer = t;
    if (check_pattern(t) < 0 || check_names(t) < 0 || check_size(t) < 0 || open_front(t) < 0) {
        bpe_trainer_free(t);
        return NULL;
    }
    if (t->words) {
        struct word_rules rules = o->words;
        rules.split_digits = o->split_digits;
        t->classes = words_classes(&rules);
    }
    return t;
}

void
bpe_trainer_free(struct bpe_trainer *t)
{
    if (!t)
        return;
    for (int i = 0; i < t->threads; i++) {
        piece_counts_release(&t->workers[i].counts);
        pieces_scratch_release(&t->workers[i].scratch);
    }
    free(t->workers);
    tokenizer_free(t->front);
    vocab_release(&t->named);
    free(t->own_regex);
    free(t->classes);
    free(t);
}

/* ---- counting ---- */

static void
count_piece(void *arg, const char *text, size_t n)
{
    struct worker *w = arg;
    piece_counts_add(&w->counts, text, n, 1);
}

static void
count_words(void *arg, const char *text, size_t n)
{
    struct worker *w = arg;
    words_cut(w->trainer->classes, text, n, count_piece, w);
}

int
bpe_trainer_add(struct bpe_trainer *t, int worker, const char *text, size_t n)
{
    struct worker *w = &t->workers[worker];
    return tokenizer_pieces(t->front, &w->scratch, text, n, t->words ? count_words : count_piece,
                            w);
}

/* ---- bytes ---- */

/* The bytes' ids are the order of the characters they are written as, as Hugging Face has it. */
static void
byte_order(uint8_t ids[BYTES])
{
    for (unsigned i = 0; i < BYTES; i++) {
        unsigned smaller = 0;
        for (unsigned j = 0; j < BYTES; j++)
            smaller += byte_to_char((uint8_t)j) < byte_to_char((uint8_t)i);
        ids[i] = (uint8_t)smaller;
    }
}

static size_t
byte_units(const void *arg, const char *piece, size_t n, uint32_t *out)
{
    const uint8_t *ids = arg;
    for (size_t i = 0; i < n; i++)
        out[i] = ids[(unsigned char)piece[i]];
    return n;
}

/* The bytes of which tokens would be written like special tokens. */
static void
taken_bytes(const struct vocab *named, struct vocab *taken)
{
    struct str bytes = {0};
    uint32_t one, two;
    for (uint32_t i = 0; i < named->entries.len; i++) {
        size_t n = 0;
        const char *s = vocab_get(named, i, &n);
        str_clear(&bytes);
        if (chars_to_bytes(s, n, &bytes))
            add_text(taken, bytes.data, bytes.len);
    }
    vocab_index(taken, &one, &two);
    str_release(&bytes);
}

static void
write_bytes(const struct bpe_trainer *t, const struct bpe_learned *l, struct str *json)
{
    struct vocab v = {0};
    struct added_list added = {0};
    struct str text = {0};
    for (uint32_t id = 0; id < l->tokens.entries.len; id++) {
        size_t n = 0;
        const char *s = vocab_get(&l->tokens, id, &n);
        str_clear(&text);
        bytes_to_chars(s, n, &text);
        add_text(&v, text.data, text.len);
    }
    end_names(t, &v, &added);
    write_json(t, &v, l->merges.data, l->merges.len, &added, json);
    str_release(&text);
    vocab_release(&v);
    vec_release(&added);
}

static struct bpe_learn_options
learn_options(const struct bpe_trainer *t, uint32_t tokens, const struct vocab *taken)
{
    return (struct bpe_learn_options){
        .tokens = tokens,
        .min_frequency = t->o.min_frequency ? t->o.min_frequency : 2,
        .max_length = t->o.max_piece_length,
        .characters = t->words,
        .any_split = t->words,
        .taken = taken,
        .progress = t->o.progress,
    };
}

static int
finish_bytes(struct bpe_trainer *t, struct piece_counts *counts, struct str *json)
{
    uint8_t ids[BYTES];
    char bytes[BYTES];
    struct bpe_cells words;
    struct bpe_learned learned = {0};
    struct vocab taken = {0};
    byte_order(ids);
    for (unsigned i = 0; i < BYTES; i++)
        bytes[ids[i]] = (char)i;
    if (bpe_cells_init(&words, counts, byte_units, ids) < 0)
        return -1;
    for (unsigned i = 0; i < BYTES; i++)
        add_text(&learned.tokens, &bytes[i], 1);
    taken_bytes(&t->named, &taken);
    struct bpe_learn_options o =
        learn_options(t, t->o.vocab_size - (uint32_t)t->named.entries.len, &taken);
    bpe_learn(&words, &o, &learned);
    write_bytes(t, &learned, json);
    bpe_learned_release(&learned);
    vocab_release(&taken);
    return 0;
}

/* ---- words ---- */

/*
 * SentencePiece ranks pieces, not merges: whatever two make a piece's text are merged
 * at its rank. Among those, as in Hugging Face's conversion, the longest left part first.
 */
static void
write_words(const struct bpe_trainer *t, const struct bpe_learned *l, size_t characters,
            struct str *json)
{
    struct vocab v = {0};
    struct added_list added = {0};
    VEC(struct bpe_merge) merges = {0};
    uint32_t one, two;
    size_t n = 0, all = l->tokens.entries.len;
    begin_words(t, &v, &added);
    uint32_t first = (uint32_t)v.entries.len;
    for (size_t i = 0; i < all; i++) { /* merged pieces first, then characters */
        uint32_t id = (uint32_t)(i + characters < all ? i + characters : i + characters - all);
        const char *s = vocab_get(&l->tokens, id, &n);
        add_text(&v, s, n);
    }
    end_names(t, &v, &added);
    vocab_index(&v, &one, &two);
    uint32_t end = first + (uint32_t)(all - characters), last = first + (uint32_t)all;
    for (uint32_t id = first; id < end; id++) {
        const char *s = vocab_get(&v, id, &n);
        for (size_t at = n - 1; at > 0; at--) {
            uint32_t left = vocab_find(&v, s, at), right = vocab_find(&v, s + at, n - at);
            /* not the bytes' and special tokens */
            if (left >= first && left < last && right >= first && right < last)
                vec_push(&merges, ((struct bpe_merge){left, right, id, 0}));
        }
    }
    write_json(t, &v, merges.data, merges.len, &added, json);
    vec_release(&merges);
    vocab_release(&v);
    vec_release(&added);
}

/* Texts that no merge may make: all that are in the vocabulary at the start. */
static void
taken_words(const struct bpe_trainer *t, struct vocab *taken)
{
    struct added_list added = {0};
    uint32_t one, two;
    begin_words(t, taken, &added);
    end_names(t, taken, &added);
    vocab_index(taken, &one, &two);
    vec_release(&added);
}

static int
finish_words(struct bpe_trainer *t, struct piece_counts *counts, struct str *json)
{
    struct bpe_alphabet alphabet = {0};
    struct bpe_cells words = {0};
    struct bpe_learned learned = {0};
    struct vocab taken = {0};
    size_t fixed = fixed_tokens(t);
    int rc = -1;
    bpe_alphabet_choose(&alphabet, counts, t->o.character_coverage, t->o.limit_alphabet, NULL,
                        NULL);
    if (fixed + alphabet.points.len > t->o.vocab_size) {
        err_set(STATUS_USAGE,
                "a vocabulary of %u does not hold %zu special tokens and bytes and %zu characters: "
                "give a lower --character-coverage or --limit-alphabet", t->o.vocab_size, fixed,
                alphabet.points.len);
        goto out;
    }
    if (bpe_cells_init(&words, counts, bpe_alphabet_units, &alphabet) < 0)
        goto out;
    for (size_t i = 0; i < alphabet.points.len; i++) {
        struct str text = {0};
        str_add_utf8(&text, alphabet.points.data[i]);
        add_text(&learned.tokens, text.data, text.len);
        str_release(&text);
    }
    taken_words(t, &taken);
    struct bpe_learn_options o =
        learn_options(t, t->o.vocab_size - (uint32_t)fixed, &taken);
    bpe_learn(&words, &o, &learned);
    write_words(t, &learned, alphabet.points.len, json);
    rc = 0;
out:
    bpe_alphabet_release(&alphabet);
    bpe_learned_release(&learned);
    vocab_release(&taken);
    return rc;
}

int
bpe_trainer_finish(struct bpe_trainer *t, struct str *json)
{
    struct piece_counts *counts = &t->workers[0].counts;
    for (int i = 1; i < t->threads; i++)
        piece_counts_join(counts, &t->workers[i].counts);
    return t->words ? finish_words(t, counts, json) : finish_bytes(t, counts, json);
}

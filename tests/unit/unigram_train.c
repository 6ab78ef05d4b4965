/*
 * The Unigram trainer: the same bytes for any number of workers and any order of texts;
 * seeds and expectations against plain enumeration; what the result promises to encode.
 */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/rng.h"
#include "tap.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram_learn_lattice.h"
#include "tokenizer/unigram_train.h"

static const char *const specials[] = {"<|pad|>", "<|endoftext|>"};

static struct unigram_options
options(int workers)
{
    return (struct unigram_options){
        .vocab_size = 420,
        .specials = specials,
        .special_count = 2,
        .coverage = 0.9995,
        .byte_fallback = true,
        .rules = {true, true, true, false},
        .seed_size = 100000,
        .shrink = 0.75,
        .sub_iterations = 2,
        .threads = workers,
    };
}

/* Words of syllables, frequent ones first, with some kanji. */
static void
make_text(uint64_t key, struct str *out)
{
    static const char *const parts[] = {"ka", "no", "ri", " ",  "東", "京", "to", "に", "mu",
                                        "é",  "。", "\n", "12", "～", "ー", "<",  "x"};
    for (uint64_t i = 0; i < 6000; i++) {
        double u = rng_uniform(key, i);
        str_adds(out, parts[(size_t)(u * u * (double)(sizeof parts / sizeof *parts))]);
    }
}

enum { TEXTS = 12 };

static bool
train(const struct unigram_options *o, bool backwards, struct str *json)
{
    struct unigram_trainer *t = unigram_trainer_new(o);
    if (!t)
        return false;
    bool fine = true;
    for (int i = 0; i < TEXTS; i++) {
        struct str text = {0};
        int which = backwards ? TEXTS - 1 - i : i;
        make_text(rng_key(1, "text") + (uint64_t)which, &text);
        fine &= unigram_trainer_add(t, i % o->threads, text.data, text.len) == 0;
        str_release(&text);
    }
    fine &= unigram_trainer_finish(t, json) == 0;
    unigram_trainer_free(t);
    return fine;
}

/* From one text. NULL: diag says why. */
static struct tokenizer *
train_text(const struct unigram_options *o, const char *text)
{
    struct unigram_trainer *t = unigram_trainer_new(o);
    struct tokenizer *result = NULL;
    struct str json = {0};
    if (t && !unigram_trainer_add(t, 0, text, strlen(text)) && !unigram_trainer_finish(t, &json))
        result = tokenizer_load_json("trained", json.data, json.len);
    if (!result)
        diag("%s", err_text());
    unigram_trainer_free(t);
    str_release(&json);
    return result;
}

/* The texts of the tokens of a text, apart by |. */
static char *
pieces_of(const struct tokenizer *t, const char *text)
{
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids ids = {0};
    struct str out = {0};
    if (tokenizer_encode(t, s, text, strlen(text), 0, &ids) < 0)
        str_adds(&out, err_text());
    for (size_t i = 0; i < ids.len; i++) {
        size_t n = 0;
        const char *piece = tokenizer_text(t, ids.data[i], &n);
        if (i)
            str_addc(&out, '|');
        str_add(&out, piece ? piece : "?", piece ? n : 1);
    }
    str_adds(&out, "");
    tokenizer_scratch_free(s);
    vec_release(&ids);
    return str_take(&out);
}

static void
is_pieces(const struct tokenizer *t, const char *text, const char *expected, const char *what)
{
    char *got = t ? pieces_of(t, text) : mem_strdup("no tokenizer");
    ok(!strcmp(got, expected), "%s: %s", what, got);
    free(got);
}

static void
same_bytes(void)
{
    struct str one = {0};
    struct unigram_options o = options(1);
    ok(train(&o, false, &one) && one.len > 1000, "it trains: %s", err_text());
    for (int workers = 2; workers <= 3; workers++) {
        struct str other = {0};
        o = options(workers);
        train(&o, workers == 3, &other);
        ok(one.len == other.len && !memcmp(one.data, other.data, one.len),
           "the same with %d threads%s", workers, workers == 3 ? " and texts in another order" : "");
        str_release(&other);
    }
    struct tokenizer *t = tokenizer_load_json("trained", one.data, one.len);
    if (ok(t, "the result loads: %s", t ? "" : err_text())) {
        is_int(tokenizer_id(t, "<unk>", 5), 0, "<unk> first");
        is_int(tokenizer_id(t, "<0x00>", 6), 1, "then the bytes");
        uint32_t n = tokenizer_vocabulary(t);
        ok(n <= 420 && n > 300, "not more than asked: %u", n);
        is_int(tokenizer_id(t, "<|endoftext|>", 13), n - 1, "special tokens last, in order");
        is_int(tokenizer_id(t, "<|pad|>", 7), n - 2, "the first before it");
        is_int(tokenizer_specials(t)->eos, n - 1, "which ends documents");
    }
    tokenizer_free(t);
    str_release(&one);
}

static void
round_trip(void)
{
    struct str json = {0}, text = {0}, back = {0};
    struct unigram_options o = options(2);
    train(&o, false, &json);
    struct tokenizer *t = tokenizer_load_json("trained", json.data, json.len);
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids ids = {0};
    make_text(99, &text);
    size_t known = text.len;
    tokenizer_encode(t, s, text.data, text.len, 0, &ids);
    ok(ids.len < known / 2, "%zu bytes are %zu tokens", known, ids.len);
    str_adds(&text, "  <|endoftext|>");
    tokenizer_encode(t, s, text.data + known, text.len - known, 0, &ids);
    vec_clear(&ids);
    str_clear(&text);
    str_adds(&text, " そのほか\t<0x41> <unk> \xF0\x9F\x98\x80 a  b\n\n c ");
    tokenizer_encode(t, s, text.data, text.len, 0, &ids);
    tokenizer_decode(t, ids.data, ids.len, false, &back);
    ok(back.len == text.len && !memcmp(back.data, text.data, text.len),
       "a text with unknown characters comes back: '%s'", back.data);
    uint32_t byte = tokenizer_id(t, "<0x41>", 6), met = 0;
    for (size_t i = 0; i < ids.len; i++)
        met += ids.data[i] == byte || ids.data[i] == 0;
    is_int(met, 0, "names of bytes and <unk> in a text are text");
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    vec_release(&ids);
    str_release(&json);
    str_release(&text);
    str_release(&back);
}

/* ---- rules ---- */

static const char sample[] =
    "price 1234 東京タワー price 1234 東京タワー foo12 foo12 foo12 bar bar  12 12 東京タワー "
    "price foo12 東京タワーprice 1234 foo bar foo bar foo bar\n\n\tfoo\n\n\tbar\n\n\tfoo";

static struct tokenizer *
train_rules(struct word_rules rules)
{
    struct unigram_options o = options(1);
    o.vocab_size = 400;
    o.coverage = 1;
    o.rules = rules;
    return train_text(&o, sample);
}

static bool
has(const struct tokenizer *t, const char *piece)
{
    return tokenizer_id(t, piece, strlen(piece)) != TOKEN_NONE;
}

static void
rules(void)
{
    struct tokenizer *t = train_rules((struct word_rules){true, true, true, false});
    ok(has(t, "▁foo") && has(t, "▁1234") && has(t, "\n\n") && !has(t, "▁foo12") &&
           !has(t, "タワーp"),
       "words end at spaces, line ends and where the script changes");
    tokenizer_free(t);
    t = train_rules((struct word_rules){true, true, true, true});
    ok(!has(t, "12") && !has(t, "▁1") && has(t, "1"), "digits one by one");
    is_pieces(t, "1234", "▁|1|2|3|4", "and so they are encoded");
    tokenizer_free(t);
    t = train_rules((struct word_rules){true, true, false, false});
    ok(has(t, "▁foo12"), "digits go with letters");
    tokenizer_free(t);
    t = train_rules((struct word_rules){true, false, true, false});
    ok(has(t, "▁foo12") && !has(t, "▁foo▁bar"), "any script in a word");
    tokenizer_free(t);
    t = train_rules((struct word_rules){false, true, true, false});
    size_t inside = 0, end = 0;
    for (uint32_t id = 257; id + 2 < tokenizer_vocabulary(t); id++) {
        size_t n = 0;
        const char *piece = tokenizer_text(t, id, &n), *space = "▁";
        inside += n > 3 && memmem(piece + 1, n - 1, space, 3) != NULL;
        end += n > 3 && !memcmp(piece + n - 3, space, 3);
    }
    ok(inside > 0 && end == 0, "spaces within pieces (%zu), not at their ends", inside);
    tokenizer_free(t);
}

static void
symbols(void)
{
    static const char *const list[] = {"<user>", "<", "foo bar", "bar"};
    struct unigram_options o = options(1);
    o.vocab_size = 400;
    o.coverage = 1;
    o.symbols = list;
    o.symbol_count = 4;
    struct tokenizer *t = train_text(&o, sample);
    is_pieces(t, "i<user>c<foo bar", "▁|i|<user>|c|<|foo▁bar", "user symbols are whole");
    ok(!has(t, "▁bar"), "no piece has one inside");
    tokenizer_free(t);
    static const char *const nfkc[] = {"Ａｂ"};
    o.symbols = nfkc;
    o.symbol_count = 1;
    o.form = NORMAL_NFKC;
    t = train_text(&o, sample);
    is_pieces(t, "xＡｂ Ab", "▁|x|Ab|▁|Ab", "and normalized as the text is");
    tokenizer_free(t);
}

static void
refused(void)
{
    struct unigram_options o = options(1);
    o.vocab_size = 259;
    ok(!unigram_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    static const char *const twice[] = {"<x>", "<x>"};
    o = options(1);
    o.specials = twice;
    ok(!unigram_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    o = options(1);
    o.longest = 1000;
    ok(!unigram_trainer_new(&o) && err_status() == STATUS_USAGE, "refused: %s", err_text());
    o = options(1);
    o.vocab_size = 270;
    struct str json = {0};
    ok(!train(&o, false, &json) && err_status() == STATUS_USAGE && !json.len, "refused: %s",
       err_text());
    o = options(1);
    struct unigram_trainer *t = unigram_trainer_new(&o);
    ok(unigram_trainer_add(t, 0, "\xff", 1) < 0 && err_status() == STATUS_INPUT, "refused: %s",
       err_text());
    unigram_trainer_free(t);
    t = unigram_trainer_new(&o);
    ok(!unigram_trainer_finish(t, &json) && json.len > 1000, "of nothing: the bytes alone");
    unigram_trainer_free(t);
    str_release(&json);
}

/* ---- against enumeration ---- */

/* Random words of four symbols; counts of 1 to 3. */
static void
make_corpus(struct unigram_corpus *c)
{
    *c = (struct unigram_corpus){.symbols = 4};
    c->points = mem_zarray(5, sizeof *c->points);
    c->counts = mem_zarray(5, sizeof *c->counts);
    for (uint64_t w = 0, i = 0; w < 300; w++) {
        uint32_t start = (uint32_t)c->text.len;
        uint32_t length = 1 + (uint32_t)(rng_uniform(7, i++) * 9);
        uint64_t count = 1 + (uint64_t)(rng_uniform(7, i++) * 3);
        for (uint32_t k = 0; k < length; k++) {
            /* symbol 1, the space, begins words only */
            unigram_symbol s = (unigram_symbol)(2 + rng_uniform(7, i++) * 3);
            s = k == 0 && count == 1 ? UNIGRAM_SPACE : s;
            vec_push(&c->text, s);
            c->counts[s] += count;
        }
        vec_push(&c->text, 0);
        vec_push(&c->words, ((struct unigram_word){count, start, length}));
        c->weight += count * length;
    }
    vec_reserve(&c->text, 4);
    memset(c->text.data + c->text.len, 0, 4 * sizeof *c->text.data);
}

/* What stands around the occurrences of text[at .. at + n): how often, and how differently. */
static uint64_t
occurrences(const struct unigram_corpus *c, const unigram_symbol *s, uint32_t n, bool *maximal)
{
    uint64_t count = 0;
    bool left[5] = {0}, right[5] = {0};
    for (size_t w = 0; w < c->words.len; w++) {
        const struct unigram_word *word = &c->words.data[w];
        const unigram_symbol *text = c->text.data + word->start;
        for (uint32_t i = 0; i + n <= word->length; i++) {
            if (memcmp(text + i, s, n * sizeof *s))
                continue;
            count += word->count;
            left[i ? text[i - 1] : 0] = true;
            right[text[i + n]] = true;
        }
    }
    *maximal = (left[0] || left[1] + left[2] + left[3] + left[4] > 1) &&
               (right[0] || right[1] + right[2] + right[3] + right[4] > 1);
    return count;
}

static void
seeds(void)
{
    struct unigram_corpus c;
    make_corpus(&c);
    for (int longest = 3; longest <= 9; longest += 3) {
        struct unigram_seed_options o = {.most = 100000, .least = 3, .longest = (uint32_t)longest};
        struct unigram_strings found = {0}, few = {0};
        size_t wrong = 0, expected = 0;
        unigram_seed(&c, &o, NULL, &found);
        for (size_t i = 0; i < found.len; i++) {
            const struct unigram_string *s = &found.data[i];
            bool maximal;
            uint64_t n = occurrences(&c, c.text.data + s->start, s->length, &maximal);
            wrong += !maximal || n < 3 || s->weight != n * s->length ||
                     s->length > (uint32_t)longest || (i && s->weight > s[-1].weight);
        }
        is_int((int64_t)wrong, 0, "seeds up to %d symbols: %zu, each a maximal repeat, counted right",
               longest, found.len);
        /* The first occurrence of each string stands for it. */
        for (size_t w = 0; w < c.words.len; w++)
            for (uint32_t i = 0; i < c.words.data[w].length; i++)
                for (uint32_t n = 2; n <= (uint32_t)longest && i + n <= c.words.data[w].length;
                     n++) {
                    const unigram_symbol *s = c.text.data + c.words.data[w].start + i;
                    bool maximal, earlier = false;
                    for (const unigram_symbol *p = c.text.data; p < s && !earlier; p++)
                        earlier = !memcmp(p, s, n * sizeof *s);
                    if (!earlier)
                        expected += occurrences(&c, s, n, &maximal) >= 3 && maximal;
                }
        is_int((int64_t)found.len, (int64_t)expected, "and none is missing");
        o.most = 20;
        unigram_seed(&c, &o, NULL, &few);
        ok(few.len == 20 && few.data[19].weight == found.data[19].weight, "the best of them");
        vec_release(&found);
        vec_release(&few);
    }
    unigram_corpus_release(&c);
}

/* Sums over all segmentations of s[i..n): returns the total, adds what goes by each piece. */
static double
enumerate(const struct unigram_pieces *p, const unigram_symbol *s, uint32_t n, double so_far,
          uint32_t *path, size_t depth, double *sums)
{
    double total = 0;
    if (n == 0) {
        for (size_t i = 0; i < depth; i++)
            sums[path[i]] += so_far;
        return so_far;
    }
    for (uint32_t i = 0; i < p->strings.len; i++) {
        const struct unigram_string *x = &p->strings.data[i];
        if (x->length > n || memcmp(p->text.data + x->start, s, x->length * sizeof *s))
            continue;
        path[depth] = i;
        total += enumerate(p, s + x->length, n - x->length, so_far * (double)p->share[i], path,
                           depth + 1, sums);
    }
    return total;
}

/* Pieces over two symbols, shares made up; small: products below the range of a double. */
static void
make_pieces(struct unigram_pieces *p, double small)
{
    static const unigram_symbol texts[][4] = {{1}, {2}, {1, 2}, {2, 2}, {2, 1, 2}, {1, 1, 2, 2}};
    static const uint32_t lengths[] = {1, 1, 2, 2, 3, 4};
    *p = (struct unigram_pieces){.characters = 2};
    p->share = mem_zarray(6, sizeof *p->share);
    p->score = mem_zarray(6, sizeof *p->score);
    for (uint32_t i = 0; i < 6; i++) {
        vec_push(&p->strings, ((struct unigram_string){0, (uint32_t)p->text.len, lengths[i]}));
        for (uint32_t k = 0; k < lengths[i]; k++)
            vec_push(&p->text, texts[i][k]);
        p->share[i] = (float)((0.05 + 0.1 * i) * pow(small, lengths[i]));
        p->score[i] = logf(p->share[i]);
    }
}

/* Expected counts of one word, in units of 2^-30. */
static void
expect_word(const struct unigram_pieces *p, const unigram_symbol *text, uint32_t n,
            uint64_t *expected)
{
    struct unigram_word word = {1, 0, n};
    struct symbol_trie trie;
    struct lattices l;
    struct lattice_scratch s = {0};
    symbol_trie_build(&trie, p);
    lattices_build(&l, &trie, text, &word, 1, NULL);
    lattice_expect(&l.blocks[0], p->share, 30, &s, expected);
    lattice_scratch_release(&s);
    lattices_release(&l);
    symbol_trie_release(&trie);
}

static void
expectations(void)
{
    enum { SHORT = 12, LONG = 3000 };
    unigram_symbol text[LONG + 4] = {0};
    struct unigram_pieces p, tiny;
    double sums[6] = {0}, worst = 0, total;
    uint64_t expected[6] = {0}, far[6] = {0}, near[6] = {0};
    uint32_t path[LONG];
    for (uint64_t i = 0; i < LONG; i++)
        text[i] = rng_uniform(3, i) < 0.4 ? 1 : 2;
    make_pieces(&p, 1);
    total = enumerate(&p, text, SHORT, 1, path, 0, sums);
    expect_word(&p, text, SHORT, expected);
    for (int i = 0; i < 6; i++)
        worst = fmax(worst, fabs(ldexp((double)expected[i], -30) - sums[i] / total));
    ok(worst < 1e-6, "expected counts are those of all segmentations, to %g", worst);

    /* A factor for each symbol changes no expectation, but takes products out of range. */
    make_pieces(&tiny, ldexp(1, -12));
    expect_word(&p, text, LONG, near);
    expect_word(&tiny, text, LONG, far);
    worst = 0;
    for (int i = 0; i < 6; i++)
        worst = fmax(worst, fabs((double)far[i] / (double)near[i] - 1));
    ok(worst < 1e-5 && near[0] > 0, "also where products leave the range of a double, to %g",
       worst);
    uint64_t symbols = 0;
    for (int i = 0; i < 6; i++)
        symbols += far[i] * tiny.strings.data[i].length;
    ok(fabs(ldexp((double)symbols, -30) - LONG) < 0.01, "expected pieces cover the word: %.3f",
       ldexp((double)symbols, -30));
    free(p.score);
    free(tiny.score);
    p.score = tiny.score = NULL;
    unigram_pieces_release(&p);
    unigram_pieces_release(&tiny);
}

int
main(void)
{
    same_bytes();
    round_trip();
    rules();
    symbols();
    refused();
    seeds();
    expectations();
    return done();
}

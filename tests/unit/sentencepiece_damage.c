/*
 * Faulty SentencePiece models and charsmaps: each is refused as a faulty input with its
 * place, and whatever bytes are changed or cut off, nothing worse happens.
 */
#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "sp_make.h"
#include "tap.h"
#include "tokenizer/charsmap.h"
#include "tokenizer/sp_model.h"
#include "tokenizer/tokenizer.h"

static const struct sp_rule rules[] = {{"A", "ab"}, {"AB", ""}, {"\xE3\x80\x80", " "}};

static void
common_pieces(struct str *out)
{
    sp_piece(out, "<unk>", 0, SP_UNK);
    sp_piece(out, "</s>", 0, SP_CTL);
    sp_piece(out, "a", -1, SP_NORMAL_PIECE);
    sp_piece(out, "b", -2, SP_NORMAL_PIECE);
}

/* A model with a bit of everything. */
static void
small_model(struct str *out, int algorithm)
{
    struct str spec = {0}, blob = {0};
    common_pieces(out);
    sp_piece(out, "ab", -1, SP_NORMAL_PIECE);
    sp_piece(out, "\xE2\x96\x81", -1, SP_NORMAL_PIECE);
    sp_piece(out, "ba", -1.5f, SP_NOT_USED);
    sp_piece(out, "<x>", 0, SP_USER);
    sp_number(&spec, 3, (uint64_t)algorithm);
    sp_text(&spec, 44, "?");
    sp_text(&spec, 46, "<b>");
    sp_message(out, 2, &spec);
    sp_charsmap(&blob, rules, sizeof rules / sizeof *rules);
    sp_message(&spec, 2, &blob);
    sp_number(&spec, 4, 0);
    sp_message(out, 3, &spec);
}

/* Without the fsync of file_store: there are thousands. */
static void
write_file(const char *path, const char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f))
        diag("%s: not written", path);
}

/* 0: taken, and it works; 1: refused as it should be; -1: something else. */
static int
try_model(const char *bytes, size_t n)
{
    static const char text[] = "  abAABba<x>\xE3\x80\x80z\xF0\x9F\x91\xA9 aab";
    write_file("damaged.model", bytes, n);
    struct tokenizer *t = tokenizer_load("damaged.model");
    if (!t)
        return err_status() == STATUS_INPUT && str_starts(err_text(), "damaged.model") ? 1 : -1;
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    struct ids ids = {0};
    struct str back = {0};
    uint8_t print[16];
    int rc = tokenizer_encode(t, s, text, sizeof text - 1, ENCODE_POST_PROCESS, &ids);
    for (size_t i = 0; i < ids.len; i++)
        rc |= ids.data[i] < tokenizer_vocabulary(t) ? 0 : -1;
    rc |= tokenizer_decode(t, ids.data, ids.len, true, &back);
    tokenizer_fingerprint(t, print);
    vec_release(&ids);
    str_release(&back);
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    return rc;
}

static void
refused(const char *what, struct str *model, const char *place)
{
    int rc = try_model(model->data ? model->data : "", model->len);
    ok(rc == 1 && strstr(err_text(), place), "refused: %s (%s)", what, rc ? err_text() : "taken");
    str_release(model);
}

/* ---- what is refused ---- */

static void
bad_pieces(void)
{
    struct str m = {0}, part = {0};
    refused("an empty file", &m, "");
    sp_piece(&m, "a", 0, SP_NORMAL_PIECE);
    refused("no unknown piece", &m, "unknown");
    common_pieces(&m);
    sp_piece(&m, "<other>", 0, SP_UNK);
    refused("two unknown pieces", &m, "2 unknown");
    common_pieces(&m);
    sp_piece(&m, "", 0, SP_NORMAL_PIECE);
    refused("an empty piece", &m, "offset");
    common_pieces(&m);
    sp_piece(&m, "b", 0, SP_USER);
    refused("a piece twice", &m, "pieces 3 and 4");
    common_pieces(&m);
    sp_piece(&m, "\xFF", 0, SP_NORMAL_PIECE);
    refused("a piece that is not UTF-8", &m, "UTF-8");
    common_pieces(&m);
    sp_bytes(&part, 1, "x\0y", 3);
    sp_message(&m, 1, &part);
    refused("a piece with a NUL", &m, "NUL");
    common_pieces(&m);
    sp_piece(&m, "c", NAN, SP_NORMAL_PIECE);
    refused("a score that is no number", &m, "not finite");
    common_pieces(&m);
    sp_piece(&m, "c", -INFINITY, SP_NORMAL_PIECE);
    refused("an infinite score", &m, "not finite");
    common_pieces(&m);
    sp_piece(&m, "c", 0, 7);
    refused("an unknown type", &m, "unknown type");
    common_pieces(&m);
    sp_piece(&m, "<0x41>", 0, SP_BYTE_PIECE);
    refused("a byte piece without byte_fallback", &m, "byte pieces without");
    common_pieces(&m);
    sp_number(&part, 35, 1);
    sp_message(&m, 2, &part);
    refused("byte_fallback without byte pieces", &m, "0 byte pieces");
    common_pieces(&m);
    sp_piece(&m, "<0x4G>", 0, SP_BYTE_PIECE);
    refused("a byte piece that names none", &m, "no byte piece");
    common_pieces(&m);
    sp_number(&part, 3, 9);
    sp_message(&m, 2, &part);
    refused("an unknown algorithm", &m, "type of model");
}

static void
bad_wire(void)
{
    struct str m = {0};
    str_add(&m, "\n\xFF\xFF\xFF\xFF\x0F", 6);
    refused("a length beyond the file", &m, "offset 0");
    str_add(&m, "\n\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 11);
    refused("a length beyond any file", &m, "offset");
    str_add(&m, "\n\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80", 12);
    refused("a length without an end", &m, "ten bytes");
    str_add(&m, "\n\x02\n\x05", 4);
    refused("a piece longer than what holds it", &m, "offset 2");
    common_pieces(&m);
    str_add(&m, "\x08\x01", 2);
    refused("a number in a piece's place", &m, "another type");
    common_pieces(&m);
    str_add(&m, "\x13\x14", 2);
    refused("a group", &m, "not a field");
    common_pieces(&m);
    str_add(&m, "\x02", 1);
    refused("field 0", &m, "not a field");
    common_pieces(&m);
    sp_number(&m, 1000, 5); /* an extension */
    sp_float(&m, 1001, 5);
    ok(try_model(m.data, m.len) == 0, "unknown fields are passed over");
    str_release(&m);
}

/* A charsmap of three nodes; `change` damages it. */
static void
bad_map(const char *what, void (*change)(uint8_t *units, struct str *blob), const char *place)
{
    struct str blob = {0};
    struct charsmap map;
    sp_charsmap(&blob, rules, sizeof rules / sizeof *rules);
    change((uint8_t *)blob.data + 4, &blob);
    bool bad = charsmap_open(&map, "map", blob.data, blob.len) < 0;
    ok(bad && err_status() == STATUS_INPUT && strstr(err_text(), place), "refused: %s (%s)", what,
       bad ? err_text() : "taken");
    if (!bad)
        charsmap_release(&map);
    str_release(&blob);
}

static void
cycle(uint8_t *units, struct str *blob)
{
    (void)blob;
    /* the root's children stand at 256; let 'A' lead to where it stands itself */
    store_u32(units + 4 * (256 + 'A'), 'A' | ((uint32_t)'A') << 10);
}

static void
outside(uint8_t *units, struct str *blob)
{
    (void)blob;
    store_u32(units + 4 * (256 + 'A'), 'A' | 1u << 30);
}

static void
far_text(uint8_t *units, struct str *blob)
{
    (void)blob;
    store_u32(units + 4 * 512, 0x80000000u | 9999); /* the value of "A" */
}

static void
no_end(uint8_t *units, struct str *blob)
{
    (void)units;
    blob->len--;
}

static void
no_texts(uint8_t *units, struct str *blob)
{
    (void)units;
    blob->len = 4 + load_u32(blob->data);
}

static void
odd_size(uint8_t *units, struct str *blob)
{
    (void)units;
    store_u32(blob->data, load_u32(blob->data) - 2);
}

static void
maps(void)
{
    struct charsmap map;
    struct str blob = {0};
    const char *to = NULL;
    size_t n = 0;
    sp_charsmap(&blob, rules, sizeof rules / sizeof *rules);
    ok(charsmap_open(&map, "map", blob.data, blob.len) == 0, "a charsmap: %s", err_text());
    ok(charsmap_longest(&map, "ABC", 3, &to, &n) == 2 && n == 0, "the longest key");
    ok(charsmap_longest(&map, "AB", 1, &to, &n) == 1 && n == 2 && !memcmp(to, "ab", 2),
       "not beyond the text");
    ok(charsmap_shortest(&map, "ABC", 3, &to, &n) == 1 && n == 2, "the shortest key");
    ok(charsmap_longest(&map, "B", 1, &to, &n) == 0 && charsmap_longest(&map, "", 0, &to, &n) == 0,
       "none");
    charsmap_release(&map);
    str_release(&blob);
    bad_map("a cycle", cycle, "without an end");
    bad_map("a node outside", outside, "outside");
    bad_map("a replacement outside", far_text, "replacement");
    bad_map("texts without an end", no_end, "no end");
    bad_map("no texts", no_texts, "size");
    bad_map("half a unit", odd_size, "size");
}

/* ---- any damage ---- */

static void
damage(int algorithm, const char *name)
{
    struct str m = {0};
    size_t counts[2] = {0}, wrong = 0, step = 1;
    small_model(&m, algorithm);
    ok(try_model(m.data, m.len) == 0, "%s: the model itself works", name);
    /* the charsmap is mostly empty: of its bytes some are enough */
    for (size_t i = 0; i < m.len; i += step) {
        step = i > 200 && i + 200 < m.len ? 251 : algorithm == SP_UNIGRAM ? 1 : 2;
        char old = m.data[i];
        for (size_t bit = i % 3; bit < 8; bit += 3) {
            m.data[i] = (char)(old ^ 1 << bit);
            int rc = try_model(m.data, m.len);
            wrong += rc < 0;
            counts[rc == 1]++;
        }
        m.data[i] = old;
    }
    ok(wrong == 0 && counts[0] && counts[1], "%s: flipped bits: %zu taken, %zu refused", name,
       counts[0], counts[1]);
    counts[0] = counts[1] = 0;
    for (size_t n = 0; n<m.len; n += n> 200 && n + 200 < m.len ? 251 : 3) {
        int rc = try_model(m.data, n);
        wrong += rc < 0;
        counts[rc == 1]++;
    }
    ok(wrong == 0 && counts[1], "%s: cut off: %zu taken, %zu refused", name, counts[0], counts[1]);
    str_release(&m);
}

int
main(void)
{
    bad_pieces();
    bad_wire();
    maps();
    damage(SP_UNIGRAM, "Unigram");
    damage(SP_BPE, "BPE");
    damage(SP_WORD, "words");
    damage(SP_CHAR, "characters");
    return done();
}

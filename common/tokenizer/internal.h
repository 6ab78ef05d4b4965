#ifndef TOKENIZER_INTERNAL_H
#define TOKENIZER_INTERNAL_H

#include "base/vec.h"
#include "json/json.h"
#include "tokenizer/added.h"
#include "tokenizer/bpe.h"
#include "tokenizer/bulk.h"
#include "tokenizer/decoder.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pretokenizer.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unigram.h"
#include "tokenizer/vocab.h"
#include "tokenizer/wordpiece.h"

/* What the files of common/tokenizer share; nobody else includes this. */

enum model_kind {
    MODEL_BPE,
    MODEL_UNIGRAM,
    MODEL_WORDPIECE,
    MODEL_WORDLEVEL,
    MODEL_SENTENCEPIECE
};

/* Tokens that an extension added; extension.h. */
struct extension {
    uint32_t first;
    struct ids ids, ends; /* what each replaces, joined; where each ends */
};

struct tokenizer {
    struct vocab vocab; /* the model's own */
    uint32_t unk;       /* the model's unknown token; TOKEN_NONE */
    enum model_kind kind;
    struct bpe bpe; /* of these the one that kind names */
    struct unigram unigram;
    struct wordpiece words; /* WordPiece, WordLevel */
    struct sp *sp; /* a SentencePiece model, which does all by itself; else NULL */
    struct normalizer normalizer;
    struct pretokenizer pretokenizer;
    struct decoder decoder;
    struct ids prefix, suffix; /* what the post-processor adds */
    struct extension extension;

    VEC(struct added_token) added;
    struct added_trie raw, normal; /* searched before and behind the normalizer */
    uint32_t *added_of;            /* by id: index into added + 1; 0: not added */
    uint32_t vocabulary;           /* largest id + 1 */

    struct tokenizer_specials model_ids; /* those of a SentencePiece model, also beside a json */
    bool tekken;           /* read from a tekken.json */
    bool add_bos, add_eos; /* of a SentencePiece model's tokenizer_config.json */
    struct tokenizer_specials specials;
    struct decided {
        bool bos, eos, pad, unk; /* a higher authority has spoken */
    } decided;

    VEC(struct tokenizer_file) files;
};

/*
 * The parts of loading, in the order they are called. bulk: what was read apart from
 * the document, or NULL; its vocabulary is taken from it. 0 or -1.
 */
int load_model(struct tokenizer *t, const struct json_doc *doc, const json_t *json,
               struct bulk *bulk);
int load_bpe(struct tokenizer *t, const struct json_doc *doc, const json_t *model,
             struct bulk *bulk);
int load_unigram(struct tokenizer *t, const struct json_doc *doc, const json_t *model);
int load_vocab(struct tokenizer *t, const struct json_doc *doc, const json_t *model,
               struct bulk *bulk);
int load_extension(struct tokenizer *t, const struct json_doc *doc, const json_t *model);
int load_added(struct tokenizer *t, const struct json_doc *doc, const json_t *json);
int load_post(struct tokenizer *t, const struct json_doc *doc, const json_t *json);

/*
 * The tokenizer.json of a .tiktoken file (pattern: the encoding's or pattern's name, or a
 * regular expression; NULL is refused) and of a tekken.json, appended. 0 or -1.
 */
int tiktoken_to_json(const char *name, const char *data, size_t n, const char *pattern,
                     struct str *json);
bool is_tekken(const json_t *root);
int tekken_to_json(const struct json_doc *doc, struct str *json);

/* The tokenizer_config.json that such a one has when none stands beside it. */
void tekken_config(const struct tokenizer *t, struct str *json);

/* A SentencePiece model; only its ids where tokenizer.json stands beside it. 0 or -1. */
int load_sp(struct tokenizer *t, const char *name, const char *bytes, size_t n);
int load_sp_ids(struct tokenizer *t, const char *name, const char *bytes, size_t n);

/* What its tokenizer_config.json adds: tokens, what stands around a text. 0 or -1. */
int load_sp_config(struct tokenizer *t, const struct json_doc *doc, const json_t *root);

/* Takes the specials from tokenizer_config.json (data NULL: there is none). 0 or -1. */
int load_config(struct tokenizer *t, const char *name, const char *data, size_t n);

/*
 * A tokenizer_config.json as a document. transformers writes "model_max_length":
 * 1000000000000000019884624838656 where there is no limit, which a JSON document of ours may not
 * hold: numbers are of no interest here and read as reals.
 */
int parse_config(struct json_doc *doc, const char *name, const char *data, size_t n);

void extension_release(struct extension *e);

/* What the post-processor and the well-known names say about those still undecided. */
void guess_specials(struct tokenizer *t);

/* The text of an id for decoding: an added token's normalized content. NULL: a gap. */
const char *decode_text(const struct tokenizer *t, uint32_t id, size_t *n);

/* Is it left out where special tokens are skipped? */
bool decode_skips(const struct tokenizer *t, uint32_t id);

/* The bytes that a SentencePiece model's id stands for inside a text, appended. */
void decode_sp_piece(const struct tokenizer *t, uint32_t id, struct str *out);

/* What was encoded of a text: an added token, a stretch between two. */
struct encoded {
    const char *text;
    size_t begin, end;   /* of the stretch in it */
    bool added;
    const uint32_t *ids; /* what it became */
    size_t count;
};

/*
 * 0 or 1 for each id of a stretch, appended: does it hold something of one of the parts? z is
 * used up. 0 or -1.
 */
int mark_stretch(const struct tokenizer *t, struct normalizer_scratch *z, const struct encoded *e,
                 const struct tokenizer_part *parts, size_t count, struct str *marks);

static inline const struct added_token *
added_token(const struct tokenizer *t, uint32_t id)
{
    return id < t->vocabulary && t->added_of[id] ? &t->added.data[t->added_of[id] - 1] : NULL;
}

#endif

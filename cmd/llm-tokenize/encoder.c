#include "cmd/llm-tokenize/encoder.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "cmd/llm-tokenize/options.h"
#include "shard/pairs.h"

/* Encodes documents with what --special puts around them. */

/* EOS ends every document; BOS begins it where there is one that is not EOS. */
static int
choose_document_tokens(struct encoder *e)
{
    const struct tokenizer_specials *s = tokenizer_specials(e->tokenizer);

    e->end = s->eos;
    e->begin = s->bos == s->eos ? TOKEN_NONE : s->bos;
    if (s->eos == TOKEN_NONE && !(options.eos && !strcmp(options.eos, "none")))
        return err_set(STATUS_USAGE,
                       "%s: no token that ends a document was found: name it with --eos",
                       options.tokenizer);
    return 0;
}

int
encoder_init(struct encoder *e, bool shard_like)
{
    *e = (struct encoder){.begin = TOKEN_NONE, .end = TOKEN_NONE, .threads = options.threads};
    if (!options.tokenizer)
        return err_set(STATUS_USAGE, "which tokenizer? give --tokenizer FILE");
    e->tokenizer = tokenizer_load_cut(options.tokenizer, options.learn.pattern);
    if (!e->tokenizer)
        return -1;
    if (tokenizer_set_specials(e->tokenizer, options.bos, options.eos))
        return -1;
    e->special = options.special;
    if (options_chat()) /* the template says it all */
        e->special = SPECIAL_NONE;
    else if (!options.special_given)
        e->special = shard_like ? SPECIAL_DOCUMENT : SPECIAL_TOKENIZER;
    if (e->special == SPECIAL_DOCUMENT && choose_document_tokens(e))
        return -1;
    e->scratch = mem_array((size_t)e->threads, sizeof *e->scratch);
    for (int i = 0; i < e->threads; i++)
        e->scratch[i] = tokenizer_scratch_new(e->tokenizer);
    return 0;
}

void
encoder_release(struct encoder *e)
{
    for (int i = 0; e->scratch && i < e->threads; i++)
        tokenizer_scratch_free(e->scratch[i]);
    free(e->scratch);
    tokenizer_free(e->tokenizer);
    *e = (struct encoder){0};
}

int
encoder_add(struct encoder *e, int worker, const char *text, size_t n, struct ids *out)
{
    int flags = e->special == SPECIAL_TOKENIZER ? ENCODE_POST_PROCESS : 0;

    if (options.special_text == SPECIAL_TEXT_PLAIN)
        flags |= ENCODE_NO_SPECIAL_TEXT;
    if (e->begin != TOKEN_NONE)
        vec_push(out, e->begin);
    if (tokenizer_encode(e->tokenizer, e->scratch[worker], text, n, flags, out))
        return -1;
    if (e->end != TOKEN_NONE)
        vec_push(out, e->end);
    return 0;
}

/* ---- conversations ---------------------------------------------------------------- */

/* Does the text end with the token's own? */
static bool
ends_with_token(const struct encoder *e, uint32_t id, const char *text, size_t n)
{
    size_t size;
    const char *token = tokenizer_text(e->tokenizer, id, &size);

    return token && n >= size && !memcmp(text + n - size, token, size);
}

/*
 * One text of the document: [begin, end) of it. Plain ones are what a tokenizer makes of a prompt and its
 * answer: its beginning before them, EOS behind.
 */
static int
add_text(struct encoder *e, int worker, const struct chat_document *d, size_t begin, size_t end,
         struct ids *out, struct str *loss)
{
    const char *text = d->text.data ? d->text.data + begin : "";
    uint32_t eos = tokenizer_specials(e->tokenizer)->eos;
    struct tokenizer_part *parts = mem_array(d->parts.len, sizeof *parts);
    size_t count = 0;

    for (size_t i = 0; i < d->parts.len; i++)
        if (d->parts.data[i].begin >= begin && d->parts.data[i].end <= end)
            parts[count++] = (struct tokenizer_part){d->parts.data[i].begin - begin,
                                                     d->parts.data[i].end - begin};
    int r = tokenizer_encode_marked(e->tokenizer, e->scratch[worker], text, end - begin,
                                    d->plain ? ENCODE_POST_PREFIX : 0, parts, count, out, loss);
    free(parts);
    if (!r && d->plain && eos != TOKEN_NONE && !ends_with_token(e, eos, text, end - begin)) {
        vec_push(out, eos);
        str_addc(loss, 1);
    }
    return r;
}

/* Both texts; each must be a prompt that is not scored, then an answer that is. */
static int
add_pair(struct encoder *e, int worker, const struct chat_document *d, struct ids *out,
         struct str *loss)
{
    size_t first = out->len, second, found;

    if (add_text(e, worker, d, 0, d->second, out, loss))
        return -1;
    second = out->len;
    if (add_text(e, worker, d, d->second, d->text.len, out, loss))
        return -1;
    found = shard_pair_second((const uint8_t *)loss->data + first, out->len - first);
    if (found == 0 || found != second - first)
        return err_set(STATUS_INPUT, "not a prompt and behind it an answer, twice");
    return 0;
}

int
encoder_add_chat(struct encoder *e, int worker, const struct chat_document *d, struct ids *out,
                 struct str *loss)
{
    size_t first = out->len;
    int r;

    str_reserve(loss, 1);
    if (options.preference)
        r = add_pair(e, worker, d, out, loss);
    else
        r = add_text(e, worker, d, 0, d->text.len, out, loss);
    if (!r && !options.preference && options.loss == CHAT_LOSS_ALL)
        memset(loss->data + first, 1, out->len - first);
    if (!r)
        return 0;
    out->len = first;
    loss->len = first;
    return err_status() == STATUS_INPUT ? 1 : -1;
}

/* ---- what is known of them ---------------------------------------------------------- */

void
encoder_describe(const struct encoder *e, struct shard_head *head)
{
    const struct tokenizer_specials *s = tokenizer_specials(e->tokenizer);

    head->vocabulary = tokenizer_vocabulary(e->tokenizer);
    head->bos = s->bos;
    head->eos = s->eos;
    head->pad = s->pad;
    head->unk = s->unk;
    tokenizer_fingerprint(e->tokenizer, head->fingerprint);
}

static void
add_special(const struct encoder *e, const char *name, uint32_t id, struct str *out)
{
    size_t n;
    const char *text = id == TOKEN_NONE ? NULL : tokenizer_text(e->tokenizer, id, &n);

    if (id == TOKEN_NONE)
        str_addf(out, "%s none", name);
    else
        str_addf(out, "%s %" PRIu32 " %.*s", name, id, text ? (int)n : 0, text ? text : "");
}

void
encoder_specials(const struct encoder *e, struct str *out)
{
    const struct tokenizer_specials *s = tokenizer_specials(e->tokenizer);

    add_special(e, "bos", s->bos, out);
    str_adds(out, ", ");
    add_special(e, "eos", s->eos, out);
}

/*
 * Requests as rows of tokens, as lm_eval 0.4.13 makes them: TemplateLM._encode_pair and
 * loglikelihood (api/model.py), HFLM.tok_encode, _loglikelihood_tokens and generate_until
 * (models/huggingface.py), get_rolling_token_windows and make_disjoint_window (utils.py). The
 * separate rule: Stability's jp-stable, lm_eval/base.py.
 */
#include "eval/encode.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "eval/pystr.h"

enum { DEFAULT_NEW = 256 };

void
encoded_release(encoded_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        vec_release(&list->data[i].ids);
    vec_release(list);
}

/* What every request is encoded with. */
struct encoder {
    const struct request *request;
    size_t number;
    const struct tokenizer *tokenizer;
    struct tokenizer_scratch *scratch;
    const struct encode_limits *limits;
    encoded_list *out;
};

static int
refuse(const struct encoder *e, const char *why)
{
    const struct request *r = e->request;

    return err_set(STATUS_INPUT, "request %s, index %lld: %s", r->id ? r->id : "?",
                   (long long)r->index, why);
}

/* ---- texts ---- */

/* Does the text begin with the text of `id`? */
static bool
begins_with(const struct encoder *e, const char *text, size_t n, uint32_t id)
{
    size_t length = 0;
    const char *token = id == TOKEN_NONE ? NULL : tokenizer_text(e->tokenizer, id, &length);

    return token && length > 0 && n >= length && memcmp(text, token, length) == 0;
}

/* ---- tokens ---- */

static int
encode_plain(const struct encoder *e, const char *text, size_t n, struct ids *out)
{
    return tokenizer_encode(e->tokenizer, e->scratch, n ? text : "", n, 0, out);
}

/*
 * With the special tokens of the tokenizer, unless the text itself begins with `prefix`, or
 * the request says otherwise.
 */
static int
encode_special(const struct encoder *e, const char *text, size_t n, uint32_t prefix,
               struct ids *out)
{
    enum bos_rule rule = e->request->add_bos_token;
    size_t begin = out->len;

    if (rule == BOS_NO || begins_with(e, text, n, prefix))
        return encode_plain(e, text, n, out);
    if (tokenizer_encode(e->tokenizer, e->scratch, n ? text : "", n, ENCODE_POST_PROCESS, out) < 0)
        return -1;
    uint32_t bos = tokenizer_specials(e->tokenizer)->bos;
    if (rule == BOS_YES && bos != TOKEN_NONE &&
        (out->len == begin || out->data[begin] != bos)) {
        vec_push(out, bos);
        memmove(out->data + begin + 1, out->data + begin,
                (out->len - 1 - begin) * sizeof *out->data);
        out->data[begin] = bos;
    }
    return 0;
}

static int
push_prefix(const struct encoder *e, uint32_t id, struct ids *out)
{
    if (id == TOKEN_NONE)
        return refuse(e, "an empty context, and the tokenizer has neither BOS nor EOS");
    vec_push(out, id);
    return 0;
}

/* ---- rows ---- */

/* A row of ids[0..n), of which the first `context` are not scored. */
static void
add_row(const struct encoder *e, const uint32_t *ids, size_t n, size_t context)
{
    struct encoded row = {.context = context, .request = e->number};

    vec_reserve(&row.ids, n);
    if (n)
        memcpy(row.ids.data, ids, n * sizeof *ids);
    row.ids.len = n;
    vec_push(e->out, row);
}

/* The last max_length + 1 of the ids: the model sees all but the last. */
static int
add_scored(const struct encoder *e, const struct ids *ids, size_t context)
{
    size_t limit = (size_t)e->limits->max_length, n = ids->len;
    size_t cut = n > limit + 1 ? n - (limit + 1) : 0;

    if (context == 0)
        return refuse(e, "the context has no token");
    if (n <= context)
        return refuse(e, "the continuation has no token");
    if (n - context > limit)
        return refuse(e, "the continuation is longer than the model's context");
    add_row(e, ids->data + cut, n - cut, context - cut);
    return 0;
}

/* The context's trailing white space is the continuation's; what is behind the context's tokens
 * in those of the whole is scored. */
static int
encode_joint(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;
    size_t end = python_rstrip(piece_in(&r->context)).n;
    uint32_t prefix = e->limits->prefix;
    struct str whole = {0};
    struct ids context = {0};
    int result = -1;

    str_add(&whole, r->context.data, r->context.len);
    str_add(&whole, r->continuation.data ? r->continuation.data : "", r->continuation.len);
    if (encode_special(e, whole.data, whole.len, prefix, ids) == 0 &&
        encode_special(e, whole.data, end, prefix, &context) == 0)
        result = add_scored(e, ids, context.len);
    str_release(&whole);
    vec_release(&context);
    return result;
}

/* Behind the prefix token, unless the continuation begins with it. */
static int
encode_behind_prefix(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;

    if (push_prefix(e, e->limits->prefix, ids) < 0 ||
        encode_plain(e, r->continuation.data, r->continuation.len, ids) < 0)
        return -1;
    if (ids->len > 1 && ids->data[1] == ids->data[0])
        memmove(ids->data, ids->data + 1, --ids->len * sizeof *ids->data);
    return add_scored(e, ids, 1);
}

/* The context of the separate rule; an empty one is EOS. */
static int
separate_context(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;
    const struct tokenizer_specials *s = tokenizer_specials(e->tokenizer);

    if (r->add_bos_token == BOS_YES && push_prefix(e, s->bos, ids) < 0)
        return -1;
    if (encode_plain(e, r->context.data, r->context.len, ids) < 0)
        return -1;
    if (ids->len == 0)
        return push_prefix(e, s->eos != TOKEN_NONE ? s->eos : e->limits->prefix, ids);
    return 0;
}

static int
encode_separate(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;
    size_t context;

    if (separate_context(e, ids) < 0)
        return -1;
    context = ids->len;
    if (encode_plain(e, r->continuation.data, r->continuation.len, ids) < 0)
        return -1;
    return add_scored(e, ids, context);
}

/*
 * Windows of max_length: the first predicts as many tokens as it holds, behind the prefix token;
 * the later ones predict the next ones with all the context that there is room for. ids:
 * the prefix, then the text (in which the tokenizer may have put BOS once more).
 */
static int
encode_rolling(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;
    const struct str *text = &r->continuation;
    size_t limit = (size_t)e->limits->max_length;

    if (push_prefix(e, e->limits->prefix, ids) < 0)
        return -1;
    if (r->encode == ENCODE_SEPARATE && encode_plain(e, text->data, text->len, ids) < 0)
        return -1;
    if (r->encode == ENCODE_JOINT &&
        encode_special(e, text->data, text->len, e->limits->prefix, ids) < 0)
        return -1;
    for (size_t done = 1; done < ids->len;) {
        size_t end = ids->len - done < limit ? ids->len : done + limit;
        size_t begin = end > limit + 1 ? end - limit - 1 : 0;

        add_row(e, ids->data + begin, end - begin, done - begin);
        done = end;
    }
    return 0;
}

/* The last of the context for which there is room before max_new tokens. */
static int
encode_prompt(const struct encoder *e, struct ids *ids)
{
    const struct request *r = e->request;
    int64_t room = e->limits->max_length - (r->max_new ? r->max_new : DEFAULT_NEW);

    if (room < 1)
        return refuse(e, "max_new leaves no room for a context in the model's positions");
    if (r->encode == ENCODE_SEPARATE) {
        if (separate_context(e, ids) < 0)
            return -1;
    } else {
        uint32_t bos = tokenizer_specials(e->tokenizer)->bos;

        if (encode_special(e, r->context.data, r->context.len, bos, ids) < 0)
            return -1;
        if (ids->len == 0 && push_prefix(e, e->limits->prefix, ids) < 0)
            return -1;
    }
    size_t cut = ids->len > (size_t)room ? ids->len - (size_t)room : 0;
    add_row(e, ids->data + cut, ids->len - cut, ids->len - cut);
    return 0;
}

int
encode_request(const struct request *r, size_t number, const struct tokenizer *t,
               struct tokenizer_scratch *s, const struct encode_limits *limits, encoded_list *out)
{
    const struct encoder e = {r, number, t, s, limits, out};
    struct ids ids = {0};
    int result;

    if ((r->context.len && utf8_valid(r->context.data, r->context.len) != r->context.len) ||
        (r->continuation.len &&
         utf8_valid(r->continuation.data, r->continuation.len) != r->continuation.len))
        return refuse(&e, "not UTF-8");
    if (r->type == REQUEST_GENERATE)
        result = encode_prompt(&e, &ids);
    else if (r->type == REQUEST_ROLLING)
        result = encode_rolling(&e, &ids);
    else if (r->encode == ENCODE_SEPARATE)
        result = encode_separate(&e, &ids);
    else if (r->context.len == 0)
        result = encode_behind_prefix(&e, &ids);
    else
        result = encode_joint(&e, &ids);
    vec_release(&ids);
    return result;
}

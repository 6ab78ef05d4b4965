#include "cmd/llm-tokenize/account.h"

#include <inttypes.h>

#include "base/die.h"
#include "base/log.h"
#include "json/write.h"

/* Adds up and reports. */

static const struct {
    const char *text, *key;
} drops[DROPS] = {
    [DROP_BINARY] = {"binary", "binary"},
    [DROP_XML] = {"XML", "xml"},
    [DROP_EMPTY] = {"empty", "empty"},
    [DROP_LANGUAGE] = {"in other languages", "language"},
    [DROP_SAMPLE] = {"not in the sample", "sample"},
    [DROP_JSON] = {"malformed JSON", "json"},
    [DROP_FIELD] = {"without the JSON field", "field"},
    [DROP_UNREADABLE] = {"unreadable", "unreadable"},
    [DROP_FORMAT] = {"of unsupported formats", "format"},
    [DROP_RECORD] = {"other records", "record"},
    [DROP_STATUS] = {"HTTP responses without success", "status"},
    [DROP_NAMESPACE] = {"pages that are no articles", "namespace"},
    [DROP_REDIRECT] = {"redirects", "redirect"},
    [DROP_CONVERSATION] = {"that are no conversation", "conversation"},
    [DROP_TEMPLATE] = {"refused by the chat template", "template"},
    [DROP_CHARSET] = {"in unsupported charsets", "charset"},
};

void
account_add(struct account *to, const struct account *from)
{
    to->documents_in += from->documents_in;
    to->bytes_in += from->bytes_in;
    to->documents += from->documents;
    to->bytes += from->bytes;
    to->tokens += from->tokens;
    to->scored += from->scored;
    to->unscored += from->unscored;
    to->replaced += from->replaced;
    to->surrogates += from->surrogates;
    for (int i = 0; i < DROPS; i++)
        to->dropped[i] += from->dropped[i];
    for (int i = 0; i < CHARSET_COUNT; i++)
        to->charsets[i] += from->charsets[i];
}

static void
add_part(struct str *out, uint64_t n, const char *text)
{
    if (n)
        str_addf(out, "%s%" PRIu64 " %s", out->len ? ", " : "", n, text);
}

/* "12 binary, 3 empty". */
static void
add_drops(const struct account *a, struct str *out)
{
    for (int i = 0; i < DROPS; i++)
        add_part(out, a->dropped[i], drops[i].text);
}

/* "1 euc-jp, 2 shift_jis". */
static void
add_charsets(const struct account *a, struct str *out)
{
    for (int i = 0; i < CHARSET_COUNT; i++)
        add_part(out, a->charsets[i], charset_name((enum charset)i));
}

static void
drops_json(const struct account *a, struct str *out)
{
    struct json_writer w = {.out = out};

    json_begin_object(&w, NULL);
    for (int i = 0; i < DROPS; i++)
        if (a->dropped[i])
            json_put_uint(&w, drops[i].key, a->dropped[i]);
    json_end_object(&w);
}

static void
charsets_json(const struct account *a, struct str *out)
{
    struct json_writer w = {.out = out};

    json_begin_object(&w, NULL);
    for (int i = 0; i < CHARSET_COUNT; i++)
        if (a->charsets[i])
            json_put_uint(&w, charset_name((enum charset)i), a->charsets[i]);
    json_end_object(&w);
}

/* Conversations were counted. */
static bool
has_scores(const struct account *a)
{
    return a->scored || a->unscored;
}

static void
log_account(const struct account *a, const char *source, int has_tokens)
{
    struct str dropped = {0}, charsets = {0};

    if (!log_enabled())
        return;
    drops_json(a, &dropped);
    charsets_json(a, &charsets);
    log_begin("tokenize");
    log_str("source", source);
    log_int("documents_in", (int64_t)a->documents_in);
    log_int("bytes_in", (int64_t)a->bytes_in);
    log_int("documents", (int64_t)a->documents);
    log_int("bytes", (int64_t)a->bytes);
    if (has_tokens)
        log_int("tokens", (int64_t)a->tokens);
    if (has_scores(a)) {
        log_int("scored_tokens", (int64_t)a->scored);
        log_int("unscored_documents", (int64_t)a->unscored);
    }
    log_json("dropped", dropped.data);
    log_json("converted", charsets.data);
    log_int("replaced", (int64_t)a->replaced);
    log_int("replaced_surrogates", (int64_t)a->surrogates);
    log_end();
    str_release(&dropped);
    str_release(&charsets);
}

void
account_report(const struct account *a, const char *source, const char *specials, int has_tokens)
{
    struct str line = {0}, dropped = {0}, charsets = {0};
    char in[32], out[32];

    str_addf(&line, "in: documents %" PRIu64 ", %s; out: documents %" PRIu64 ", %s",
             a->documents_in, human_bytes((double)a->bytes_in, in), a->documents,
             human_bytes((double)a->bytes, out));
    if (has_tokens)
        str_addf(&line, ", tokens %" PRIu64, a->tokens);
    if (has_scores(a))
        str_addf(&line, ", %" PRIu64 " of them scored", a->scored);
    str_addf(&line, " (source %s)", source);
    add_drops(a, &dropped);
    if (dropped.len)
        str_addf(&line, "; dropped: %s", dropped.data);
    add_charsets(a, &charsets);
    if (charsets.len)
        str_addf(&line, "; converted: %s", charsets.data);
    if (a->replaced)
        str_addf(&line, "; %" PRIu64 " malformed sequences replaced", a->replaced);
    if (a->surrogates)
        str_addf(&line, "; %" PRIu64 " lone surrogates replaced", a->surrogates);
    if (a->unscored)
        str_addf(&line, "; %" PRIu64 " without a scored token", a->unscored);
    if (specials)
        str_addf(&line, "; %s", specials);
    note("%s", line.data);
    log_account(a, source, has_tokens);
    str_release(&line);
    str_release(&dropped);
    str_release(&charsets);
}

#ifndef LLM_TOKENIZE_ACCOUNT_H
#define LLM_TOKENIZE_ACCOUNT_H

#include <stdint.h>

#include "base/str.h"
#include "text/charset.h"

/* What went in, what came out, and what was dropped, why. */

enum drop {
    DROP_BINARY,     /* not text */
    DROP_XML,        /* XML that is not XHTML */
    DROP_EMPTY,      /* no text (left after markup) */
    DROP_LANGUAGE,   /* --lang */
    DROP_SAMPLE,     /* --sample */
    DROP_JSON,       /* a malformed line */
    DROP_FIELD,      /* a line without the field, or it is no string */
    DROP_UNREADABLE, /* a member or archive that is corrupt or beyond a limit */
    DROP_FORMAT,     /* a kind of file that is not supported */
    DROP_RECORD,     /* records of a WARC file that hold no document */
    DROP_STATUS,     /* HTTP responses that say no success */
    DROP_NAMESPACE,  /* pages of a wiki that are no articles */
    DROP_REDIRECT,   /* pages of a wiki that lead to others */
    DROP_CONVERSATION, /* a line without a conversation, or a faulty one */
    DROP_TEMPLATE,   /* conversations that the chat template refuses */
    DROP_CHARSET,    /* a character encoding that is not supported */
    DROPS
};

struct account {
    uint64_t documents_in, bytes_in; /* documents found; bytes of their files, unpacked */
    uint64_t documents, bytes;       /* kept; bytes of their text */
    uint64_t tokens;
    uint64_t scored, unscored; /* --chat: tokens that are learned; documents without any */
    uint64_t dropped[DROPS];
    uint64_t charsets[CHARSET_COUNT]; /* documents that were converted, by charset */
    uint64_t replaced;   /* malformed sequences that became U+FFFD */
    uint64_t surrogates; /* lone surrogates in JSON that became U+FFFD */
};

void account_add(struct account *to, const struct account *from);

/*
 * The final line on stderr and the log's event. specials: what to say of the special
 * tokens, or NULL; has_tokens: were there any to count?
 */
void account_report(const struct account *a, const char *source, const char *specials,
                    int has_tokens);

#endif

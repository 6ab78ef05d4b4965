/*
 * Rows of tokens by the rules of lm_eval 0.4.13 (api/model.py, models/huggingface.py, utils.py). What
 * is expected was worked out by hand from those functions for this tokenizer.
 */
#include "eval/encode.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit/tap.h"

/* <s> 0, </s> 1, a 2, b 3, space 4, " a" 5, line feed 6, ideographic space 7; puts <s> first. */
static const char json[] =
    "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":["
    "{\"id\":0,\"content\":\"<s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":false,\"special\":true},"
    "{\"id\":1,\"content\":\"</s>\",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
    "\"normalized\":false,\"special\":true}],"
    "\"normalizer\":null,\"pre_tokenizer\":null,"
    "\"post_processor\":{\"type\":\"TemplateProcessing\","
    "\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],"
    "\"pair\":[{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"B\",\"type_id\":1}}],"
    "\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[0],\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":null,\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
    "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
    "\"byte_fallback\":false,\"vocab\":{\"<s>\":0,\"</s>\":1,\"a\":2,\"b\":3,\" \":4,\" a\":5,"
    "\"\\n\":6,\"\\u3000\":7},\"merges\":[[\" \",\"a\"]]}}";

static struct tokenizer *tokenizer;
static struct tokenizer_scratch *scratch;

/* The rows of a request as text: ids, a bar before those that are scored; or "error". */
static void
check(const char *expected, struct request r, int64_t max_length, const char *context,
      const char *continuation, const char *what)
{
    struct encode_limits limits = {.max_length = max_length, .prefix = 0};
    encoded_list list = {0};
    struct str got = {0};

    str_adds(&r.context, context);
    str_adds(&r.continuation, continuation);
    if (encode_request(&r, 3, tokenizer, scratch, &limits, &list) < 0)
        str_adds(&got, "error");
    for (size_t i = 0; i < list.len; i++) {
        const struct encoded *e = &list.data[i];

        str_adds(&got, i ? " / " : "");
        for (size_t k = 0; k < e->ids.len; k++)
            str_addf(&got, "%s%s%u", k ? " " : "", k == e->context ? "| " : "", e->ids.data[k]);
        ok(e->request == 3, "%s: the request's number", what);
    }
    str_adds(&got, "");
    is_str(got.data, expected, "%s", what);
    encoded_release(&list);
    str_release(&got);
    str_release(&r.context);
    str_release(&r.continuation);
}

static struct request
scored(enum encode_rule encode, enum bos_rule bos)
{
    struct request r;

    request_init(&r);
    r.encode = encode;
    r.add_bos_token = bos;
    return r;
}

static struct request
of_type(enum request_type type)
{
    struct request r = scored(ENCODE_JOINT, BOS_AUTO);

    r.type = type;
    return r;
}

int
main(void)
{
    struct request joint = scored(ENCODE_JOINT, BOS_AUTO);
    struct request separate = scored(ENCODE_SEPARATE, BOS_AUTO);
    struct request rolling = of_type(REQUEST_ROLLING), prompt = of_type(REQUEST_GENERATE);

    tokenizer = tokenizer_load_json("t.json", json, strlen(json));
    if (!tokenizer) {
        diag("%s", err_text());
        return 1;
    }
    scratch = tokenizer_scratch_new(tokenizer);
    prompt.max_new = 2;

    check("0 3 | 5", joint, 9, "b ", "a", "trailing white space goes to the continuation");
    check("0 3 | 6 7 4 3", joint, 9, "b\n\xE3\x80\x80 ", "b", "that of Unicode, too");
    check("0 | 4 3", joint, 9, " ", "b", "a context of white space alone");
    check("0 3 | 2", joint, 9, "<s>b", "a", "a text that begins with BOS gets no other one");
    check("3 | 5", scored(ENCODE_JOINT, BOS_NO), 9, "b", " a", "without BOS");
    check("0 3 | 5", scored(ENCODE_JOINT, BOS_YES), 9, "b", " a", "BOS that is there already");
    check("0 | 2 3", joint, 9, "", "ab", "an empty context is the prefix token");
    check("0 | 2", joint, 9, "", "<s>a", "unless the continuation begins with it");
    check("3 3 | 2", joint, 2, "bbb", "a", "truncation from the left, to one more than fits");
    check("3 | 2 2", joint, 2, "bbb", "aa", "up to the continuation's length");
    check("error", joint, 2, "b", "aaa", "a continuation longer than the context");
    check("error", joint, 9, "b", "", "no continuation");
    check("error", scored(ENCODE_JOINT, BOS_NO), 9, " ", "b", "no token before the continuation");
    check("error", joint, 9, "b\xFF", "b", "not UTF-8");

    check("3 4 | 2", separate, 9, "b ", "a", "each alone");
    check("1 | 2", separate, 9, "", "a", "an empty context is EOS");
    check("0 3 4 | 2", scored(ENCODE_SEPARATE, BOS_YES), 9, "b ", "a", "each alone, behind BOS");

    check("0 | 0 3", rolling, 9, "", "b", "a rolling text has the prefix token and BOS");
    check("0 | 0 3 3 / 3 | 3 3 3", rolling, 3, "", "bbbbb", "windows one behind the other");
    check("0 | 0 3 3 / 3 3 | 3 3", rolling, 3, "", "bbbb", "the last with all context it can have");
    check("0 | 0", rolling, 3, "", "", "an empty text is BOS");

    check("0 3 4", prompt, 9, "b ", "", "a prompt stays as it is");
    check("3 3", prompt, 4, "bbb", "", "a prompt leaves room for what is new");
    check("error", prompt, 2, "b", "", "and there must be room");
    prompt.add_bos_token = BOS_NO;
    check("0", prompt, 9, "", "", "an empty prompt is the prefix token");
    prompt.encode = ENCODE_SEPARATE;
    check("3", prompt, 9, "b", "", "a prompt of the separate rule");

    tokenizer_scratch_free(scratch);
    tokenizer_free(tokenizer);
    return done();
}

#include "tokenizer/extension.h"
#include "tokenizer/internal.h"

/* The "extension" of a model: which ids the tokens that were added later replace. */

static int
load_replaced(struct extension *e, const struct json_doc *doc, const json_t *list, size_t i)
{
    const json_t *ids = NULL;
    int64_t id = 0;
    if (json_at_array(doc, list, i, &ids) < 0)
        return -1;
    if (json_array_size(ids) == 0)
        return json_fail_at(doc, list, i, "expected the ids that the token replaces");
    for (size_t k = 0; k < json_array_size(ids); k++) {
        if (json_at_int(doc, ids, k, 0, (int64_t)e->first + (int64_t)i - 1, &id) < 0)
            return -1;
        vec_push(&e->ids, (uint32_t)id);
    }
    vec_push(&e->ends, (uint32_t)e->ids.len);
    return 0;
}

int
load_extension(struct tokenizer *t, const struct json_doc *doc, const json_t *model)
{
    const json_t *json = NULL, *list = NULL;
    int64_t first = 0;
    struct extension *e = &t->extension;
    int given = json_get_object(doc, model, "extension", JSON_MAY, &json);
    if (given <= 0)
        return given;
    if (json_only_keys(doc, json, "first|replaces") < 0 ||
        json_get_int(doc, json, "first", JSON_NEED, 1, VOCAB_MAX - 1, &first) < 0 ||
        json_get_array(doc, json, "replaces", JSON_NEED, &list) < 0)
        return -1;
    if ((size_t)first + json_array_size(list) > t->vocab.entries.len)
        return json_fail(doc, json, "replaces", "it is longer than the vocabulary");
    e->first = (uint32_t)first;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (load_replaced(e, doc, list, i) < 0)
            return -1;
    return 0;
}

void
extension_release(struct extension *e)
{
    vec_release(&e->ids);
    vec_release(&e->ends);
}

size_t
tokenizer_replaces(const struct tokenizer *t, uint32_t id, const uint32_t **ids)
{
    const struct extension *e = &t->extension;
    if (id < e->first || id - e->first >= e->ends.len)
        return 0;
    uint32_t i = id - e->first, begin = i ? e->ends.data[i - 1] : 0;
    *ids = e->ids.data + begin;
    return e->ends.data[i] - begin;
}

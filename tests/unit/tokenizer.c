/*
 * Small tokenizers, one for each component of tokenizer.json: ids and decoded texts
 * are those of Hugging Face's tokenizers 0.23.3, computed by
 * tests/unit/data/tokenizer_fixtures.py. timeout: 120
 */
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "tap.h"
#include "tokenizer/tokenizer.h"

static bool
same_ids(const struct ids *ids, const json_t *want)
{
    if (ids->len != json_array_size(want))
        return false;
    for (size_t i = 0; i < ids->len; i++)
        if (ids->data[i] != (uint32_t)json_integer_value(json_array_get(want, i)))
            return false;
    return true;
}

static bool
same_text(const struct str *got, const json_t *want)
{
    return got->len == json_string_length(want) &&
           !memcmp(got->data ? got->data : "", json_string_value(want), got->len);
}

static bool
decodes(const struct tokenizer *t, const struct ids *ids, bool skip, const json_t *want)
{
    struct str whole = {0}, parts = {0};
    struct tokenizer_stream *s = tokenizer_stream_new(t, skip);
    bool good = tokenizer_decode(t, ids->data, ids->len, skip, &whole) == 0;
    for (size_t i = 0; i < ids->len; i++)
        good = good && tokenizer_stream_add(s, ids->data[i], &parts) == 0;
    good = good && tokenizer_stream_end(s, &parts) == 0;
    if (!same_text(&whole, want))
        diag("decoded %s, expected %s", whole.data ? whole.data : "", json_string_value(want));
    good = good && same_text(&whole, want) && same_text(&parts, want);
    tokenizer_stream_free(s);
    str_release(&whole);
    str_release(&parts);
    return good;
}

/* One case: [text, ids, decoded or null, decoded without specials or null]. */
static bool
check_case(const struct tokenizer *t, struct tokenizer_scratch *s, const json_t *c)
{
    const json_t *text = json_array_get(c, 0), *whole = json_array_get(c, 2);
    const json_t *skipped = json_array_get(c, 3);
    struct ids ids = {0};
    bool good = tokenizer_encode(t, s, json_string_value(text), json_string_length(text),
                                 ENCODE_POST_PROCESS, &ids) == 0 &&
                same_ids(&ids, json_array_get(c, 1));
    if (!good)
        diag("ids of \"%.60s\" differ (%zu)", json_string_value(text), ids.len);
    whole = json_is_null(whole) ? text : whole;
    good = good && decodes(t, &ids, false, whole) &&
           decodes(t, &ids, true, json_is_null(skipped) ? whole : skipped);
    vec_release(&ids);
    return good;
}

static void
check_fixture(json_t *models, json_t *fixture)
{
    const char *name = json_string_value(json_object_get(fixture, "name"));
    json_t *members = json_object_get(fixture, "tokenizer");
    json_t *cases = json_object_get(fixture, "cases"), *c;
    size_t i, wrong = 0;
    const char *model = json_string_value(json_object_get(members, "model"));
    json_object_set(members, "model", json_object_get(models, model));
    char *json = json_dumps(members, JSON_COMPACT);
    struct tokenizer *t = tokenizer_load_json(name, json, strlen(json));
    if (!t) {
        ok(false, "%s loads: %s", name, err_text());
        free(json);
        return;
    }
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    json_array_foreach(cases, i, c) wrong += !check_case(t, s, c);
    /* a second time from the cache of the thread */
    json_array_foreach(cases, i, c) wrong += !check_case(t, s, c);
    ok(wrong == 0 && json_array_size(cases) > 20, "%s: %zu of %zu texts as Hugging Face", name,
       json_array_size(cases) - wrong, json_array_size(cases));
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    free(json);
}

int
main(void)
{
    char *path = mem_printf("%s/tests/unit/data/tokenizer_fixtures.json", getenv("LLM_SRC"));
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error), *fixture;
    size_t i;
    if (ok(root, "%s reads: %s", path, root ? "" : error.text)) {
        json_t *fixtures = json_object_get(root, "fixtures");
        ok(json_array_size(fixtures) > 80, "%zu fixtures", json_array_size(fixtures));
        json_array_foreach(fixtures, i, fixture)
            check_fixture(json_object_get(root, "models"), fixture);
    }
    json_decref(root);
    free(path);
    return done();
}

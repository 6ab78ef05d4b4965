/* Requests and results as values, and as JSON lines. */
#include "eval/request.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "json/lines.h"
#include "json/write.h"

enum { ID_MAX = 1 << 20 };

void
request_init(struct request *r)
{
    *r = (struct request){.top_p = 1, .repetition_penalty = 1};
}

void
request_release(struct request *r)
{
    free(r->id);
    str_release(&r->context);
    str_release(&r->continuation);
    for (size_t i = 0; i < r->until.len; i++)
        free(r->until.data[i]);
    vec_release(&r->until);
    request_init(r);
}

void
requests_release(request_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        request_release(&list->data[i]);
    vec_release(list);
}

void
results_release(result_list *list)
{
    for (size_t i = 0; i < list->len; i++)
        str_release(&list->data[i].text);
    vec_release(list);
}

/* ---- writing ---- */

static void
put_generation(struct json_writer *w, const struct request *r)
{
    json_begin_array(w, "until");
    for (size_t i = 0; i < r->until.len; i++)
        json_put_string(w, NULL, r->until.data[i]);
    json_end_array(w);
    if (r->max_new)
        json_put_int(w, "max_new", r->max_new);
    if (r->temperature != 0)
        json_put_real(w, "temperature", r->temperature);
    if (r->top_p != 1)
        json_put_real(w, "top_p", r->top_p);
    if (r->top_k)
        json_put_int(w, "top_k", r->top_k);
    if (r->repetition_penalty != 1)
        json_put_real(w, "repetition_penalty", r->repetition_penalty);
}

static void
put_str(struct json_writer *w, const char *key, const struct str *s)
{
    json_put_bytes(w, key, s->data ? s->data : "", s->len);
}

void
request_write(const struct request *r, struct str *out)
{
    struct json_writer w = {.out = out};

    json_begin_object(&w, NULL);
    json_put_string(&w, "id", r->id ? r->id : "");
    json_put_int(&w, "index", r->index);
    if (r->type == REQUEST_ROLLING) {
        put_str(&w, "text", &r->continuation);
    } else {
        put_str(&w, "ctx", &r->context);
        if (r->type == REQUEST_LOGLIKELIHOOD)
            put_str(&w, "cont", &r->continuation);
        else
            put_generation(&w, r);
    }
    if (r->encode == ENCODE_SEPARATE)
        json_put_string(&w, "encode", "separate");
    if (r->add_bos_token != BOS_AUTO)
        json_put_bool(&w, "add_bos_token", r->add_bos_token == BOS_YES);
    json_end_object(&w);
    str_addc(out, '\n');
}

void
result_write(const struct request *r, const struct result *result, struct str *out)
{
    struct json_writer w = {.out = out};

    json_begin_object(&w, NULL);
    json_put_string(&w, "id", r->id ? r->id : "");
    json_put_int(&w, "index", r->index);
    if (r->type == REQUEST_GENERATE)
        put_str(&w, "text", &result->text);
    else
        json_put_real(&w, "log_likelihood", result->log_likelihood);
    if (r->type == REQUEST_LOGLIKELIHOOD)
        json_put_bool(&w, "is_greedy", result->is_greedy);
    json_put_int(&w, "tokens", result->tokens);
    json_end_object(&w);
    str_addc(out, '\n');
}

/* ---- reading lines ---- */

/* "id" and "index", or the line's number and 0. 0 or -1. */
static int
get_name(const struct json_lines *l, char **id, int64_t *index)
{
    const char *text = NULL;

    *index = 0;
    if (json_get_string(&l->doc, l->object, "id", JSON_MAY, &text) < 0 ||
        json_get_int(&l->doc, l->object, "index", JSON_MAY, 0, INT64_MAX, index) < 0)
        return -1;
    if (text && strlen(text) > ID_MAX)
        return json_fail(&l->doc, l->object, "id", "longer than %d bytes", ID_MAX);
    *id = text ? mem_strdup(text) : mem_printf("%zu", l->number);
    return 0;
}

static int
get_text(const struct json_lines *l, const char *key, struct str *out)
{
    const char *bytes = "";
    size_t n = 0;

    if (json_get_bytes(&l->doc, l->object, key, JSON_NEED, &bytes, &n) < 0)
        return -1;
    str_add(out, bytes, n);
    return 0;
}

/* ---- reading requests ---- */

static int
get_until(const struct json_lines *l, struct request *r)
{
    const json_t *list = NULL;

    if (json_get_array(&l->doc, l->object, "until", JSON_NEED, &list) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = NULL;

        if (json_at_string(&l->doc, list, i, &text) < 0)
            return -1;
        if (!*text)
            return json_fail_at(&l->doc, list, i, "an empty text ends nothing");
        vec_push(&r->until, mem_strdup(text));
    }
    return 0;
}

/* A number in [min, max], or (min, max] where `above`. */
static int
get_bounded(const struct json_lines *l, const char *key, double min, bool above, double max, double *out)
{
    int found = json_get_real(&l->doc, l->object, key, JSON_MAY, out);

    if (found == 1 && !(above ? *out > min : *out >= min))
        return json_fail(&l->doc, l->object, key, "must be %s %g", above ? "above" : "at least",
                         min);
    if (found == 1 && !(*out <= max))
        return json_fail(&l->doc, l->object, key, "must be at most %g", max);
    return found;
}

static int
get_generation(const struct json_lines *l, struct request *r)
{
    if (json_only_keys(&l->doc, l->object,
                       "id|index|ctx|until|max_new|temperature|top_p|top_k|repetition_penalty|"
                       "encode|add_bos_token") < 0 ||
        get_until(l, r) < 0 ||
        json_get_int(&l->doc, l->object, "max_new", JSON_MAY, 1, 1 << 24, &r->max_new) < 0 ||
        json_get_int(&l->doc, l->object, "top_k", JSON_MAY, 0, 1 << 24, &r->top_k) < 0 ||
        get_bounded(l, "temperature", 0, false, 100, &r->temperature) < 0 ||
        get_bounded(l, "top_p", 0, true, 1, &r->top_p) < 0 ||
        get_bounded(l, "repetition_penalty", 0, true, 100, &r->repetition_penalty) < 0)
        return -1;
    return 0;
}

static int
get_encoding(const struct json_lines *l, struct request *r)
{
    int rule = ENCODE_JOINT;
    const json_t *bos = json_object_get(l->object, "add_bos_token");

    if (json_get_choice(&l->doc, l->object, "encode", JSON_MAY, "joint|separate", &rule) < 0)
        return -1;
    r->encode = (enum encode_rule)rule;
    if (bos && !json_is_boolean(bos) &&
        !(json_is_string(bos) && strcmp(json_string_value(bos), "auto") == 0))
        return json_fail(&l->doc, l->object, "add_bos_token", "expected \"auto\", true or false");
    if (json_is_boolean(bos))
        r->add_bos_token = json_is_true(bos) ? BOS_YES : BOS_NO;
    return 0;
}

static int
get_request(const struct json_lines *l, struct request *r)
{
    bool text = json_object_get(l->object, "text"), cont = json_object_get(l->object, "cont"),
         until = json_object_get(l->object, "until");

    if (text + cont + until != 1)
        return json_fail(&l->doc, l->object, NULL,
                         "expected one of cont (log-likelihood), until (generation) and text "
                         "(rolling log-likelihood)");
    r->type = text ? REQUEST_ROLLING : cont ? REQUEST_LOGLIKELIHOOD : REQUEST_GENERATE;
    if (get_name(l, &r->id, &r->index) < 0 || get_encoding(l, r) < 0)
        return -1;
    if (until && get_generation(l, r) < 0)
        return -1;
    if (text)
        return json_only_keys(&l->doc, l->object, "id|index|text|encode|add_bos_token") < 0
                   ? -1
                   : get_text(l, "text", &r->continuation);
    if (cont && (json_only_keys(&l->doc, l->object, "id|index|ctx|cont|encode|add_bos_token") < 0 ||
                 get_text(l, "cont", &r->continuation) < 0))
        return -1;
    return get_text(l, "ctx", &r->context);
}

/* ---- finding requests by name ---- */

/* Numbers of requests, sorted by id and index. */
static int
compare_names(const struct request *a, const char *id, int64_t index)
{
    int order = strcmp(a->id, id);
    return order ? order : (a->index > index) - (a->index < index);
}

static int
compare_numbers(const void *a, const void *b, void *context)
{
    const struct request *r = context;
    const struct request *second = &r[*(const size_t *)b];

    return compare_names(&r[*(const size_t *)a], second->id, second->index);
}

/* NULL: two have the same name (recorded). */
static size_t *
sort_names(const request_list *list, const char *path)
{
    size_t *order = mem_array(list->len + 1, sizeof *order);

    for (size_t i = 0; i < list->len; i++)
        order[i] = i;
    if (list->len)
        qsort_r(order, list->len, sizeof *order, compare_numbers, list->data);
    for (size_t i = 1; i < list->len; i++) {
        const struct request *r = &list->data[order[i]];

        if (compare_numbers(&order[i - 1], &order[i], list->data) == 0) {
            err_set(STATUS_INPUT, "%s: two requests have the id %s and the index %lld", path, r->id,
                    (long long)r->index);
            free(order);
            return NULL;
        }
    }
    return order;
}

/* The request's number, or SIZE_MAX. */
static size_t
find_name(const request_list *list, const size_t *order, const char *id, int64_t index)
{
    size_t low = 0, high = list->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_names(&list->data[order[middle]], id, index);

        if (c == 0)
            return order[middle];
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

int
requests_load(const char *path, request_list *out)
{
    struct json_lines l;
    int more, result = -1;

    *out = (request_list){0};
    if (json_lines_open(&l, path, 0) < 0)
        goto out;
    while ((more = json_lines_next(&l)) == 1) {
        struct request r;

        request_init(&r);
        int got = get_request(&l, &r);
        vec_push(out, r);
        if (got < 0)
            goto out;
    }
    if (more < 0)
        goto out;
    size_t *order = sort_names(out, path);
    result = order ? 0 : -1;
    free(order);
out:
    json_lines_close(&l);
    if (result < 0)
        requests_release(out);
    return result;
}

/* ---- reading results ---- */

/* log p is null where it is no number: JSON has none for it. */
static int
get_log_likelihood(const struct json_lines *l, struct result *out)
{
    const json_t *value = json_object_get(l->object, "log_likelihood");

    out->log_likelihood = NAN;
    if (value && json_is_null(value))
        return 0;
    return json_get_real(&l->doc, l->object, "log_likelihood", JSON_NEED, &out->log_likelihood) < 0
               ? -1
               : 0;
}

static int
get_result(const struct json_lines *l, const struct request *r, struct result *out)
{
    static const char *const keys[] = {
        [REQUEST_LOGLIKELIHOOD] = "id|index|log_likelihood|is_greedy|tokens",
        [REQUEST_ROLLING] = "id|index|log_likelihood|tokens",
        [REQUEST_GENERATE] = "id|index|text|tokens",
    };

    if (json_only_keys(&l->doc, l->object, keys[r->type]) < 0 ||
        json_get_int(&l->doc, l->object, "tokens", JSON_MAY, 0, INT64_MAX, &out->tokens) < 0)
        return -1;
    if (r->type == REQUEST_GENERATE)
        return get_text(l, "text", &out->text);
    if (r->type == REQUEST_LOGLIKELIHOOD &&
        json_get_bool(&l->doc, l->object, "is_greedy", JSON_NEED, &out->is_greedy) < 0)
        return -1;
    return get_log_likelihood(l, out);
}

/* Puts the current line's result at its request's place, which `seen` says is free. 0 or -1. */
static int
place_result(const struct json_lines *l, const request_list *requests, const size_t *order, bool *seen,
             result_list *out)
{
    char *id = NULL;
    int64_t index = 0;
    int result = -1;

    if (get_name(l, &id, &index) < 0)
        return -1;
    size_t at = find_name(requests, order, id, index);
    if (at == SIZE_MAX)
        json_fail(&l->doc, l->object, NULL, "there is no request with the id %s and the index %lld",
                  id, (long long)index);
    else if (seen[at])
        json_fail(&l->doc, l->object, NULL, "a second result for the id %s and the index %lld", id,
                  (long long)index);
    else
        result = get_result(l, &requests->data[at], &out->data[at]);
    if (at != SIZE_MAX)
        seen[at] = true;
    free(id);
    return result;
}

int
results_load(const char *path, const request_list *requests, result_list *out)
{
    struct json_lines l;
    bool *seen = mem_zarray(requests->len + 1, sizeof *seen);
    size_t *order = NULL;
    int more = 1, result = -1;

    *out = (result_list){0};
    vec_reserve(out, requests->len + 1);
    out->len = requests->len;
    memset(out->data, 0, requests->len * sizeof *out->data);
    if (json_lines_open(&l, path, 0) < 0 || !(order = sort_names(requests, path)))
        goto out;
    while ((more = json_lines_next(&l)) == 1)
        if (place_result(&l, requests, order, seen, out) < 0)
            goto out;
    if (more < 0)
        goto out;
    for (size_t i = 0; i < requests->len; i++)
        if (!seen[i]) {
            err_set(STATUS_INPUT, "%s: no result for the id %s and the index %lld", path,
                    requests->data[i].id, (long long)requests->data[i].index);
            goto out;
        }
    result = 0;
out:
    json_lines_close(&l);
    free(order);
    free(seen);
    if (result < 0)
        results_release(out);
    return result;
}

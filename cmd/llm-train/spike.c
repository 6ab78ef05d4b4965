/* Which steps are bad: NaN, infinity, and values far above those of the steps before. */
#include "cmd/llm-train/spike.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "json/json.h"
#include "json/write.h"

void
spike_init(struct spike_watch *w, int64_t window, double threshold)
{
    *w = (struct spike_watch){.window = window, .threshold = threshold};
    w->loss = mem_zarray((size_t)window, sizeof *w->loss);
    w->grad_norm = mem_zarray((size_t)window, sizeof *w->grad_norm);
}

void
spike_release(struct spike_watch *w)
{
    free(w->loss);
    free(w->grad_norm);
    *w = (struct spike_watch){0};
}

/* Mean and deviation, in two passes from the oldest value on: the same bits on every rank. */
static void
mean_and_deviation(const double *v, int64_t n, double *mean, double *deviation)
{
    double sum = 0, squares = 0;

    for (int64_t i = 0; i < n; i++)
        sum += v[i];
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += (v[i] - *mean) * (v[i] - *mean);
    *deviation = sqrt(squares / (double)n);
}

static bool
is_far_above(const struct spike_watch *w, const double *recent, const char *name, double value,
             struct str *why)
{
    double mean, deviation;

    mean_and_deviation(recent, w->count, &mean, &deviation);
    if (!(value > mean + w->threshold * deviation))
        return false;
    str_addf(why, "%s%s %.4g is beyond %.4g + %g × %.3g of the last %lld steps", why->len ? ", " : "",
             name, value, mean, w->threshold, deviation, (long long)w->count);
    return true;
}

static void
push(struct spike_watch *w, double loss, double grad_norm)
{
    size_t keep;

    if (w->count == w->window) {
        keep = (size_t)(w->window - 1);
        memmove(w->loss, w->loss + 1, keep * sizeof *w->loss);
        memmove(w->grad_norm, w->grad_norm + 1, keep * sizeof *w->grad_norm);
        w->count--;
    }
    w->loss[w->count] = loss;
    w->grad_norm[w->count++] = grad_norm;
}

bool
spike_is_bad(struct spike_watch *w, double loss, double grad_norm, char **why)
{
    struct str text = {0};

    *why = NULL;
    if (!isfinite(loss) || !isfinite(grad_norm)) {
        str_addf(&text, "loss %g, gradient norm %g", loss, grad_norm);
    } else if (w->threshold > 0) {
        if (2 * w->count >= w->window) {
            (void)is_far_above(w, w->loss, "loss", loss, &text);
            (void)is_far_above(w, w->grad_norm, "gradient norm", grad_norm, &text);
        }
        if (text.len == 0)
            push(w, loss, grad_norm);
    }
    *why = text.data;
    return text.len > 0;
}

static void
put_reals(struct json_writer *w, const char *key, const double *v, int64_t n)
{
    json_begin_array(w, key);
    for (int64_t i = 0; i < n; i++)
        json_put_real(w, NULL, v[i]);
    json_end_array(w);
}

void
spike_make_file(const struct spike_watch *w, struct str *out)
{
    struct json_writer j = {.out = out};

    json_begin_object(&j, NULL);
    put_reals(&j, "loss", w->loss, w->count);
    put_reals(&j, "grad_norm", w->grad_norm, w->count);
    json_end_object(&j);
    str_addc(out, '\n');
}

static int
read_values(struct spike_watch *w, const struct json_doc *doc)
{
    const json_t *root, *losses, *norms;
    double loss, norm;
    size_t n;

    if (json_root_object(doc, &root) < 0 || json_only_keys(doc, root, "loss|grad_norm") < 0 ||
        json_get_array(doc, root, "loss", JSON_NEED, &losses) < 0 ||
        json_get_array(doc, root, "grad_norm", JSON_NEED, &norms) < 0)
        return -1;
    n = json_array_size(losses);
    if (json_array_size(norms) != n)
        return err_set(STATUS_INPUT, "%s: loss and grad_norm differ in length", doc->name);
    w->count = 0;
    for (size_t i = 0; i < n; i++) {
        if (json_at_real(doc, losses, i, &loss) < 0 || json_at_real(doc, norms, i, &norm) < 0)
            return -1;
        push(w, loss, norm);
    }
    return 0;
}

int
spike_read_file(struct spike_watch *w, const char *path)
{
    struct json_doc doc;
    int result;

    if (json_doc_load(&doc, path, 0) < 0)
        return -1;
    result = read_values(w, &doc);
    json_doc_release(&doc);
    return result;
}

/* The list's last range; where it begins in the text. */
static const char *
last_range(const char *ranges, uint64_t *from, uint64_t *to)
{
    const char *last = strrchr(ranges, ',');
    char *end;

    last = last ? last + 1 : ranges;
    *from = *to = strtoull(last, &end, 10);
    if (*end == '-')
        *to = strtoull(end + 1, NULL, 10);
    return last;
}

char *
spike_add_range(const char *ranges, uint64_t from, uint64_t to)
{
    struct str s = {0};
    uint64_t begin = 0, end = 0;
    const char *last = ranges && ranges[0] ? last_range(ranges, &begin, &end) : NULL;

    if (last && begin <= to && from <= end + 1) {
        str_add(&s, ranges, (size_t)(last - ranges));
        from = begin < from ? begin : from;
        to = end > to ? end : to;
    } else if (last) {
        str_adds(&s, ranges);
        str_addc(&s, ',');
    }
    str_addf(&s, "%llu-%llu", (unsigned long long)from, (unsigned long long)to);
    return s.data;
}

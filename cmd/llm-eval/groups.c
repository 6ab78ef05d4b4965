#include "cmd/llm-eval/groups.h"

#include <math.h>
#include <string.h>

#include "base/err.h"

struct column {
    const char *name;
    const json_t *scores;
    double scale;
    bool weight_by_size;
};

bool
group_is(const struct json_doc *doc)
{
    return doc->root && json_is_object(doc->root) && json_object_get(doc->root, "tasks");
}

static int
read_column(const struct group *g, const json_t *columns, size_t i, struct column *out)
{
    const json_t *object;
    *out = (struct column){.scale = 1};
    if (json_at_object(&g->doc, columns, i, &object) < 0 ||
        json_only_keys(&g->doc, object, "name|scores|scale|weight_by_size") < 0 ||
        json_get_string(&g->doc, object, "name", JSON_NEED, &out->name) < 0 ||
        json_get_array(&g->doc, object, "scores", JSON_NEED, &out->scores) < 0 ||
        json_get_real(&g->doc, object, "scale", JSON_MAY, &out->scale) < 0 ||
        json_get_bool(&g->doc, object, "weight_by_size", JSON_MAY, &out->weight_by_size) < 0)
        return -1;
    if (json_array_size(out->scores) == 0)
        return json_fail(&g->doc, object, "scores", "is empty");
    return 0;
}

static int
read_score(const struct group *g, const json_t *scores, size_t i, struct board_row *out)
{
    const json_t *object;
    const char *task, *metric, *filter = "none";
    if (json_at_object(&g->doc, scores, i, &object) < 0 ||
        json_only_keys(&g->doc, object, "task|metric|filter") < 0 ||
        json_get_string(&g->doc, object, "task", JSON_NEED, &task) < 0 ||
        json_get_string(&g->doc, object, "metric", JSON_NEED, &metric) < 0 ||
        json_get_string(&g->doc, object, "filter", JSON_MAY, &filter) < 0)
        return -1;
    out->task = task;
    out->metric = metric;
    out->filter = filter;
    return 0;
}

int
group_check(const struct group *g, bool (*known)(const void *arg, const char *task), const void *arg)
{
    const json_t *columns = json_object_get(g->doc.root, "columns");
    struct column c;
    struct board_row row;
    for (size_t i = 0; i < json_array_size(columns); i++) {
        if (read_column(g, columns, i, &c) < 0)
            return -1;
        for (size_t k = 0; k < json_array_size(c.scores); k++) {
            if (read_score(g, c.scores, k, &row) < 0)
                return -1;
            if (!known(arg, row.task))
                return json_fail_at(&g->doc, c.scores, k, "'%s' is not a task of the group", row.task);
        }
    }
    return 0;
}

int
group_parse(struct group *g, struct json_doc *doc)
{
    const json_t *root, *tasks, *columns = NULL;
    const char *task, *average = NULL;
    *g = (struct group){.doc = *doc};
    *doc = (struct json_doc){0};
    if (json_root_object(&g->doc, &root) < 0 ||
        json_only_keys(&g->doc, root, "group|about|tasks|columns|average") < 0 ||
        json_get_string(&g->doc, root, "group", JSON_NEED, &g->name) < 0 ||
        json_get_array(&g->doc, root, "tasks", JSON_NEED, &tasks) < 0 ||
        json_get_array(&g->doc, root, "columns", JSON_MAY, &columns) < 0 ||
        json_get_string(&g->doc, root, "average", JSON_MAY, &average) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        if (json_at_string(&g->doc, tasks, i, &task) < 0)
            return -1;
        vec_push(&g->tasks, task);
    }
    if (average && strcmp(average, "mean") != 0)
        return json_fail(&g->doc, root, "average", "'%s': expected mean", average);
    return 0;
}

void
group_release(struct group *g)
{
    vec_release(&g->tasks);
    json_doc_release(&g->doc);
    *g = (struct group){0};
}

/* ---- scores ---- */

static const struct board_row *
find_score(const struct scoreboard *b, const struct board_row *want)
{
    for (size_t i = 0; i < b->rows.len; i++) {
        const struct board_row *r = &b->rows.data[i];
        if (strcmp(r->task, want->task) == 0 && strcmp(r->metric, want->metric) == 0 &&
            strcmp(r->filter, want->filter) == 0)
            return r;
    }
    return NULL;
}

/*
 * The mean of a column's scores, and its standard error by the variances of its parts, pooled over
 * their samples as EleutherAI's harness does (lm_eval.api.metrics, pooled_sample_stderr).
 */
static int
add_column(const struct group *g, const struct column *c, struct scoreboard *b, double *value)
{
    double sum = 0, weights = 0, variance = 0;
    int64_t samples = 0;
    size_t parts = json_array_size(c->scores);
    bool higher = true;
    for (size_t i = 0; i < parts; i++) {
        struct board_row want = {0};
        if (read_score(g, c->scores, i, &want) < 0)
            return -1;
        const struct board_row *r = find_score(b, &want);
        if (!r)
            return err_set(STATUS_INPUT, "%s: the task %s has no score %s (%s)", g->doc.name,
                           want.task, want.metric, want.filter);
        double weight = c->weight_by_size ? (double)r->samples : 1;
        double n = (double)r->samples;
        sum += weight * r->value;
        weights += weight;
        variance += (n - 1) * r->stderr_ * r->stderr_ * n;
        samples += r->samples;
        higher = r->higher_is_better;
    }
    double total = (double)samples, spread = total - (double)parts;
    double error = spread > 0 ? sqrt(variance / spread / total) : (double)NAN;
    *value = c->scale * sum / weights;
    scoreboard_add(b, &(struct board_row){.task = g->name,
                                          .harness = "",
                                          .metric = c->name,
                                          .filter = "none",
                                          .samples = samples,
                                          .value = *value,
                                          .stderr_ = parts == 1 || c->weight_by_size
                                                         ? c->scale * error
                                                         : (double)NAN,
                                          .higher_is_better = higher});
    return 0;
}

int
group_scores(const struct group *g, struct scoreboard *b)
{
    const json_t *columns = json_object_get(g->doc.root, "columns");
    size_t n = json_array_size(columns);
    double sum = 0, value = 0;
    for (size_t i = 0; i < n; i++) {
        struct column c;
        if (read_column(g, columns, i, &c) < 0 || add_column(g, &c, b, &value) < 0)
            return -1;
        sum += value;
    }
    if (n && json_object_get(g->doc.root, "average"))
        scoreboard_add(b, &(struct board_row){.task = g->name,
                                              .harness = "",
                                              .metric = "average",
                                              .filter = "none",
                                              .value = sum / (double)n,
                                              .stderr_ = NAN,
                                              .higher_is_better = true});
    return 0;
}

/* Benchmark tasks: documents to requests, requests to results, results to scores; all, or one of the three. */
#include "cmd/llm-eval/eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "cmd/llm-eval/builtin.h"
#include "cmd/llm-eval/groups.h"
#include "cmd/llm-eval/scoreboard.h"
#include "eval/scores.h"
#include "eval/task.h"

enum { TASK_LIMIT = 16 << 20, BOOTSTRAP_ITERS = 100000 };

/* A task with its requests, which are a run of all requests. */
struct entry {
    struct task task;
    struct task_run run;
    size_t first;
};

struct session {
    VEC(struct entry *) entries;
    VEC(struct group *) groups;
    request_list requests; /* of all entries, borrowed from them */
    result_list results;
    struct scoreboard board;
};

/* ---- which tasks ---- */

static int add_task(struct session *s, const char *name, int depth);

/* The text of a built-in task, else of a file. */
static int
load_definition(const char *name, struct str *text)
{
    size_t n;
    const char *builtin = task_builtin(name, &n);
    if (builtin)
        str_add(text, builtin, n);
    if (builtin)
        return 0;
    if (!file_exists(name))
        return err_set(STATUS_USAGE,
                       "--task %s: neither one of llm-eval's tasks (--info lists them) nor a file",
                       name);
    return file_load(name, TASK_LIMIT, text);
}

static int
add_group(struct session *s, struct json_doc *doc, int depth)
{
    struct group *g = mem_zalloc(sizeof *g);
    if (depth > 0)
        return err_set(STATUS_INPUT, "%s: a group within a group", doc->name);
    vec_push(&s->groups, g);
    if (group_parse(g, doc) < 0)
        return -1;
    for (size_t i = 0; i < g->tasks.len; i++)
        if (add_task(s, g->tasks.data[i], depth + 1) < 0)
            return -1;
    return 0;
}

/* A task that is named twice runs once. */
static bool
is_there(const void *session, const char *name)
{
    const struct session *s = session;
    for (size_t i = 0; i < s->entries.len; i++)
        if (strcmp(s->entries.data[i]->task.name, name) == 0)
            return true;
    return false;
}

static int
add_one(struct session *s, const char *name, const struct str *text)
{
    struct entry *e = mem_zalloc(sizeof *e);
    int result = task_parse(&e->task, name, text->data, text->len);
    if (result == 0 && is_there(s, e->task.name)) {
        task_release(&e->task);
        free(e);
        return 0;
    }
    vec_push(&s->entries, e);
    return result < 0 ? -1 : scores_check(&e->task);
}

static int
add_task(struct session *s, const char *name, int depth)
{
    struct str text = {0};
    struct json_doc doc = {0};
    int result = load_definition(name, &text);
    if (result == 0)
        result = json_doc_parse(&doc, name, text.data ? text.data : "", text.len);
    if (result == 0)
        result = group_is(&doc) ? add_group(s, &doc, depth) : add_one(s, name, &text);
    json_doc_release(&doc);
    str_release(&text);
    return result;
}

static int
add_tasks(struct session *s)
{
    for (size_t i = 0; i < options.task.len; i++)
        if (add_task(s, options.task.data[i], 0) < 0)
            return -1;
    for (size_t i = 0; i < s->groups.len; i++)
        if (group_check(s->groups.data[i], is_there, s) < 0)
            return -1;
    return 0;
}

/* ---- stages ---- */

static int
make_requests(struct session *s, const struct model *m)
{
    const struct task_options o = {
        .data = options.data ? options.data : ".",
        .shots = options.shots_given ? options.shots : -1,
        .limit = options.limit_given ? options.limit : -1,
        .tokenizer = m ? m->tokenizer : NULL,
        .max_length = m && m->config ? m->config->max_position_embeddings : 0,
    };
    for (size_t i = 0; i < s->entries.len; i++) {
        struct entry *e = s->entries.data[i];
        if (task_run_make(&e->task, &o, &e->run) < 0)
            return -1;
        e->first = s->requests.len;
        for (size_t k = 0; k < e->run.requests.len; k++)
            vec_push(&s->requests, e->run.requests.data[k]);
    }
    return 0;
}

static int
write_requests(const struct session *s)
{
    struct str text = {0};
    for (size_t i = 0; i < s->requests.len; i++)
        request_write(&s->requests.data[i], &text);
    int result = file_store(options.make_requests, text.data, text.len);
    str_release(&text);
    return result;
}

/* ---- scores ---- */

static void
add_scores(struct session *s, const struct entry *e, const struct task_scores *scores)
{
    for (size_t i = 0; i < scores->scores.len; i++) {
        const struct score *v = &scores->scores.data[i];
        scoreboard_add(&s->board, &(struct board_row){.task = e->task.name,
                                                      .harness = e->task.harness,
                                                      .metric = v->metric,
                                                      .filter = v->filter,
                                                      .version = e->task.version,
                                                      .shots = e->run.shots,
                                                      .samples = (int64_t)v->samples,
                                                      .value = v->value,
                                                      .stderr_ = v->stderr_,
                                                      .higher_is_better = v->higher_is_better});
    }
}

static struct scores_options
scores_options_of(const struct model *m)
{
    return (struct scores_options){.words_command = options.words_command,
                                   .bootstrap_iters = BOOTSTRAP_ITERS,
                                   .threads = m ? m->pool : NULL};
}

/* Where several tasks share a file, their lines begin with the task's name. */
static void
add_samples(const struct entry *e, bool named, const struct str *lines, struct str *out)
{
    for (size_t at = 0; at < lines->len;) {
        const char *line = lines->data + at, *end = memchr(line, '\n', lines->len - at);
        size_t n = end ? (size_t)(end - line) + 1 : lines->len - at;
        if (named) {
            str_adds(out, "{\"task\":");
            str_add_json(out, e->task.name, strlen(e->task.name));
            str_addc(out, ',');
        }
        str_add(out, line + named, n - named);
        at += n;
    }
}

static int
score_entry(struct session *s, const struct model *m, const struct entry *e, struct str *samples)
{
    const struct scores_options o = scores_options_of(m);
    const struct result *results = s->results.data + e->first;
    struct task_scores scores = {0};
    struct str lines = {0};
    int result = scores_compute(&e->task, &e->run, results, &o, &scores);
    if (result == 0)
        add_scores(s, e, &scores);
    for (size_t i = 0; options.log_samples && i < e->run.samples.len && result == 0; i++) {
        str_clear(&lines);
        sample_write(&e->task, &e->run, i, results, &scores, &lines);
        add_samples(e, s->entries.len > 1, &lines, samples);
    }
    str_release(&lines);
    task_scores_release(&scores);
    return result;
}

static int
score_all(struct session *s, const struct model *m)
{
    struct str samples = {0};
    int result = 0;
    for (size_t i = 0; i < s->entries.len && result == 0; i++)
        result = score_entry(s, m, s->entries.data[i], &samples);
    for (size_t i = 0; i < s->groups.len && result == 0; i++)
        result = group_scores(s->groups.data[i], &s->board);
    if (result == 0 && options.log_samples)
        result = file_store(options.log_samples, samples.data, samples.len);
    str_release(&samples);
    return result;
}

static int
log_scores(const struct scoreboard *b)
{
    for (size_t i = 0; i < b->rows.len && log_enabled(); i++) {
        const struct board_row *r = &b->rows.data[i];
        log_begin("task");
        log_str("task", r->task);
        log_int("shots", r->shots);
        log_str("metric", r->metric);
        log_str("filter", r->filter);
        log_real("value", r->value);
        log_real("stderr", r->stderr_);
        log_int("samples", r->samples);
        if (log_end() < 0)
            return -1;
    }
    return 0;
}

/* The board, then those of --compare, as text to the files that were asked for and standard output. */
static int
show(const struct scoreboard *boards, size_t count)
{
    struct str text = {0};
    int result = 0;
    if (options.json) {
        scoreboard_json(boards, &text);
        result = file_store(options.json, text.data, text.len);
    }
    if (options.markdown && result == 0) {
        str_clear(&text);
        scoreboard_markdown(boards, count, &text);
        result = file_store(options.markdown, text.data, text.len);
    }
    bool taken = (options.json && strcmp(options.json, "-") == 0) ||
                 (options.markdown && strcmp(options.markdown, "-") == 0);
    if (result == 0 && !taken) {
        str_clear(&text);
        scoreboard_text(boards, count, &text);
        if (fwrite(text.data, 1, text.len, stdout) != text.len)
            result = err_sys("standard output");
    }
    str_release(&text);
    return result;
}

static int
report(struct session *s)
{
    size_t count = 1 + options.compare.len;
    struct scoreboard *boards = mem_zalloc(count * sizeof *boards);
    int result = 0;
    boards[0] = s->board;
    for (size_t i = 1; i < count && result == 0; i++)
        result = scoreboard_load(&boards[i], options.compare.data[i - 1]);
    if (result == 0)
        result = show(boards, count) < 0 || log_scores(&s->board) < 0 ? -1 : 0;
    if (result == 0)
        result = scoreboard_check(&s->board, &options.min_score);
    for (size_t i = 1; i < count; i++)
        scoreboard_release(&boards[i]);
    free(boards);
    return result;
}

/* ---- the whole ---- */

static void
session_release(struct session *s)
{
    vec_release(&s->requests); /* an entry's requests are its own */
    results_release(&s->results);
    for (size_t i = 0; i < s->entries.len; i++) {
        task_run_release(&s->entries.data[i]->run);
        task_release(&s->entries.data[i]->task);
        free(s->entries.data[i]);
    }
    for (size_t i = 0; i < s->groups.len; i++) {
        group_release(s->groups.data[i]);
        free(s->groups.data[i]);
    }
    vec_release(&s->entries);
    vec_release(&s->groups);
    scoreboard_release(&s->board);
}

static int
print_info(const struct session *s)
{
    struct str text = {0};
    if (options.task.len == 0)
        task_builtin_list(&text);
    for (size_t i = 0; i < s->entries.len; i++) {
        if (i)
            str_addc(&text, '\n');
        task_info(&s->entries.data[i]->task, &text);
    }
    int result = fwrite(text.data ? text.data : "", 1, text.len, stdout) == text.len
                     ? 0
                     : err_sys("standard output");
    str_release(&text);
    return result;
}

/* Results come from a file or from the model; then rank 0 scores and prints. */
static int
run_session(struct session *s, struct model *m, struct comm *comm)
{
    const struct scores_options o = scores_options_of(m);
    int result = 0;
    for (size_t i = 0; i < s->entries.len && !options.make_requests && comm->rank == 0; i++)
        result = result < 0 ? -1 : scores_ready(&s->entries.data[i]->task, &o);
    result = result < 0 ? -1 : make_requests(s, m);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        return -1;
    if (options.make_requests)
        return comm->rank == 0 ? write_requests(s) : 0;
    result = options.results ? results_load(options.results, &s->requests, &s->results)
                             : requests_answer(m, &s->requests, comm, &s->results);
    if (result < 0 || comm->rank > 0)
        return result;
    s->board.model = mem_strdup(m && m->source.path ? m->source.path : options.results);
    return score_all(s, m) < 0 ? -1 : report(s);
}

int
run_tasks(struct model *m, struct comm *comm)
{
    struct session s = {0};
    int result = add_tasks(&s);
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0)
        result = -1;
    else
        result = options.info ? print_info(&s) : run_session(&s, m, comm);
    session_release(&s);
    return result;
}

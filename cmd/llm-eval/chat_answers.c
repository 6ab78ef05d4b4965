/*
 * Answers to MT-Bench questions (Zheng et al., "Judging LLM-as-a-judge with MT-Bench and
 * Chatbot Arena", 2023) in the files of FastChat's llm_judge, turn by turn, the questions
 * together. Temperatures and defaults are those of the Japanese MT-Bench (Stability AI's
 * FastChat, llm_judge/common.py and gen_model_answer.py). Judging is another model's work.
 */
#include <stdlib.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "cmd/llm-eval/generation.h"
#include "cmd/llm-eval/talk.h"
#include "eval/pystr.h"
#include "json/lines.h"
#include "json/write.h"

enum { QUESTIONS_LIMIT = 1 << 28, TURNS_MAX = 16, MAX_NEW = 512, ID_LENGTH = 22 };

static const double TOP_P = 0.9, REPETITION_PENALTY = 1.1, TEMPERATURE = 0.7;

static const struct {
    const char *name;
    double temperature;
} categories[] = {
    {"writing", 0.5}, {"roleplay", 0.5},  {"extraction", 0.2}, {"math", 0.1},
    {"coding", 0.1},  {"reasoning", 0.1}, {"stem", 0.2},       {"humanities", 0.2},
};

struct question {
    int64_t id;
    double temperature;
    request_texts turns, answers;
    json_t *messages;
};

struct quiz {
    const struct model *m;
    struct talk_form form;
    struct tokenizer_scratch *scratch;
    struct ids ends;
    stop_list stops;
    VEC(struct question) questions;
};

/* ---- questions ---- */

static double
temperature_of(const char *category)
{
    if (opt_given(&llm_eval, "temperature"))
        return options.temperature;
    for (size_t i = 0; i < sizeof categories / sizeof *categories; i++)
        if (strcmp(categories[i].name, category) == 0)
            return categories[i].temperature;
    return TEMPERATURE;
}

static int
read_question(struct quiz *q, const struct json_doc *doc, const json_t *root)
{
    struct question x = {0};
    const json_t *turns;
    const char *category = "", *turn;
    if (json_get_int(doc, root, "question_id", JSON_NEED, 0, INT32_MAX, &x.id) < 0 ||
        json_get_string(doc, root, "category", JSON_MAY, &category) < 0 ||
        json_get_array(doc, root, "turns", JSON_NEED, &turns) < 0)
        return -1;
    if (json_array_size(turns) == 0 || json_array_size(turns) > TURNS_MAX)
        return json_fail(doc, turns, NULL, "expected 1 to %d turns", TURNS_MAX);
    for (size_t i = 0; i < q->questions.len; i++)
        if (q->questions.data[i].id == x.id)
            return json_fail(doc, root, "question_id", "it is there already");
    x.temperature = temperature_of(category);
    vec_push(&q->questions, x);
    for (size_t i = 0; i < json_array_size(turns); i++) {
        if (json_at_string(doc, turns, i, &turn) < 0)
            return -1;
        vec_push(&q->questions.data[q->questions.len - 1].turns, mem_strdup(turn));
    }
    return 0;
}

static int
by_id(const void *a, const void *b)
{
    const struct question *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int
read_questions(struct quiz *q, const char *path)
{
    struct json_lines l;
    int result = json_lines_open(&l, path, QUESTIONS_LIMIT);
    for (int more = 1; result == 0 && (more = json_lines_next(&l)) != 0;)
        result = more < 0 ? -1 : read_question(q, &l.doc, l.object);
    json_lines_close(&l);
    if (result == 0 && q->questions.len == 0)
        return err_set(STATUS_INPUT, "%s: no questions", path);
    if (result == 0)
        qsort(q->questions.data, q->questions.len, sizeof *q->questions.data, by_id);
    return result;
}

/* ---- answers ---- */

static void
set_options(struct quiz *q, struct writing *w, const struct question *x, size_t turn)
{
    writing_options(w, (uint64_t)x->id * TURNS_MAX + turn, &q->stops, &q->ends);
    w->sampler.temperature = x->temperature;
    if (!opt_given(&llm_eval, "max-new"))
        w->max_new = MAX_NEW;
    if (!opt_given(&llm_eval, "top-p"))
        w->sampler.top_p = TOP_P;
    if (!opt_given(&llm_eval, "repetition-penalty"))
        w->repetition_penalty = REPETITION_PENALTY;
}

/* The writing that answers a turn. 0; 1 when there is no room for it; -1. */
static int
begin_turn(struct quiz *q, struct question *x, size_t turn, struct writing *w)
{
    const char *text = x->turns.data[turn];
    set_options(q, w, x, turn);
    if (talk_say(x->messages, "user", text, strlen(text)) < 0 ||
        talk_encode(&q->form, x->messages, &w->prompt) < 0)
        return err_prefix("question %lld, turn %zu", (long long)x->id, turn + 1);
    if (writing_fit(w, q->m->config->max_position_embeddings) == 0)
        return 0;
    warn("question %lld, turn %zu: %s: left unanswered", (long long)x->id, turn + 1, err_text());
    return 1;
}

static int
end_turn(struct quiz *q, struct question *x, const struct writing *w)
{
    struct str text = {0};
    int result = w ? writing_text(w, q->m, &text) : 0;
    if (result == 0) {
        struct piece answer = python_strip((struct piece){text.len ? text.data : "", text.len});
        vec_push(&x->answers, mem_strndup(answer.data, answer.n));
        result = talk_say(x->messages, "assistant", answer.data, answer.n);
    }
    str_release(&text);
    return result;
}

/* Everybody's answer to the turn-th question; *any: someone was asked one. */
static int
write_turn(struct quiz *q, size_t turn, bool *any)
{
    size_t n = q->questions.len, asked = 0;
    struct writing *w = mem_zarray(n, sizeof *w);
    struct question **who = mem_zarray(n, sizeof(struct question *));
    int result = 0;
    *any = false;
    for (size_t i = 0; i < n && result >= 0; i++) {
        struct question *x = &q->questions.data[i];
        if (turn >= x->turns.len)
            continue;
        *any = true;
        writing_init(&w[asked]);
        who[asked] = x;
        result = begin_turn(q, x, turn, &w[asked++]);
        if (result > 0) {
            writing_release(&w[--asked]);
            result = end_turn(q, x, NULL);
        }
    }
    if (result >= 0)
        result = write_texts(q->m, w, asked, options.batch, NULL, NULL);
    for (size_t i = 0; i < asked; i++) {
        if (result == 0)
            result = end_turn(q, who[i], &w[i]);
        writing_release(&w[i]);
    }
    free(w);
    free(who);
    return result;
}

/* ---- the file ---- */

static const char *
model_name(const struct model *m)
{
    const char *slash = strrchr(m->source.path, '/');
    return slash && slash[1] ? slash + 1 : m->source.path;
}

/*
 * FastChat's are random, in the alphabet of the package shortuuid; ours are a function of what
 * was answered.
 */
static void
answer_id(const struct quiz *q, const struct question *x, char out[ID_LENGTH + 1])
{
    static const char alphabet[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    struct hasher *h = hasher_new();
    hasher_add(h, model_name(q->m), strlen(model_name(q->m)) + 1);
    hasher_add_u64(h, (uint64_t)x->id);
    hasher_add_u64(h, (uint64_t)common.seed);
    for (size_t i = 0; i < x->answers.len; i++)
        hasher_add(h, x->answers.data[i], strlen(x->answers.data[i]) + 1);
    struct hash128 hash = hasher_128(h);
    hasher_free(h);
    for (size_t i = 0; i < ID_LENGTH; i++) {
        uint64_t *half = i < ID_LENGTH / 2 ? &hash.low : &hash.high;
        out[i] = alphabet[*half % (sizeof alphabet - 1)];
        *half /= sizeof alphabet - 1;
    }
    out[ID_LENGTH] = '\0';
}

static void
put_parameters(struct json_writer *j, struct quiz *q, const struct question *x)
{
    struct writing w;
    writing_init(&w);
    set_options(q, &w, x, 0);
    json_begin_object(j, "generate_params");
    json_put_bool(j, "do_sample", w.sampler.temperature > 0);
    json_put_int(j, "max_new_token", w.max_new);
    json_put_real(j, "temperature", w.sampler.temperature);
    json_put_real(j, "top_p", w.sampler.top_p);
    json_put_real(j, "repetition_penalty", w.repetition_penalty);
    json_end_object(j);
}

static int
write_answers(struct quiz *q, struct outfile *out)
{
    struct str line = {0};
    int result = 0;
    for (size_t i = 0; i < q->questions.len && result == 0; i++) {
        const struct question *x = &q->questions.data[i];
        struct json_writer j = {.out = &line};
        char id[ID_LENGTH + 1];
        str_clear(&line);
        answer_id(q, x, id);
        json_begin_object(&j, NULL);
        json_put_int(&j, "question_id", x->id);
        json_put_string(&j, "answer_id", id);
        json_put_string(&j, "model_id", model_name(q->m));
        json_begin_array(&j, "choices");
        json_begin_object(&j, NULL);
        json_put_int(&j, "index", 0);
        json_begin_array(&j, "turns");
        for (size_t k = 0; k < x->answers.len; k++)
            json_put_string(&j, NULL, x->answers.data[k]);
        json_end_array(&j);
        json_end_object(&j);
        json_end_array(&j);
        json_put_int(&j, "tstamp", 0); /* an output knows no clock */
        put_parameters(&j, q, x);
        json_end_object(&j);
        str_addc(&line, '\n');
        result = outfile_write(out, line.data, line.len);
    }
    str_release(&line);
    return result;
}

static int
answer_all(struct quiz *q, const char *path, struct outfile *out)
{
    bool any = true;
    if (talk_form_open(&q->form, q->m) < 0 || read_questions(q, path) < 0 ||
        find_ends(q->m, &q->ends) < 0 ||
        add_stop_options(&q->stops, q->m->tokenizer, q->scratch) < 0)
        return -1;
    for (size_t i = 0; i < q->questions.len; i++)
        q->questions.data[i].messages = talk_new(options.system);
    for (size_t turn = 0; any; turn++)
        if (write_turn(q, turn, &any) < 0)
            return -1;
    return write_answers(q, out);
}

static void
texts_release(request_texts *texts)
{
    for (size_t i = 0; i < texts->len; i++)
        free(texts->data[i]);
    vec_release(texts);
}

int
chat_answers(struct model *m, const char *questions_path, struct outfile *out)
{
    struct quiz q = {.m = m};
    if (check_tokenizer(m) < 0)
        return -1;
    q.scratch = tokenizer_scratch_new(m->tokenizer);
    int result = answer_all(&q, questions_path, out);
    for (size_t i = 0; i < q.questions.len; i++) {
        texts_release(&q.questions.data[i].turns);
        texts_release(&q.questions.data[i].answers);
        json_decref(q.questions.data[i].messages);
    }
    vec_release(&q.questions);
    vec_release(&q.ends);
    stops_release(&q.stops);
    talk_form_close(&q.form);
    tokenizer_scratch_free(q.scratch);
    return result;
}

/*
 * Requests for text, as lm_eval 0.4.13's HFLM.generate_until answers them: greedy or sampled, up to
 * a stop text, whose place is looked for in the text of the last tokens and then in all of it.
 */
#include "cmd/llm-eval/generation.h"

#include <string.h>

#include "base/die.h"
#include "base/mem.h"
#include "eval/encode.h"
#include "json/json.h"

enum { MAX_NEW = 256 }; /* the harness's max_gen_toks */

struct answering {
    const struct model *m;
    struct tokenizer_scratch *scratch;
    struct encode_limits limits;
    struct ids ends;
    struct str eos; /* its text, which ends a text besides */
    struct writing *writing;
    stop_list *stops; /* of each request */
    size_t begun;
};

/*
 * The harness lets transformers apply what generation_config.json asks for; requests say it
 * themselves.
 */
static int
note_penalty(void *arg, const char *name, const char *data, size_t n)
{
    struct json_doc doc = {0};
    double penalty = 1;
    (void)arg;
    if (strcmp(name, "generation_config.json") != 0)
        return 0;
    if (json_doc_parse(&doc, name, data, n) < 0)
        return -1;
    int result = json_get_real(&doc, doc.root, "repetition_penalty", JSON_MAY, &penalty);
    json_doc_release(&doc);
    if (result > 0 && penalty != 1)
        note("generation_config.json asks for a repetition penalty of %g, which lm_eval applies "
             "unasked: here only requests decide",
             penalty);
    return result < 0 ? -1 : 0;
}

static int
begin_answering(struct answering *a)
{
    const struct tokenizer_specials *s = tokenizer_specials(a->m->tokenizer);
    a->limits = (struct encode_limits){.max_length = engine_max_length(a->m),
                                       .prefix = s->bos != TOKEN_NONE ? s->bos : s->eos};
    a->scratch = tokenizer_scratch_new(a->m->tokenizer);
    if (find_ends(a->m, &a->ends) < 0 ||
        (a->m->speaks && model_source_files(&a->m->source, note_penalty, NULL) < 0))
        return -1;
    if (s->eos == TOKEN_NONE)
        return 0;
    return tokenizer_decode(a->m->tokenizer, &s->eos, 1, false, &a->eos);
}

static int
add_stops(struct answering *a, const struct request *r, stop_list *list)
{
    for (size_t i = 0; i < r->until.len; i++) {
        const char *text = r->until.data[i];
        if (text[0] && stop_add(list, a->m->tokenizer, a->scratch, text, strlen(text)) < 0)
            return -1;
    }
    if (a->eos.len)
        return stop_add(list, a->m->tokenizer, a->scratch, a->eos.data, a->eos.len);
    return 0;
}

/* The writing that answers request r, the number-th of all. */
static int
begin_answer(struct answering *a, const struct request *r, size_t number)
{
    struct writing *w = &a->writing[a->begun];
    stop_list *stops = &a->stops[a->begun++];
    encoded_list rows = {0};
    writing_init(w);
    w->max_new = r->max_new > 0 ? r->max_new : MAX_NEW;
    w->sampler = (struct sampler){.temperature = r->temperature,
                                  .top_p = r->top_p,
                                  .top_k = r->top_k,
                                  .seed = (uint64_t)common.seed};
    w->repetition_penalty = r->repetition_penalty;
    w->number = number;
    w->stops = stops;
    w->ends = &a->ends;
    w->end_is_text = true;
    int result = encode_request(r, number, a->m->tokenizer, a->scratch, &a->limits, &rows);
    for (size_t i = 0; result == 0 && i < rows.data[0].ids.len; i++)
        vec_push(&w->prompt, rows.data[0].ids.data[i]);
    encoded_release(&rows);
    return result < 0 ? -1 : add_stops(a, r, stops);
}

int
engine_generate(struct model *m, const struct request *r, const size_t *which, size_t n,
                struct result *out)
{
    struct answering a = {.m = m};
    if (check_tokenizer(m) < 0)
        return -1;
    a.writing = mem_zarray(n, sizeof *a.writing);
    a.stops = mem_zarray(n, sizeof *a.stops);
    int result = begin_answering(&a);
    for (size_t i = 0; result == 0 && i < n; i++)
        result = begin_answer(&a, &r[which[i]], which[i]);
    if (result == 0)
        result = write_texts(m, a.writing, n, options.batch, NULL, NULL);
    for (size_t i = 0; result == 0 && i < n; i++) {
        out[which[i]].tokens = (int64_t)a.writing[i].ids.len;
        result = writing_text(&a.writing[i], m, &out[which[i]].text);
    }
    for (size_t i = 0; i < a.begun; i++) {
        writing_release(&a.writing[i]);
        stops_release(&a.stops[i]);
    }
    tokenizer_scratch_free(a.scratch);
    vec_release(&a.ends);
    str_release(&a.eos);
    free(a.writing);
    free(a.stops);
    return result;
}

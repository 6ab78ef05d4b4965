/*
 * Layers onto stages, and what a table needs of slots and buffers. Costs are held against FLOPs
 * counted by hand: 2 per weight and token, attention at the keys that are met.
 */
#include "parallel/pipeline_stages.h"

#include <stdlib.h>

#include "base/err.h"
#include "parallel/pipeline.h"
#include "parallel/pipeline_private.h"
#include "tests/unit/tap.h"

static void
load(struct config *c, int layers, int vocab)
{
    char text[512];

    snprintf(
        text, sizeof text,
        "{\"model_type\":\"llama\",\"vocab_size\":%d,\"hidden_size\":64,\"intermediate_size\":128,"
        "\"num_hidden_layers\":%d,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
        "\"max_position_embeddings\":256}",
        vocab, layers);
    if (config_parse(c, "config.json", text, strlen(text)) < 0) {
        diag("%s", err_text());
        exit(1);
    }
}

/* Is every layer in one piece, embedding and head at the ends? */
static bool
is_whole(const struct pipeline_stages *s, int layers)
{
    int pieces = s->stages * s->chunks, at = 0;
    bool good = true;

    for (int i = 0; i < pieces; i++) {
        const struct model_piece *p = &s->piece[i];
        good = good && p->begin == at && p->end > p->begin && p->embedding == (i == 0) &&
               p->head == (i == pieces - 1);
        at = p->end;
    }
    return good && at == layers;
}

static void
test_cuts(void)
{
    struct pipeline_stages s;
    struct config c;
    int wrong = 0, cuts = 0;

    for (int layers = 1; layers <= 13; layers++) {
        load(&c, layers, 1000);
        for (int stages = 1; stages <= layers; stages++)
            for (int chunks = 1; stages * chunks <= layers; chunks++, cuts++) {
                wrong += pipeline_stages_make(&c, stages, chunks, 256, NULL, &s) < 0 ||
                         !is_whole(&s, layers);
                pipeline_stages_release(&s);
            }
        config_release(&c);
    }
    ok(wrong == 0, "%d cuts: every layer once, none without a layer", cuts);

    load(&c, 8, 20000); /* the head costs as much as many layers */
    pipeline_stages_make(&c, 4, 1, 256, NULL, &s);
    ok(s.piece[3].end - s.piece[3].begin == 1 && s.piece[0].end >= 2,
       "the stage with a large head has one layer");
    struct model_piece own;
    pipeline_stage_pieces(&s, 2, &own);
    ok(own.begin == s.piece[2].begin && own.end == s.piece[2].end, "a stage's pieces");
    pipeline_stages_release(&s);
    pipeline_stages_make(&c, 2, 3, 256, NULL, &s);
    struct model_piece chunk[3];
    pipeline_stage_pieces(&s, 1, chunk);
    ok(chunk[0].begin == s.piece[1].begin && chunk[2].end == 8 && chunk[2].head &&
           !chunk[0].embedding,
       "an interleaved stage has every other piece");
    pipeline_stages_release(&s);
    ok(pipeline_stages_make(&c, 3, 3, 256, NULL, &s) < 0 && err_status() == STATUS_USAGE,
       "refused: %s", err_text());
    config_release(&c);
}

static void
test_costs(void)
{
    const double tokens = 256, linear = 2 * tokens * 64 * (64 + 2 * 32 + 64 + 3 * 128);
    const double attention = 2 * 2 * 64 * tokens * (tokens + 1) / 2, head = 2 * tokens * 64 * 1000;
    const enum recompute full[] = {RECOMPUTE_FULL, RECOMPUTE_NONE};
    struct pipeline_stages s;
    struct config c;

    load(&c, 4, 1000);
    pipeline_stages_make(&c, 4, 1, 256, NULL, &s);
    is_near(s.forward[1], linear + attention, 1, "forward: a layer's products");
    is_near(s.input[1], linear + 2.5 * attention, 1,
            "input: the same, attention twice and its scores again");
    is_near(s.weight[1], linear, 1, "weight: without attention");
    is_near(s.input[3] - s.input[1], 3 * head, 1,
            "the head is computed and differentiated with the last layer");
    pipeline_stages_release(&s);
    pipeline_stages_make(&c, 2, 2, 256, full, &s);
    double down = 2 * tokens * 64 * 128;
    is_near(s.input[2] - s.input[1], linear + attention - down, 1,
            "recomputation of stage 0 counts in its chunks alone");
    pipeline_stages_release(&s);
    config_release(&c);
}

/* The last stage has the head: with so few layers uneven stages cost time. */
static void
test_bubble(void)
{
    struct pipeline_stages s;
    struct pipeline_table t;
    struct config c;

    load(&c, 8, 64);
    pipeline_stages_make(&c, 4, 1, 256, NULL, &s);
    pipeline_table_make(PIPELINE_1F1B, 4, 1, 12, &t);
    double even = pipeline_stages_bubble(&s, &t);
    ok(even >= 3.0 / 15 - 1e-9 && even < 0.24,
       "4 stages, 12 micro-batches: at least 3 of 15 idle (%.3f)", even);
    pipeline_stages_release(&s);
    config_release(&c);
    load(&c, 8, 20000);
    pipeline_stages_make(&c, 4, 1, 256, NULL, &s);
    double uneven = pipeline_stages_bubble(&s, &t);
    ok(uneven > 0.5, "more where one stage is the slowest (%.3f)", uneven);
    pipeline_stages_release(&s);
    pipeline_table_release(&t);
    config_release(&c);
}

static void
test_slots(void)
{
    struct pipeline_table t;
    int slots[3], wrong = 0;

    pipeline_table_make(PIPELINE_1F1B, 4, 1, 8, &t);
    for (int s = 0; s < 4; s++)
        wrong += pipeline_slots(&t, s, slots) != 0 || slots[0] != 4 - s;
    pipeline_table_release(&t);
    pipeline_table_make(PIPELINE_GPIPE, 2, 1, 6, &t);
    wrong += pipeline_slots(&t, 1, slots) != 0 || slots[0] != 6;
    pipeline_table_release(&t);
    ok(wrong == 0, "slots: 1F1B as many as stages behind, GPipe all");

    pipeline_table_make(PIPELINE_ZERO_BUBBLE, 4, 1, 8, &t);
    wrong = 0;
    for (int s = 0; s < 4; s++) {
        int weights = pipeline_slots(&t, s, slots);
        wrong += weights < 1 || weights > slots[0] || slots[0] > 4;
    }
    pipeline_table_release(&t);
    ok(wrong == 0, "ZB-H1 has weight slots, no more than slots");

    pipeline_table_make(PIPELINE_INTERLEAVED, 2, 3, 4, &t);
    struct pipeline_time time = {.alive = (int[2]){0}};
    struct pipeline_costs none = {(double[6]){0}, (double[6]){0}, (double[6]){0}, 0};
    pipeline_simulate(&t, &none, &time);
    ok(pipeline_slots(&t, 0, slots) == 0 && slots[0] + slots[1] + slots[2] >= time.alive[0],
       "slots of chunks cover what is alive");
    pipeline_table_release(&t);
}

static void
test_buffers(void)
{
    struct pipeline_table t;
    int deepest = 0, tables = 0;

    for (int s = 0; s < PIPELINE_SCHEDULES; s++)
        for (int p = 1; p <= 6; p++)
            for (int v = s == PIPELINE_INTERLEAVED ? 2 : 1;
                 v <= (s == PIPELINE_INTERLEAVED ? 4 : 1); v++)
                for (int m = p; m <= 8 * p; m += p, tables++) {
                    pipeline_table_make((enum pipeline_schedule)s, p, v, m, &t);
                    int depth = pipeline_depth(&t);
                    deepest = depth < 0 ? 99 : depth > deepest ? depth : deepest;
                    pipeline_table_release(&t);
                }
    ok(deepest == 2, "%d tables end with two buffers at either end of a border", tables);

    pipeline_table_make(PIPELINE_1F1B, 3, 1, 8, &t);
    ok(pipeline_buffers(&t, 0) == 4 && pipeline_buffers(&t, 1) == 8 && pipeline_buffers(&t, 2) == 4,
       "a stage within has 8 buffers, one at an end 4");
    struct pipeline_task first = t.task[0][0];
    t.task[0][0] = t.task[0][1];
    t.task[0][1] = first;
    ok(pipeline_depth(&t) < 0, "refused: %s", err_text());
    pipeline_table_release(&t);

    /* A table that runs all its forwards ahead of a neighbour that looks at none of them. */
    pipeline_table_make(PIPELINE_GPIPE, 1, 1, 9, &t);
    is_int(pipeline_buffers(&t, 0), 0, "one stage with one chunk has no buffer");
    pipeline_table_release(&t);
    pipeline_table_make(PIPELINE_INTERLEAVED, 1, 2, 9, &t);
    for (int i = 0, forward = 0, backward = 18; i < 18; i++) {
        t.task[0][forward++] = (struct pipeline_task){PIPELINE_FORWARD, (int16_t)(i / 9), i % 9};
        t.task[0][backward + i] = (struct pipeline_task){PIPELINE_BACKWARD, (int16_t)(1 - i / 9),
                                                         i % 9};
    }
    ok(pipeline_table_check(&t) == 0 && pipeline_depth(&t) == 9,
       "chunk by chunk: all micro-batches lie between");
    pipeline_table_release(&t);
}

int
main(void)
{
    test_cuts();
    test_costs();
    test_bubble();
    test_slots();
    test_buffers();
    return done();
}

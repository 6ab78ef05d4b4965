#ifndef EVAL_CORPUS_H
#define EVAL_CORPUS_H

#include "eval/metrics.h"

/*
 * Scores of a whole corpus that are made of sums over its sentences: sacrebleu's BLEU, chrF and
 * TER. A sentence's statistics are added up, and the sums make the score.
 */
enum { CORPUS_STATISTICS = 24 };
struct corpus_score {
    size_t statistics; /* of a sentence */
    void (*sentence)(const struct metric *m, const struct metric_texts *t, double *statistics);
    double (*score)(const double *sums);
};

/* The score, and its bootstrap error in at most 100 draws as the harness limits it. 0 or -1. */
int corpus_compute(const struct metric_input *in, const struct corpus_score *kind,
                   struct metric_output *out);

#endif

#ifndef EVAL_TOKEN_SORT_H
#define EVAL_TOKEN_SORT_H

#include "eval/pystr.h"

/*
 * fuzzywuzzy 0.18's fuzz.token_sort_ratio with python-Levenshtein, an integer 0..100: what
 * llm-jp-eval calls "char_f1".
 */
int token_sort_ratio(struct piece a, struct piece b);

#endif

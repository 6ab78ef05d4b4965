#ifndef EVAL_WORDS_H
#define EVAL_WORDS_H

#include "base/vec.h"
#include "eval/pystr.h"

/*
 * Words by a program of the user, such as `mecab -Owakati`: it is run once by the shell, gets each
 * text as a line (line ends in it become spaces) and gives a line for each. lines gets as many as
 * there are texts, to be freed. 0, or -1: STATUS_FAILED names the command and what it did.
 */
typedef VEC(char *) word_lines;
int words_by_command(const char *command, const piece_list *texts, word_lines *lines);
void word_lines_release(word_lines *lines);

#endif

#ifndef TOKENIZER_TRAIN_WORDS_H
#define TOKENIZER_TRAIN_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Cuts a text into words as SentencePiece's trainers do: no piece of a vocabulary that
 * is learned goes beyond one. A space (or ▁, U+2581) begins a word and belongs to it; so
 * does a run of spaces. Where the script changes a word ends: kanji, hiragana and
 * katakana count as one script, combining marks as what they stand on. Line ends and
 * tabs, which SentencePiece never sees, are words of their own, a run of them one.
 */
struct word_rules {
    bool split_by_whitespace; /* else spaces do not end words */
    bool split_by_script;
    bool split_by_number; /* digits are as punctuation; else they go with any script */
    bool split_digits;    /* every digit is a word */
};

/* One entry a code point (0x110000), for words_cut; the caller frees it. */
uint8_t *words_classes(const struct word_rules *rules);

/* Gives the words of text[0..n), valid UTF-8, in order to `word`; together they are the text. */
void words_cut(const uint8_t *classes, const char *text, size_t n,
               void (*word)(void *arg, const char *text, size_t n), void *arg);

#endif

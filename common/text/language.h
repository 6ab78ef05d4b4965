#ifndef TEXT_LANGUAGE_H
#define TEXT_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A guess of the language a text is in, without statistics of other texts. First
 * the scripts of its letters decide: kana make Japanese of kanji, kanji alone are
 * Chinese, hangul Korean; Cyrillic and Arabic are told apart by letters that only
 * some languages have; Greek, Hebrew, Thai, … are one language each. Latin script is
 * decided by function words ("the", "und", "que"): each found word counts for the
 * languages that have it, in equal parts, and the best one must hold a share of all
 * words and lead the second clearly. Kana and kanji win over Latin from a fifth of
 * the letters on, as Japanese technical text is full of names.
 *
 * Limits: under about ten words of Latin text, and in lists and code, the answer is
 * "und"; a Japanese title all in kanji passes for Chinese; simplified and
 * traditional Chinese are one; Danish and Norwegian, Malay and Indonesian are often
 * taken for each other. Texts above 256 KB are looked at in 16 windows.
 */

/* The language of text[0..n), valid UTF-8, as a BCP-47 tag ("ja", "en"), or "und". */
const char *language_guess(const char *text, size_t n);

/*
 * Is every tag of a list ("ja,en-US") one that language_guess can return? 0, or -1
 * (STATUS_USAGE).
 */
int language_list_check(const char *list);

/* Is the language in the list? Regions and scripts of the list's tags do not count. */
bool language_listed(const char *language, const char *list);

#endif

#ifndef TEXT_LANGUAGE_WORDS_H
#define TEXT_LANGUAGE_WORDS_H

/* Function words of the languages in Latin script: the most frequent short words of each. */
struct language_words {
    const char *language; /* BCP-47 */
    const char *words;    /* lower case, apart by single spaces */
};

extern const struct language_words language_words[];
extern const unsigned language_words_count;

#endif

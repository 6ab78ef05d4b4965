#ifndef TEXT_SCRIPT_H
#define TEXT_SCRIPT_H

#include <stdint.h>

/*
 * The Script property of code points (UAX #24, Unicode 14), for cutting text where the
 * script changes. Unassigned code points have the script of those before them.
 */
enum text_script {
    SCRIPT_COMMON, /* digits, punctuation, symbols, controls */
    SCRIPT_INHERITED, /* combining marks: as what they stand on */
    SCRIPT_HAN,
    SCRIPT_HIRAGANA,
    SCRIPT_KATAKANA,
    SCRIPT_LATIN,
    SCRIPT_OTHER, /* from here a number for each, in the order of their first code points */
    SCRIPT_NUMBERS = 161
};

/* One number a code point (0x110000 of them); built at the first call, immutable, thread-safe. */
const uint8_t *text_scripts(void);

#endif

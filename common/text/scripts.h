#ifndef TEXT_SCRIPTS_H
#define TEXT_SCRIPTS_H

#include <stdint.h>

/*
 * The Script property of a code point (UAX #24, Scripts.txt of Unicode 14) as a small
 * number: equal numbers, equal scripts. Those that text code has to name are listed.
 */
enum text_script {
    SCRIPT_UNKNOWN, /* unassigned */
    SCRIPT_COMMON,
    SCRIPT_INHERITED,
    SCRIPT_HAN,
    SCRIPT_HIRAGANA,
    SCRIPT_KATAKANA,
    SCRIPT_LATIN
};

unsigned text_script(uint32_t code_point);

#endif

#include "tokenizer/train_words.h"

#include <string.h>

#include "base/mem.h"
#include "text/classes.h"
#include "text/script.h"

/*
 * Classes of characters. ANY goes with everything; below FIRST_RULE a word goes on
 * while the class stays the same.
 */
enum {
    CLASS_ANY,
    CLASS_SCRIPT, /* + the script's number */
    CLASS_FIRST_RULE = CLASS_SCRIPT + SCRIPT_NUMBERS,
    CLASS_LINE = CLASS_FIRST_RULE, /* line ends: go with each other alone */
    CLASS_TAB,
    CLASS_ALONE,    /* goes with nothing */
    CLASS_MARK,     /* goes with what is before, and what comes then goes with that */
    CLASS_GAP,      /* a space that begins a word */
    CLASS_GAP_INSIDE /* a space that does not */
};

static bool
is_digit(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 0xFF10 && c <= 0xFF19);
}

static uint8_t
class_of(const struct word_rules *rules, const uint8_t *scripts, uint32_t c)
{
    unsigned script = scripts[c];

    if (c == ' ' || c == 0x2581)
        return rules->split_by_whitespace ? CLASS_GAP : CLASS_GAP_INSIDE;
    if (c == '\n' || c == '\r')
        return CLASS_LINE;
    if (c == '\t')
        return CLASS_TAB;
    if (is_digit(c) && rules->split_digits)
        return CLASS_ALONE;
    if (!rules->split_by_script || (is_digit(c) && !rules->split_by_number))
        return CLASS_ANY;
    if (script == SCRIPT_INHERITED)
        return CLASS_MARK;
    if (script == SCRIPT_HIRAGANA || script == SCRIPT_KATAKANA || c == 0x30FC)
        script = SCRIPT_HAN;
    return (uint8_t)(CLASS_SCRIPT + script);
}

uint8_t *
words_classes(const struct word_rules *rules)
{
    const uint8_t *scripts = text_scripts();
    uint8_t *classes = mem_alloc(CLASS_CODE_POINTS);

    for (uint32_t c = 0; c < CLASS_CODE_POINTS; c++)
        classes[c] = class_of(rules, scripts, c);
    return classes;
}

/* Does a word end before a character of class `next`? */
static bool
ends_before(unsigned last, unsigned next)
{
    if (last == CLASS_LINE || last == CLASS_TAB || last == CLASS_ALONE || next == CLASS_ALONE)
        return next != last || next == CLASS_ALONE;
    if (next == CLASS_GAP)
        return last != CLASS_GAP;
    if (next == CLASS_LINE || next == CLASS_TAB)
        return true;
    if (next == CLASS_MARK || next == CLASS_GAP_INSIDE)
        return false;
    return last < CLASS_FIRST_RULE && last != CLASS_ANY && next != CLASS_ANY && next != last;
}

void
words_cut(const uint8_t *classes, const char *text, size_t n,
          void (*word)(void *arg, const char *text, size_t n), void *arg)
{
    unsigned last = CLASS_ANY;
    size_t begin = 0, used;

    for (size_t at = 0; at < n; at += used) {
        unsigned next = classes[text_peek(text + at, &used)];

        if (next == last && next < CLASS_FIRST_RULE)
            continue;
        if (at > begin && ends_before(last, next)) {
            word(arg, text + begin, at - begin);
            begin = at;
            last = CLASS_ANY;
        }
        /* Marks and spaces within a word leave open, or as it was, what may follow. */
        if (next != CLASS_MARK && next != CLASS_GAP_INSIDE)
            last = next;
    }
    if (n > begin)
        word(arg, text + begin, n - begin);
}

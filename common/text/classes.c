#include "text/classes.h"

#include <pthread.h>
#include <stdbool.h>
#include <utf8proc.h>

/* The classes of all code points, in a flat table: only the pages in use stay in cache. */

static uint16_t table[CLASS_CODE_POINTS];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool
is_space(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* Other_Alphabetic beyond the marks: circled, squared and negative letters (PropList.txt). */
static bool
is_alphabetic_symbol(uint32_t c)
{
    return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
           (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

static unsigned
category_class(utf8proc_category_t category)
{
    switch (category) {
    case UTF8PROC_CATEGORY_LU: return CLASS_LU | CLASS_WORD;
    case UTF8PROC_CATEGORY_LL: return CLASS_LL | CLASS_WORD;
    case UTF8PROC_CATEGORY_LT: return CLASS_LT | CLASS_WORD;
    case UTF8PROC_CATEGORY_LM: return CLASS_LM | CLASS_WORD;
    case UTF8PROC_CATEGORY_LO: return CLASS_LO | CLASS_WORD;
    case UTF8PROC_CATEGORY_MN: return CLASS_MN | CLASS_WORD;
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return CLASS_MC | CLASS_WORD;
    case UTF8PROC_CATEGORY_ND: return CLASS_ND | CLASS_WORD;
    case UTF8PROC_CATEGORY_NL: return CLASS_NLO | CLASS_WORD;
    case UTF8PROC_CATEGORY_NO: return CLASS_NLO;
    case UTF8PROC_CATEGORY_PC: return CLASS_PUNCT | CLASS_WORD;
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return CLASS_PUNCT;
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN: return CLASS_OTHER;
    default: return 0;
    }
}

static void
build(void)
{
    for (uint32_t c = 0; c < CLASS_CODE_POINTS; c++) {
        unsigned bits = category_class(utf8proc_category((utf8proc_int32_t)c));
        if (is_space(c))
            bits |= CLASS_SPACE;
        if (is_alphabetic_symbol(c) || c == 0x200C || c == 0x200D)
            bits |= CLASS_WORD;
        table[c] = (uint16_t)bits;
    }
}

const uint16_t *
text_classes(void)
{
    pthread_once(&once, build);
    return table;
}

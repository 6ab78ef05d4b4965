/* HTML, manuals, wikitext and pages of wikis: UTF-8 of a sane size comes out. */
#include "tests/fuzz/fuzz.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"
#include "text/wikitext.h"
#include "text/wikixml.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str clean = {0}, out = {0};

    if (!n)
        return 0;
    utf8_clean((const char *)data + 1, n - 1, &clean);
    char *text = fuzz_copy(clean.data ? clean.data : "", clean.len);
    switch (data[0] % 4) {
    case 0:
        html_to_text(text, clean.len, &out);
        break;
    case 1:
        man_to_text(text, clean.len, &out);
        break;
    case 2:
        wikitext_to_text(text, clean.len, &out);
        break;
    default:
        wikixml_page(text, clean.len, &out);
    }
    fuzz_utf8(&out);
    must(out.len <= 256 * clean.len + 64);
    language_guess(out.data ? out.data : "", out.len);
    free(text);
    str_release(&clean);
    str_release(&out);
    return 0;
}

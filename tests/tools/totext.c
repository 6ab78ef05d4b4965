/*
 * totext WHAT [FILE…]: what common/text makes of each file, to look at and to
 * compare: html, man (their text), language, charset, format, from:CHARSET (UTF-8).
 */
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/file.h"
#include "text/charset_convert.h"
#include "text/format.h"
#include "text/html.h"
#include "text/language.h"
#include "text/man.h"

static void
convert(const char *name, const struct str *in, struct str *out)
{
    struct charset_converter *c = charset_converter_new();
    struct charset_faults faults;

    if (charset_convert(c, charset_named(name, strlen(name)), in->data, in->len, out, &faults))
        die_err();
    charset_converter_free(c);
}

static void
show(const char *what, const char *path, const struct str *in, struct str *out)
{
    struct jsonl_field field;

    if (str_starts(what, "from:"))
        convert(what + 5, in, out);
    else if (!strcmp(what, "html"))
        html_to_text(in->data, in->len, out);
    else if (!strcmp(what, "man"))
        man_to_text(in->data, in->len, out);
    else if (!strcmp(what, "language"))
        str_addf(out, "%s\n", language_guess(in->data, in->len));
    else if (!strcmp(what, "charset"))
        str_addf(out, "%s\n", charset_name(charset_guess(in->data, in->len)));
    else if (!strcmp(what, "format") && !jsonl_field_init(&field, "text")) {
        str_addf(out, "%s\n",
                 text_format_name(text_detect(in->data, in->len, path, &field)));
        jsonl_field_release(&field);
    }
}

int
main(int argc, char **argv)
{
    die_set_tool("totext");
    for (int i = 2; i < argc; i++) {
        struct str in = {0}, out = {0};
        if (file_load(argv[i], (size_t)1 << 30, &in))
            die_err();
        str_reserve(&in, 1);
        show(argv[1], argv[i], &in, &out);
        if (out.len)
            fwrite(out.data, 1, out.len, stdout);
        str_release(&in);
        str_release(&out);
    }
    return 0;
}

#include "base/err.h"
#include "base/file.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "tokenizer/sp_export.h"

/* --export: a tokenizer.json as a file of another library. */

int
export_tokenizer(void)
{
    struct tokenizer *t = tokenizer_load(options.tokenizer);
    struct outfile out;
    struct str model = {0};

    if (!t)
        return -1;
    int r = tokenizer_set_specials(t, options.bos, options.eos);
    if (!r && sp_export(t, &model))
        r = err_prefix("%s", options.tokenizer);
    if (!r)
        r = outfile_open(&out, options.output, true);
    if (!r) {
        r = outfile_write(&out, model.data, model.len);
        if (!r)
            r = outfile_commit(&out);
        else
            outfile_abandon(&out);
    }
    str_release(&model);
    tokenizer_free(t);
    return r;
}

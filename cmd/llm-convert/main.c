/* llm-convert: models from and to other programs' formats, and what a file is. */
#include <dirent.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/llm-convert/convert.h"

/* Is there a file, or a directory with something in it? */
static bool
is_in_use(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    bool found = false;
    if (!d)
        return file_exists(path);
    while (!found && (e = readdir(d)))
        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return found;
}

static int
convert(const char *input, const char *output)
{
    struct model_source m;
    if (model_source_open(&m, input) < 0)
        return -1;
    bool compare_only = options.verify && !options.force && is_in_use(output);
    bool again = options.to_given && options.to == KIND_CHECKPOINT;
    int result = 0;
    if (!m.checkpoint)
        result = err_set(STATUS_USAGE,
                         "%s: --from hf is not supported in this version (supported: "
                         "checkpoint)",
                         input);
    else if (!compare_only && !options.force && is_in_use(output))
        result = err_set(STATUS_USAGE, "%s: is not empty: --force writes into it", output);
    else if (!compare_only)
        result = again ? rewrite(&m, output) : hf_write(&m, output);
    if (result == 0 && options.verify)
        result = again ? rewrite_verify(&m, output) : verify(&m, output);
    model_source_close(&m);
    return result;
}

static int
log_done(const char *output)
{
    if (options.info || !common.log)
        return 0;
    log_begin("convert");
    log_str("output", output);
    log_str("dtype", dtype_name(options_dtype()));
    log_bool("verified", options.verify);
    return log_end() < 0 ? -1 : log_close();
}

int
main(int argc, char **argv)
{
    char **operands;
    die_set_tool("llm-convert");
    int count = opt_parse(&llm_convert, argc, argv, &operands);
    options_check(operands, count);
    file_remove_on_signals();
    if (common.log && log_open(common.log) < 0)
        die_err();
    int result = options.info ? info(operands[0]) : convert(operands[0], operands[1]);
    if (result < 0 || log_done(operands[count - 1]) < 0)
        die_err();
    finish(STATUS_OK);
}

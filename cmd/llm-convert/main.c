/* llm-convert: models from and to other programs' formats, token data, and what a file is. */
#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/llm-convert/convert.h"

static int
log_done(const struct route *r)
{
    if (options.info || !common.log)
        return 0;
    log_begin("convert");
    log_str("from", kind_name(r->from));
    log_str("to", kind_name(r->to));
    log_str("output", r->output);
    if (kind_is_model(r->to))
        log_str("dtype", options.dtype_given ? output_type_name(options.dtype) : "kept");
    log_bool("verified", options.verify);
    return log_end() < 0 ? -1 : log_close();
}

static int
run(const struct route *r)
{
    if (options.info)
        return info(r->input[0]);
    if (!kind_is_model(r->to))
        return data_convert(r);
    return models_convert(r);
}

int
main(int argc, char **argv)
{
    char **operands;
    struct route route;
    die_set_tool("llm-convert");
    int count = opt_parse(&llm_convert, argc, argv, &operands);
    options_check(operands, count, &route);
    file_remove_on_signals();
    if (common.log && log_open(common.log) < 0)
        die_err();
    if (run(&route) < 0 || log_done(&route) < 0)
        die_err();
    finish(STATUS_OK);
}

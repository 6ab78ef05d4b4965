#include "base/die.h"
#include "base/file.h"
#include "base/log.h"
#include "cmd/llm-tokenize/modes.h"
#include "cmd/llm-tokenize/options.h"
#include "cmd/llm-tokenize/peek.h"

/* llm-tokenize: text to shards of tokens, and back. */

static int
run(void)
{
    bool from_shards = !options_chat() && (options.ids || options.decode || options.count) &&
                       peek_is_shard(options.operands[0]);

    if (options.train >= 0)
        return train_tokenizer();
    if (options.export >= 0)
        return export_tokenizer();
    if (options.extend)
        return extend_tokenizer();
    if (options.decode)
        return from_shards ? decode_shards() : decode_lines();
    if (options.ids)
        return from_shards ? shards_to_ids() : encode_to_ids();
    if (options.count)
        return from_shards ? count_shards() : count_text();
    return encode_to_shard();
}

int
main(int argc, char **argv)
{
    die_set_tool("llm-tokenize");
    options_parse(argc, argv);
    file_remove_on_signals();
    if (common.log && log_open(common.log))
        die_err();
    if (run())
        die_err();
    if (log_close())
        die_err();
    finish(STATUS_OK);
}

/*
 * Trains for tests/peers/tokenizer.py: frames of text on standard input (u32 length,
 * bytes), tokenizer.json on standard output.
 *
 *     tokenizer_train VOCAB_SIZE WORKERS PATTERN MAX_PIECE_BYTES [SPECIAL…]
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/die.h"
#include "tokenizer/train.h"

static bool
read_frame(struct str *frame)
{
    uint8_t length[4];
    if (fread(length, 1, 4, stdin) != 4)
        return false;
    size_t n = load_u32(length);
    str_clear(frame);
    str_reserve(frame, n);
    frame->len = fread(frame->data, 1, n, stdin);
    return frame->len == n;
}

int
main(int argc, char **argv)
{
    die_set_tool("tokenizer_train");
    if (argc < 5)
        die(STATUS_USAGE, "expected VOCAB_SIZE WORKERS PATTERN MAX_PIECE_BYTES [SPECIAL…]");
    int workers = (int)strtol(argv[2], NULL, 10);
    struct bpe_options o = {
        .vocab_size = (uint32_t)strtoul(argv[1], NULL, 10),
        .specials = (const char *const *)argv + 5,
        .special_count = (size_t)(argc - 5),
        .pattern = argv[3],
        .max_piece_bytes = strtoul(argv[4], NULL, 10),
        .threads = workers,
    };
    struct bpe_trainer *t = bpe_trainer_new(&o);
    if (!t)
        die_err();
    struct str frame = {0}, json = {0};
    for (int i = 0; read_frame(&frame); i++)
        if (bpe_trainer_add(t, i % workers, frame.data, frame.len) < 0)
            die_err();
    if (bpe_trainer_finish(t, &json) < 0)
        die_err();
    fwrite(json.data, 1, json.len, stdout);
    bpe_trainer_free(t);
    str_release(&json);
    str_release(&frame);
    finish(STATUS_OK);
}

/*
 * Drives a tokenizer for tests/peers/tokenizer.py: frames on standard input (u32
 * length, bytes), an answer frame for each on standard output.
 *
 *     tokenizer_peer TOKENIZER encode FLAGS    text → ids, u32 each
 *     tokenizer_peer TOKENIZER decode SKIP     ids → text
 *     tokenizer_peer TOKENIZER stream SKIP     the same through the streaming decoder
 *     tokenizer_peer TOKENIZER all FLAGS       text → five frames: ids, and their text by
 *                                              decode and stream, first with SKIP 0, then 1
 *     tokenizer_peer TOKENIZER time ROUNDS     one frame: MB/s of each round
 *     tokenizer_peer TOKENIZER file INDEX      the file of that index, for any frame
 *
 * A fourth argument is the pattern of a .tiktoken file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/die.h"
#include "base/mem.h"
#include "tokenizer/tokenizer.h"

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

static void
write_frame(const void *data, size_t n)
{
    uint8_t length[4];
    store_u32(length, (uint32_t)n);
    fwrite(length, 1, 4, stdout);
    fwrite(data, 1, n, stdout);
}

static void
stream(const struct tokenizer *t, const struct ids *ids, bool skip, struct str *text)
{
    struct tokenizer_stream *s = tokenizer_stream_new(t, skip);
    for (size_t i = 0; i < ids->len; i++)
        if (tokenizer_stream_add(s, ids->data[i], text) < 0)
            die_err();
    if (tokenizer_stream_end(s, text) < 0)
        die_err();
    tokenizer_stream_free(s);
}

static void
all(const struct tokenizer *t, const struct ids *ids)
{
    struct str text = {0};
    write_frame(ids->data ? (const void *)ids->data : "", ids->len * sizeof *ids->data);
    for (int skip = 0; skip < 2; skip++) {
        str_clear(&text);
        if (tokenizer_decode(t, ids->data, ids->len, skip, &text) < 0)
            die_err();
        write_frame(text.data ? text.data : "", text.len);
        str_clear(&text);
        stream(t, ids, skip, &text);
        write_frame(text.data ? text.data : "", text.len);
    }
    str_release(&text);
}

static void
write_file(const struct tokenizer *t, size_t index)
{
    const struct tokenizer_file *files;
    if (index >= tokenizer_files(t, &files))
        die(STATUS_USAGE, "there is no file %zu", index);
    write_frame(files[index].data, files[index].size);
}

static void
measure(const struct tokenizer *t, struct tokenizer_scratch *s, const struct str *frame, int rounds)
{
    struct ids ids = {0};
    for (int i = 0; i < rounds; i++) {
        vec_clear(&ids);
        clock_t begin = clock(); /* of the processor: the machine may be shared */
        /* documents, as they come: one line each */
        for (size_t at = 0, end; at < frame->len; at = end) {
            const char *line = memchr(frame->data + at, '\n', frame->len - at);
            end = line ? (size_t)(line - frame->data) + 1 : frame->len;
            if (tokenizer_encode(t, s, frame->data + at, end - at, 0, &ids) < 0)
                die_err();
        }
        printf("%.2f MB/s, %zu tokens\n",
               (double)frame->len / 1e6 * CLOCKS_PER_SEC / (double)(clock() - begin), ids.len);
    }
    vec_release(&ids);
}

int
main(int argc, char **argv)
{
    die_set_tool("tokenizer_peer");
    if (argc != 4 && argc != 5)
        die(STATUS_USAGE, "expected TOKENIZER MODE NUMBER [PATTERN]");
    struct tokenizer *t = tokenizer_load_cut(argv[1], argv[4]);
    if (!t)
        die_err();
    struct tokenizer_scratch *s = tokenizer_scratch_new(t);
    int number = (int)strtol(argv[3], NULL, 10);
    struct str frame = {0}, text = {0};
    struct ids ids = {0};
    while (read_frame(&frame)) {
        vec_clear(&ids);
        str_clear(&text);
        if (!strcmp(argv[2], "time")) {
            measure(t, s, &frame, number);
        } else if (!strcmp(argv[2], "file")) {
            write_file(t, (size_t)number);
        } else if (!strcmp(argv[2], "encode") || !strcmp(argv[2], "all")) {
            if (tokenizer_encode(t, s, frame.data, frame.len, number, &ids) < 0)
                die_err();
            if (!strcmp(argv[2], "all"))
                all(t, &ids);
            else
                write_frame(ids.data ? (const void *)ids.data : "", ids.len * sizeof *ids.data);
        } else {
            for (size_t i = 0; i + 4 <= frame.len; i += 4)
                vec_push(&ids, load_u32(frame.data + i));
            if (!strcmp(argv[2], "stream"))
                stream(t, &ids, number, &text);
            else if (tokenizer_decode(t, ids.data, ids.len, number, &text) < 0)
                die_err();
            write_frame(text.data ? text.data : "", text.len);
        }
    }
    vec_release(&ids);
    str_release(&text);
    str_release(&frame);
    tokenizer_scratch_free(s);
    tokenizer_free(t);
    finish(STATUS_OK);
}

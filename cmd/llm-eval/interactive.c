/*
 * A talk in the terminal: a line in, a text out, as it comes. The terminal edits the lines; Ctrl-C
 * ends an answer, and at the prompt the program. What was said before is read again from the cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/utf8.h"
#include "cmd/llm-eval/generation.h"
#include "cmd/llm-eval/talk.h"

enum { READ_SIZE = 4096, LINE_LIMIT = 1 << 24 };

static const char help[] =
    "/reset        forget what was said\n"
    "/system TEXT  begin anew with this system message (with --chat; no TEXT: without one)\n"
    "/help         this\n"
    "//TEXT        the text /TEXT\n"
    "Ctrl-C ends an answer, Ctrl-D or Ctrl-C at the prompt the program.\n";

struct talk {
    const struct model *m;
    struct pen pen;
    struct writing_stream stream;
    struct tokenizer_scratch *scratch;
    struct talk_form form; /* of --chat */
    json_t *messages;
    char *system;
    struct str text; /* without --chat: all that was written */
    struct ids ends;
    stop_list stops;
    struct str input; /* what was read and not used yet */
    bool prompts, ended;
    int64_t capacity;
    uint64_t answers;
};

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t interrupted;
static int wake[2] = {-1, -1}; /* a pipe: the wait for a line ends, too */

static void
on_interrupt(int signal)
{
    int error = errno;
    (void)signal;
    interrupted = 1;
    ssize_t ignored = write(wake[1], "", 1);
    (void)ignored;
    errno = error;
}

static bool
is_interrupted(void)
{
    return interrupted;
}

static int
catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
    if (pipe2(wake, O_CLOEXEC | O_NONBLOCK) < 0 || sigaction(SIGINT, &action, NULL) < 0)
        return err_sys("signals");
    return 0;
}

static void
forget_interrupts(void)
{
    char bytes[64];
    while (read(wake[0], bytes, sizeof bytes) > 0)
        ;
    interrupted = 0;
}

/* ---- lines ---- */

static int
say(const char *text)
{
    return file_write_full(STDOUT_FILENO, text, strlen(text), "standard output");
}

static int
show(void *arg, const char *text, size_t n)
{
    (void)arg;
    return file_write_full(STDOUT_FILENO, text, n, "standard output");
}

/* Reads more input: 1, 0 at its end or after Ctrl-C, -1. */
static int
read_more(struct talk *t)
{
    struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                            {.fd = wake[0], .events = POLLIN}};
    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return err_sys("standard input");
    if (fds[1].revents)
        return 0;
    str_reserve(&t->input, READ_SIZE);
    ssize_t n = read(STDIN_FILENO, t->input.data + t->input.len, READ_SIZE);
    if (n < 0)
        return err_sys("standard input");
    t->input.len += (size_t)n;
    if (t->input.len > LINE_LIMIT)
        return err_set(STATUS_INPUT, "standard input: a line of more than %d bytes", LINE_LIMIT);
    return n > 0;
}

/* The next line, without its end: 1, 0 when there is none, -1. */
static int
read_line(struct talk *t, struct str *line)
{
    size_t seen = 0;
    str_clear(line);
    if (t->prompts && say("> ") < 0)
        return -1;
    for (;;) {
        const char *end = t->input.len > seen
                              ? memchr(t->input.data + seen, '\n', t->input.len - seen)
                              : NULL;
        if (end) {
            size_t n = (size_t)(end - t->input.data);
            str_add(line, t->input.data, n);
            memmove(t->input.data, end + 1, t->input.len - n - 1);
            t->input.len -= n + 1;
            return 1;
        }
        seen = t->input.len;
        int more = t->ended ? 0 : read_more(t);
        if (more < 0 || interrupted)
            return more < 0 ? -1 : 0;
        if (more == 0) {
            t->ended = true;
            str_add(line, t->input.data ? t->input.data : "", t->input.len);
            str_clear(&t->input);
            return line->len > 0;
        }
    }
}

/* ---- the talk ---- */

static void
begin_anew(struct talk *t)
{
    json_decref(t->messages);
    t->messages = options.chat ? talk_new(t->system) : NULL;
    str_clear(&t->text);
}

/* What the model is to go on from, with the line; it is part of the talk from now on. */
static int
encode_line(struct talk *t, const struct str *line, struct ids *out)
{
    if (options.chat)
        return talk_say(t->messages, "user", line->data, line->len) < 0
                   ? -1
                   : talk_encode(&t->form, t->messages, out);
    if (t->text.len)
        str_addc(&t->text, '\n');
    str_add(&t->text, line->data, line->len);
    return tokenizer_encode(t->m->tokenizer, t->scratch, t->text.data, t->text.len,
                            ENCODE_POST_PREFIX, out);
}

/* Takes the line back that could not be answered. */
static void
take_back(struct talk *t, size_t text, size_t messages)
{
    if (options.chat)
        while (json_array_size(t->messages) > messages)
            json_array_remove(t->messages, json_array_size(t->messages) - 1);
    else
        t->text.len = text;
}

static int
write_answer(struct talk *t, struct writing *w)
{
    writing_stream_begin(&t->stream, t->m);
    forget_interrupts();
    if (pen_write(&t->pen, w, &t->stream, is_interrupted) < 0 || say("\n") < 0)
        return -1;
    forget_interrupts();
    t->answers++;
    if (options.chat)
        return talk_say(t->messages, "assistant", t->stream.text.data, t->stream.shown);
    str_add(&t->text, t->stream.text.data, t->stream.shown);
    return 0;
}

/* 0, or -1. What the talk has no room for, or the template no form, is said and taken back. */
static int
answer(struct talk *t, const struct str *line)
{
    size_t text = t->text.len, messages = t->messages ? json_array_size(t->messages) : 0;
    struct writing w;
    writing_init(&w);
    writing_options(&w, t->answers, &t->stops, &t->ends);
    int result = encode_line(t, line, &w.prompt);
    if (result == 0)
        result = writing_fit(&w, t->capacity);
    if (result < 0 && err_status() == STATUS_INPUT) {
        warn("%s", err_text());
        take_back(t, text, messages);
        writing_release(&w);
        return 0;
    }
    if (result == 0)
        result = write_answer(t, &w);
    writing_release(&w);
    return result;
}

static int
set_system(struct talk *t, const char *text)
{
    if (!options.chat)
        return say("a system message needs --chat\n");
    free(t->system);
    t->system = text[0] ? mem_strdup(text) : NULL;
    begin_anew(t);
    return 0;
}

static int
obey(struct talk *t, const char *command)
{
    if (strcmp(command, "/help") == 0)
        return say(help);
    if (strcmp(command, "/system") == 0)
        return set_system(t, "");
    if (str_starts(command, "/system "))
        return set_system(t, command + strlen("/system "));
    if (strcmp(command, "/reset") == 0) {
        begin_anew(t);
        return 0;
    }
    return say("no such command: /help lists them\n");
}

static int
talk_on(struct talk *t)
{
    struct str line = {0};
    int result;
    while ((result = read_line(t, &line)) > 0) {
        if (line.len == 0)
            continue;
        if (utf8_valid(line.data, line.len) != line.len)
            warn("the line is not UTF-8");
        else if (line.data[0] == '/' && line.data[1] != '/')
            result = obey(t, line.data);
        else {
            if (line.data[0] == '/')
                memmove(line.data, line.data + 1, line.len--);
            result = answer(t, &line);
        }
        if (result < 0)
            break;
    }
    if (result == 0 && t->prompts)
        result = say("\n");
    str_release(&line);
    return result;
}

static int
talk_init(struct talk *t)
{
    t->scratch = tokenizer_scratch_new(t->m->tokenizer);
    t->system = options.system ? mem_strdup(options.system) : NULL;
    t->capacity = cache_tokens(t->m);
    if (options.chat && talk_form_open(&t->form, t->m) < 0)
        return -1;
    if (find_ends(t->m, &t->ends) < 0 ||
        add_stop_options(&t->stops, t->m->tokenizer, t->scratch) < 0 ||
        pen_init(&t->pen, t->m, t->capacity) < 0)
        return -1;
    begin_anew(t);
    return catch_interrupts();
}

static void
talk_release(struct talk *t)
{
    pen_release(&t->pen);
    writing_stream_release(&t->stream);
    talk_form_close(&t->form);
    tokenizer_scratch_free(t->scratch);
    json_decref(t->messages);
    free(t->system);
    str_release(&t->text);
    str_release(&t->input);
    vec_release(&t->ends);
    stops_release(&t->stops);
}

int
interactive(struct model *m)
{
    struct talk t = {
        .m = m, .stream = {.show = show}, .prompts = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    if (check_tokenizer(m) < 0)
        return -1;
    int result = talk_init(&t);
    if (result == 0)
        result = talk_on(&t);
    talk_release(&t);
    return result;
}

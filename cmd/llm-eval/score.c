/* Loss, perplexity and bits per byte on shards, by source. */
#include "cmd/llm-eval/eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/die.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "json/write.h"
#include "parallel/launch.h"
#include "shard/stream.h"

static void
put_source(struct str *out, const struct validate_source *s)
{
    struct json_writer w = {.out = out};
    json_begin_object(&w, NULL);
    json_put_string(&w, "source", s->name);
    json_put_uint(&w, "tokens", s->tokens);
    json_put_uint(&w, "bytes", s->bytes);
    json_put_real(&w, "loss", validate_loss(s));
    json_put_real(&w, "perplexity", exp(validate_loss(s)));
    json_put_real(&w, "bits_per_byte", validate_bits_per_byte(s));
    json_end_object(&w);
    str_addc(out, '\n');
}

static int
write_json(const struct validate_result *r)
{
    struct str text = {0};
    for (size_t i = 0; i < r->sources; i++)
        put_source(&text, &r->source[i]);
    put_source(&text, &r->all);
    int result = file_store(options.json, text.data, text.len);
    str_release(&text);
    return result;
}

static void
print_source(const struct validate_source *s)
{
    printf("%-20s %12llu %12llu %10.6f %12.4f %10.6f\n", s->name, (unsigned long long)s->tokens,
           (unsigned long long)s->bytes, validate_loss(s), exp(validate_loss(s)),
           validate_bits_per_byte(s));
}

static int
report(const struct validate_result *r)
{
    if (options.json && write_json(r) < 0)
        return -1;
    for (size_t i = 0; i <= r->sources && log_enabled(); i++) {
        const struct validate_source *s = i < r->sources ? &r->source[i] : &r->all;
        log_begin("eval");
        log_str("source", s->name);
        log_int("tokens", (int64_t)s->tokens);
        log_int("bytes", (int64_t)s->bytes);
        log_real("loss", validate_loss(s));
        log_real("bits_per_byte", validate_bits_per_byte(s));
        if (log_end() < 0)
            return -1;
    }
    if (options.json && strcmp(options.json, "-") == 0)
        return 0;
    printf("%-20s %12s %12s %10s %12s %10s\n", "source", "tokens", "bytes", "loss", "perplexity",
           "bits/byte");
    for (size_t i = 0; i < r->sources; i++)
        print_source(&r->source[i]);
    if (r->sources != 1)
        print_source(&r->all);
    return 0;
}

static void
show_progress(void *arg, uint64_t tokens)
{
    (void)arg;
    progress_set(tokens);
}

/* "-" is what the launcher passed on; only rank 0 could read it. */
static struct token_stream *
open_stream(char **paths, int count)
{
    bool standard_input = count == 1 && strcmp(paths[0], "-") == 0;
    int fd = standard_input ? launch_stdin() : -1;
    if (standard_input && fd < 0)
        return NULL;
    const char *const *list = (const char *const *)paths;
    return token_stream_open(list, (size_t)count, fd);
}

static int
score(struct model *m, struct token_stream *s, struct comm *comm, struct validate_result *out)
{
    struct validate_options o = {.seq_length = model_seq_length(m),
                                 .document_mask = model_document_mask(m),
                                 .comm = m->share,
                                 .progress = show_progress};
    if (options.rolling)
        return score_rolling(s, m, out);
    if (m->config->position == POSITION_LEARNED &&
        o.seq_length > m->config->max_position_embeddings)
        return err_set(STATUS_USAGE, "--seq-length %lld is beyond the model's %lld positions",
                       (long long)o.seq_length, (long long)m->config->max_position_embeddings);
    struct decoder *d = model_decoder(m, o.seq_length);
    int result = comm_agree(comm, d ? STATUS_OK : (int)err_status());
    if (result == 0)
        result = validate(s, d, &o, out);
    decoder_free(d);
    return result;
}

int
score_shards(struct model *m, char **paths, int count, struct comm *comm)
{
    struct validate_result r = {0};
    int force = common.progress_given ? common.progress : -1;
    struct token_stream *s = open_stream(paths, count);
    int result = s ? model_fits(m, token_stream_head(s), paths[0]) : -1;
    if (comm_agree(comm, result < 0 ? (int)err_status() : STATUS_OK) < 0) {
        result = -1;
        goto out;
    }
    if (comm->rank == 0)
        note("%s: %s, sequences of %lld tokens%s, %s kernels", m->source.path,
             precision_name(m->precision), (long long)model_seq_length(m),
             options.rolling ? ", each document apart" : "", m->kernels->name);
    uint64_t total = token_stream_tokens(s);
    progress_start("evaluate", total == UINT64_MAX ? 0 : total, PROGRESS_COUNT,
                   comm->rank == 0 ? force : 0);
    result = score(m, s, comm, &r);
    progress_end();
    if (result == 0 && comm->rank == 0)
        result = report(&r);
out:
    validate_release(&r);
    token_stream_close(s);
    return result;
}

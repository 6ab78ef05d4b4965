/* --info: what a path is. Everything is first put as JSON; people get it as lines. */
#include "cmd/llm-convert/info.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "checkpoint/merged_source.h"
#include "checkpoint/peft_source.h"
#include "cmd/llm-convert/convert.h"
#include "cmd/llm-convert/history.h"
#include "json/write.h"
#include "shard/reader.h"
#include "tokenizer/tokenizer.h"

enum { PEEK = 4096 };

/* ---- pieces ---- */

static void
put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t n)
{
    struct str hex = {0};
    for (size_t i = 0; i < n; i++)
        str_addf(&hex, "%02x", bytes[i]);
    json_put_string(w, key, hex.data);
    str_release(&hex);
}

static void
put_id(struct json_writer *w, const char *key, uint32_t id)
{
    if (id != TOKEN_NONE)
        json_put_uint(w, key, id);
}

static void
put_experts(struct json_writer *w, const struct config *c, const struct params *p)
{
    json_put_int(w, "active_parameters", params_active(p, c));
    json_put_int(w, "num_experts", c->num_experts);
    json_put_int(w, "num_experts_per_tok", c->num_experts_per_tok);
    json_put_int(w, "moe_intermediate_size", c->moe_intermediate_size);
    if (c->shared_intermediate_size > 0)
        json_put_int(w, "shared_expert_intermediate_size", c->shared_intermediate_size);
}

static void
put_adapters(struct json_writer *w, const struct config *c, const struct params *p)
{
    struct str names = {0};
    const char *name;
    int64_t n = 0;

    for (int i = 0; i < p->count; i++)
        n += p->param[i].adapter ? p->param[i].size : 0;
    for (int k = 0; (name = lora_name(c, c->lora.targets, k)); k++)
        str_addf(&names, "%s%s", k ? "," : "", name);
    json_put_int(w, "lora_parameters", n);
    json_put_int(w, "lora_r", c->lora.rank);
    json_put_real(w, "lora_alpha", c->lora.alpha);
    json_put_string(w, "lora_target_modules", names.data);
    str_release(&names);
}

void
info_put_model(struct json_writer *w, const struct config *c, const struct params *p)
{
    json_begin_object(w, "model");
    json_put_string(w, "model_type", c->model_type);
    json_put_int(w, "parameters", p->parameters);
    json_put_int(w, "vocab_size", c->vocab_size);
    json_put_int(w, "hidden_size", c->hidden_size);
    json_put_int(w, "intermediate_size", c->intermediate_size);
    json_put_int(w, "num_hidden_layers", c->num_hidden_layers);
    json_put_int(w, "num_attention_heads", c->num_attention_heads);
    json_put_int(w, "num_key_value_heads", c->num_key_value_heads);
    json_put_int(w, "head_dim", c->head_dim);
    if (c->num_experts > 0)
        put_experts(w, c, p);
    json_put_int(w, "max_position_embeddings", c->max_position_embeddings);
    json_put_bool(w, "tie_word_embeddings", c->tie_word_embeddings);
    if (c->lora.rank > 0)
        put_adapters(w, c, p);
    json_end_object(w);
}

void
info_put_tokenizer(struct json_writer *w, const struct tokenizer *t)
{
    const struct tokenizer_specials *s = tokenizer_specials(t);
    uint8_t fingerprint[16];
    tokenizer_fingerprint(t, fingerprint);
    json_put_uint(w, "vocabulary", tokenizer_vocabulary(t));
    put_id(w, "bos", s->bos);
    put_id(w, "eos", s->eos);
    put_id(w, "pad", s->pad);
    put_id(w, "unk", s->unk);
    put_hex(w, "fingerprint", fingerprint, sizeof fingerprint);
}

/* A model need not have one; one that cannot be read is said so. */
static void
put_tokenizer_of(struct json_writer *w, const char *directory)
{
    struct tokenizer *t = tokenizer_load(directory);
    json_begin_object(w, "tokenizer");
    if (t)
        info_put_tokenizer(w, t);
    else
        json_put_string(w, "error", err_text());
    json_end_object(w);
    tokenizer_free(t);
}

/* ---- kinds ---- */

static void
put_state(struct json_writer *w, const struct manifest *m)
{
    const struct training_state *t = &m->state;
    char text[33];
    json_put_string(w, "state_hash", hash128_hex(m->state_hash, text));
    json_put_int(w, "step", t->step);
    json_put_uint(w, "position", t->position);
    snprintf(text, sizeof text, "%016llx", (unsigned long long)t->chain);
    json_put_string(w, "chain", text);
    json_put_uint(w, "epoch", t->epoch);
    json_put_uint(w, "scored", t->scored);
    json_begin_object(w, "tokens");
    for (size_t i = 0; i < t->source_count; i++)
        json_put_uint(w, t->sources[i].name, t->sources[i].tokens);
    json_end_object(w);
    put_hex(w, "fingerprint", t->fingerprint, sizeof t->fingerprint);
    json_put_uint(w, "seed", t->seed);
    json_put_int(w, "reduce_groups", t->reduce_groups);
    json_put_string(w, "precision", t->precision);
    json_put_string(w, "kernels", t->kernels);
    json_put_string(w, "blas", t->blas);
    training_options_put(w, t->options, t->option_count);
}

/* after: what stands behind the description for people. */
static int
info_checkpoint(struct json_writer *w, const struct model_source *m, struct str *after)
{
    const struct manifest *manifest = &m->checkpoint->manifest;
    uint64_t bytes = 0;
    for (size_t i = 0; i < manifest->files; i++)
        bytes += manifest->file[i].bytes;
    if (options.verify && checkpoint_verify(comm_single(), m->checkpoint) < 0)
        return -1;
    json_put_string(w, "kind", "checkpoint");
    json_put_string(w, "path", m->path);
    json_put_uint(w, "bytes", bytes);
    json_put_uint(w, "files", manifest->files);
    if (options.verify)
        json_put_bool(w, "verified", true);
    put_state(w, manifest);
    info_put_model(w, &m->config, &m->params);
    put_tokenizer_of(w, m->path);
    if (options.history && options.json)
        history_put(w, &manifest->state, m->path);
    else if (options.history)
        history_text(after, &manifest->state, m->path);
    return 0;
}

/* Adapters, and the model that they belong to. */
static int
info_peft(struct json_writer *w, const struct model_source *m)
{
    struct safetensors s;
    char *path = file_join(m->path, "adapter_model.safetensors");
    int result = safetensors_open(&s, path);
    free(path);
    if (result < 0)
        return -1;
    json_put_string(w, "kind", "peft");
    json_put_string(w, "path", m->path);
    json_put_uint(w, "bytes", s.file_bytes);
    json_put_uint(w, "tensors", s.count);
    info_put_model(w, &m->config, &m->params);
    safetensors_close(&s);
    return 0;
}

static int
info_directory(struct json_writer *w, const char *path, struct str *after)
{
    struct model_source m;
    uint64_t bytes = 0;
    int result = 0;
    bool only_tokenizer =
        !checkpoint_is(path) && !peft_source_is(path) && !file_exists_in(path, "config.json") &&
        (file_exists_in(path, "tokenizer.json") || file_exists_in(path, "tokenizer.model"));
    if (only_tokenizer) {
        json_put_string(w, "kind", "tokenizer");
        put_tokenizer_of(w, path);
        return 0;
    }
    if (model_source_open(&m, path) < 0)
        return -1;
    const struct model_source *apart = merged_source_base(&m); /* a checkpoint with adapters */
    if (m.checkpoint || (apart && apart->checkpoint)) {
        result = info_checkpoint(w, apart ? apart : &m, after);
    } else if (options.history) {
        result = err_set(STATUS_INPUT, "--history: %s is not a checkpoint of llm-train", path);
    } else if (apart) {
        result = info_peft(w, apart);
    } else {
        for (size_t i = 0; i < m.files; i++)
            bytes += m.file[i].file_bytes;
        json_put_string(w, "kind", "hf");
        json_put_string(w, "path", m.path);
        json_put_uint(w, "bytes", bytes);
        json_put_uint(w, "files", m.files);
        json_put_string(w, "dtype", dtype_name(m.dtype));
        info_put_model(w, &m.config, &m.params);
        put_tokenizer_of(w, m.path);
    }
    model_source_close(&m);
    return result;
}

static int
info_safetensors(struct json_writer *w, const char *path)
{
    struct safetensors s;
    if (safetensors_open(&s, path) < 0)
        return -1;
    json_put_string(w, "kind", "safetensors");
    json_put_uint(w, "bytes", s.file_bytes);
    json_begin_object(w, "metadata");
    for (size_t i = 0; i < s.metadata_count; i++)
        json_put_string(w, s.metadata[i].key, s.metadata[i].value);
    json_end_object(w);
    json_begin_array(w, "tensors");
    for (size_t i = 0; i < s.count; i++) {
        json_begin_object(w, NULL);
        json_put_string(w, "name", s.tensor[i].name);
        json_put_string(w, "dtype", dtype_name(s.tensor[i].dtype));
        json_begin_array(w, "shape");
        for (int d = 0; d < s.tensor[i].rank; d++)
            json_put_uint(w, NULL, s.tensor[i].shape[d]);
        json_end_array(w);
        json_end_object(w);
    }
    json_end_array(w);
    safetensors_close(&s);
    return 0;
}

static void
put_shard_source(struct json_writer *w, const struct shard_source *s)
{
    json_begin_object(w, NULL);
    json_put_string(w, "name", s->name);
    if (s->language && s->language[0])
        json_put_string(w, "language", s->language);
    json_put_uint(w, "documents", s->documents);
    json_put_uint(w, "bytes", s->bytes);
    json_put_uint(w, "tokens", s->tokens);
    json_end_object(w);
}

static int
info_shard(struct json_writer *w, const char *path)
{
    struct shard_summary s;
    if (shard_summarize(path, &s) < 0)
        return -1;
    json_put_string(w, "kind", "shard");
    json_put_uint(w, "file_bytes", s.file_bytes);
    json_put_uint(w, "segments", s.segments);
    json_put_uint(w, "blocks", s.totals.blocks);
    json_put_uint(w, "documents", s.totals.documents);
    json_put_uint(w, "tokens", s.totals.tokens);
    json_put_uint(w, "bytes", s.totals.bytes);
    json_put_uint(w, "vocabulary", s.head.vocabulary);
    put_id(w, "bos", s.head.bos);
    put_id(w, "eos", s.head.eos);
    put_id(w, "pad", s.head.pad);
    put_id(w, "unk", s.head.unk);
    put_hex(w, "fingerprint", s.head.fingerprint, sizeof s.head.fingerprint);
    json_put_uint(w, "seq_length", s.head.seq_length);
    json_put_bool(w, "shuffled", s.head.flags & SHARD_SHUFFLED);
    json_put_bool(w, "loss_mask", s.head.flags & SHARD_LOSS_MASK);
    json_put_bool(w, "minhash", s.head.flags & SHARD_MINHASH);
    json_put_uint(w, "seed", s.head.seed);
    json_put_string(w, "provenance", s.head.provenance ? s.head.provenance : "");
    json_begin_array(w, "sources");
    for (size_t i = 0; i < s.source_count; i++)
        put_shard_source(w, &s.sources[i]);
    json_end_array(w);
    shard_summary_release(&s);
    return 0;
}

static int
info_tokenizer(struct json_writer *w, const char *path)
{
    struct tokenizer *t = tokenizer_load(path);
    if (!t)
        return -1;
    json_put_string(w, "kind", "tokenizer");
    info_put_tokenizer(w, t);
    tokenizer_free(t);
    return 0;
}

/* By its first bytes. */
static int
info_file(struct json_writer *w, const char *path)
{
    char start[PEEK];
    int fd = file_open_read(path);
    if (fd < 0)
        return -1;
    bool shard = shard_is_shard(fd);
    ssize_t n = shard ? 0 : file_read_full(fd, start, sizeof start, path);
    close(fd);
    if (n < 0)
        return -1;
    if (shard)
        return info_shard(w, path);
    if (n >= 4 && memcmp(start, "GGUF", 4) == 0)
        return info_gguf(w, path);
    ssize_t at = 0;
    while (at < n && strchr(" \t\r\n", start[at]) && start[at])
        at++;
    /* a SentencePiece model begins with a piece's field, a newline */
    if ((at < n && start[at] == '{') || (n > 2 && start[0] == '\n' && strstr(path, ".model")))
        return info_tokenizer(w, path);
    if (str_ends(path, ".safetensors") || (n > 8 && start[8] == '{'))
        return info_safetensors(w, path);
    return err_set(STATUS_INPUT,
                   "%s: neither a shard, a checkpoint, a model, a safetensors file "
                   "nor a tokenizer",
                   path);
}

int
info(const char *path)
{
    struct str text = {0}, after = {0};
    struct json_writer w = {.out = &text, .indent = 2};
    if (options.history && !file_is_dir(path))
        return err_set(STATUS_INPUT, "--history: %s is not a checkpoint of llm-train", path);
    json_begin_object(&w, NULL);
    int result = file_is_dir(path) ? info_directory(&w, path, &after) : info_file(&w, path);
    json_end_object(&w);
    if (result == 0 && options.json)
        printf("%s\n", text.data);
    else if (result == 0)
        result = info_print(text.data, text.len);
    if (result == 0 && after.data)
        printf("%s", after.data);
    str_release(&text);
    str_release(&after);
    return result;
}

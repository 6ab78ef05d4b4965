/* A run's log lines and what it shows on the terminal. */
#include "cmd/llm-train/report.h"

#include "base/die.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/str.h"
#include "base/sys.h"
#include "cmd/llm-train/dpo.h"
#include "cmd/validate.h"
#include "json/write.h"

enum { LINE_SECONDS = 10 }; /* between lines for people */

void
report_start(struct report *r, int progress, uint64_t first_step)
{
    r->last_line = -1e9;
    progress_start("train", r->steps == UINT64_MAX ? 0 : r->steps, PROGRESS_COUNT, progress);
    progress_set(first_step);
}

static void
say_step(struct report *r, const struct step_figures *f, double rate, double mfu)
{
    char count[32], of[40] = "";
    double now = sys_seconds();

    progress_set(f->step);
    progress_note("loss %.4f", f->loss);
    if (now - r->last_line < LINE_SECONDS && f->step != r->steps)
        return;
    r->last_line = now;
    if (r->steps != UINT64_MAX)
        snprintf(of, sizeof of, " of %llu", (unsigned long long)r->steps);
    note("step %llu%s: loss %.4f, lr %.3g, grad norm %.3f, %s tokens/s, MFU %.1f %%",
         (unsigned long long)f->step, of, f->loss, f->lr, f->grad_norm, human_count(rate, count),
         mfu * 100);
}

/* A member of the step event, which is a scalar of the event file as well. */
static void
put_figure(struct report *r, const char *name, double value)
{
    log_real(name, value);
    tensorboard_scalar(r->board, name, value);
}

static void
put_preference(struct report *r, const struct dpo_figures *p)
{
    put_figure(r, "reward_chosen", p->chosen);
    put_figure(r, "reward_rejected", p->rejected);
    put_figure(r, "reward_accuracy", p->accuracy);
}

int
report_step(struct report *r, const struct step_figures *f)
{
    double rate, mfu, hfu;

    r->seconds += f->seconds;
    r->cpu_seconds += f->cpu_seconds;
    r->wait_seconds += f->wait_seconds;
    r->tokens_done += f->tokens;
    if (f->step % (uint64_t)r->log_every != 0 && f->step != r->steps)
        return 0;
    rate = (double)r->tokens_done / r->seconds;
    mfu = rate * r->flops_per_token / r->peak;
    hfu = rate * r->hardware_flops_per_token / r->peak;
    say_step(r, f, rate, mfu);
    log_begin("step");
    log_int("step", (int64_t)f->step);
    log_int("tokens", (int64_t)f->position);
    log_int("global_batch", f->batch);
    log_int("scored_tokens", f->scored);
    if (r->precision)
        log_str("precision", r->precision);
    r->precision = NULL;
    put_figure(r, "loss", f->loss);
    put_figure(r, "z_loss", f->z_loss);
    if (f->router_aux_loss >= 0) {
        put_figure(r, "aux_loss", f->router_aux_loss);
        put_figure(r, "router_z_loss", f->router_z_loss);
    }
    if (f->preference)
        put_preference(r, f->preference);
    put_figure(r, "lr", f->lr);
    put_figure(r, "grad_norm", f->grad_norm);
    if (f->saturated >= 0)
        log_int("fp8_saturated", f->saturated);
    put_figure(r, "tokens_per_second", rate);
    put_figure(r, "tflops", rate * r->flops_per_token / 1e12);
    put_figure(r, "mfu", mfu);
    put_figure(r, "hfu", hfu);
    log_real("seconds", r->seconds);
    log_real("cpu_seconds", r->cpu_seconds);
    log_real("wait_seconds", r->wait_seconds);
    r->seconds = r->cpu_seconds = r->wait_seconds = 0;
    r->tokens_done = 0;
    return log_end() < 0 ? -1 : tensorboard_end(r->board, f->step);
}

int
report_skip(struct report *r, uint64_t step, uint64_t position, const char *why)
{
    (void)r;
    note("step %llu: skipped, %s", (unsigned long long)step, why);
    progress_set(step);
    log_begin("skip");
    log_int("step", (int64_t)step);
    log_int("tokens", (int64_t)position);
    log_str("why", why);
    return log_end();
}

/* Each source's figures; of one source alone they are the whole's. */
static void
put_sources(struct report *r, const struct validate_result *v)
{
    struct str text = {0}, tag = {0};
    struct json_writer w = {.out = &text};

    json_begin_array(&w, NULL);
    for (size_t i = 0; i < v->sources; i++) {
        const struct validate_source *s = &v->source[i];
        if (s->tokens == 0)
            continue;
        json_begin_object(&w, NULL);
        json_put_string(&w, "source", s->name);
        json_put_uint(&w, "scored_tokens", s->tokens);
        json_put_real(&w, "loss", validate_loss(s));
        json_put_real(&w, "bits_per_byte", validate_bits_per_byte(s));
        json_end_object(&w);
        str_clear(&tag);
        str_addf(&tag, "valid/bits_per_byte/%s", s->name);
        tensorboard_scalar(r->board, tag.data, validate_bits_per_byte(s));
    }
    json_end_array(&w);
    log_json("sources", text.data);
    str_release(&text);
    str_release(&tag);
}

int
report_valid(struct report *r, uint64_t step, const struct validate_result *v)
{
    double loss = validate_loss(&v->all), bits_per_byte = validate_bits_per_byte(&v->all);

    note("step %llu: validation loss %.4f, %.4f bits per byte", (unsigned long long)step, loss, bits_per_byte);
    log_begin("valid");
    log_int("step", (int64_t)step);
    log_int("scored_tokens", (int64_t)v->all.tokens);
    log_real("loss", loss);
    log_real("bits_per_byte", bits_per_byte);
    tensorboard_scalar(r->board, "valid/loss", loss);
    tensorboard_scalar(r->board, "valid/bits_per_byte", bits_per_byte);
    if (v->sources > 1)
        put_sources(r, v);
    return log_end() < 0 ? -1 : tensorboard_end(r->board, step);
}

int
report_save(struct report *r, uint64_t step, const char *path, const char *state_hash, double seconds,
            double stopped)
{
    (void)r;
    note("step %llu: saved %s (%.1f s, training held up for %.2f s)", (unsigned long long)step, path, seconds, stopped);
    log_begin("save");
    log_int("step", (int64_t)step);
    log_str("path", path);
    log_str("state_hash", state_hash);
    log_real("seconds", seconds);
    log_real("stopped_seconds", stopped);
    return log_end();
}

int
report_not_saved(uint64_t step, const char *error)
{
    log_begin("save");
    log_int("step", (int64_t)step);
    log_str("error", error);
    return log_end();
}

int
report_memory(const struct memory_figures *f)
{
    char a[32], b[32];

    note("memory of the largest rank: %s planned, %s measured", human_bytes((double)f->planned, a),
         human_bytes((double)f->measured, b));
    log_begin("memory");
    log_int("arenas", (int64_t)f->arenas);
    log_int("planned", (int64_t)f->planned);
    log_int("measured", (int64_t)f->measured);
    log_int("step_allocations", (int64_t)f->step_allocations);
    log_int("heap_growth", f->heap_growth);
    return log_end();
}

int
report_end(struct report *r, int status, uint64_t step, const char *why)
{
    int closed = tensorboard_close(r->board);

    r->board = NULL;
    progress_end();
    note("%s", why);
    log_begin("end");
    log_int("status", status);
    log_int("step", (int64_t)step);
    log_str("why", why);
    return log_end() < 0 ? -1 : closed;
}

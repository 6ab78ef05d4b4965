/* --plan: what a run takes, for people and as JSON. */
#include "cmd/llm-train/plan_print.h"

#include <math.h>
#include <stdio.h>

#include "base/die.h"
#include "base/str.h"
#include "cmd/llm-train/plan_machine.h"
#include "cmd/llm-train/ramp.h"
#include "cmd/llm-train/tensors.h"
#include "cmd/llm-train/train.h"
#include "json/write.h"

enum { DAY = 86400, CHINCHILLA = 20 }; /* tokens a parameter: Hoffmann et al., 2022 */

/* ---- what there is to say ---- */

/* Those of linear layers. */
static const struct machine_rate *
rate_in(const struct machine_file *m, const struct precision_phase *p)
{
    return &m->rate[p->fp8                            ? MACHINE_FP8
                    : p->precision == PRECISION_FP32 ? MACHINE_FP32
                                                     : MACHINE_BF16];
}

double
plan_peak(const struct trainer *t)
{
    return rate_in(t->machine, t->phase)->peak / (double)t->machine->domains;
}

static void
set_length(struct plan *p, const struct trainer *t)
{
    p->tokens = (double)options.tokens;
    if (options.steps)
        p->tokens = ramp_tokens(&t->length.ramp, (double)options.steps);
    if (options.compute > 0)
        p->tokens = options.compute / p->flops_per_token;
}

static void
set_nodes(struct plan *p, const struct trainer *t)
{
    const struct machine_file *m = t->machine;
    double domains = (double)m->domains, here = fmin(domains, p->ranks);

    p->nodes = ceil(p->ranks / domains);
    if (m->nodes > 0 && p->nodes > (double)m->nodes)
        warn("%s has %llu nodes: this plan takes %.0f", m->name ? m->name : "the machine",
             (unsigned long long)m->nodes, p->nodes);
    /* What a rank maps of others of its node is theirs. */
    p->node_bytes = (double)(p->memory.total + p->memory.program) * here;
    p->fits = p->node_bytes <= (double)m->memory;
    p->peak = plan_peak(t);
}

static void
set_times(struct plan *p)
{
    double seconds = p->time.total, flops = p->flops_per_token * p->tokens_per_step;

    p->tokens_per_second = p->tokens_per_step / seconds;
    p->rate = p->time.operations / p->ranks / seconds;
    p->mfu = flops / (seconds * p->ranks * p->peak);
    p->hfu = p->rate / p->peak;
}

static void
gather(struct plan *p, const struct trainer *t, int ranks)
{
    struct flops f;
    double length = (double)t->seq_length;

    *p = (struct plan){.ranks = ranks, .tokens_per_step = (double)t->global_batch * length};
    if (plan_memory(t, ranks, &p->memory) < 0)
        die_err();
    tensors_flops(t, &f);
    p->parameters = (double)t->whole.parameters;
    p->active = (double)params_active(&t->whole, &t->config);
    p->flops_per_token = (f.forward + f.backward) / length;
    p->forward_per_token = f.forward / length;
    p->again_per_token = f.recompute / length;
    p->bubble = t->layout.bubble;
    set_length(p, t);
    if (!t->machine)
        return;
    set_nodes(p, t);
    plan_time_of(t, &t->layout, t->machine, &p->time);
    p->bubble = p->time.idle;
    set_times(p);
}

/* Weights in FP32 and both moments, and the copy that products read. */
static double
state_bytes(const struct plan *p, const struct trainer *t)
{
    double act = (double)t->kernels->ops[t->precision].act_size;

    return p->parameters * (12 + (act < 4 ? act : 0));
}

static double
days_of(const struct plan *p, double tokens)
{
    return tokens / p->tokens_per_second / DAY;
}

static double
megawatt_hours(const struct plan *p, const struct trainer *t, double tokens)
{
    return days_of(p, tokens) * 24 * p->nodes * t->machine->watts / 1e6;
}

int
plan_components(const struct plan_time *s, struct plan_component out[PLAN_COMPONENTS])
{
    const struct plan_component all[] = {
        {"products", "products", s->products},
        {"attention", "attention", s->attention},
        {"elementwise", "elementwise work", s->elementwise},
        {"update", "update", s->update},
        {"tensor", "tensor sums", s->tensor},
        {"context", "keys and values", s->context},
        {"expert", "tokens to experts", s->expert},
        {"pipeline", "messages of stages", s->pipeline},
        {"bubble", "waiting for stages", s->bubble},
        {"gradients", "gradients' reduction", s->gradients},
        {"weights", "weights' gathering", s->weights},
    };
    int n = sizeof all / sizeof *all;

    for (int i = 0; i < n; i++)
        out[i] = all[i];
    return n;
}

struct axis_line {
    const char *name, *text;
    double bytes, messages, seconds; /* seconds: not hidden behind other work */
    struct plan_way way;
};

static int
axes_of(const struct plan_time *s, struct axis_line out[8])
{
    const struct plan_bytes *b = &s->bytes;
    const struct plan_messages *m = &s->messages;
    const struct axis_line all[] = {
        {"tensor", "tensor, sums", b->tensor, m->tensor, s->tensor, s->ways.tensor},
        {"context", "context, keys, values", b->context, m->context, s->context, s->ways.context},
        {"expert", "expert, tokens", b->expert, m->expert, s->expert, s->ways.expert},
        {"pipeline", "pipeline, borders", b->pipeline, m->pipeline, s->pipeline, s->ways.pipeline},
        {"gradients", "data, gradients", b->gradients, m->gradients, s->gradients, s->ways.data},
        {"weights", "data, weights", b->weights, m->weights, s->weights, s->ways.data},
    };
    int n = sizeof all / sizeof *all;

    for (int i = 0; i < n; i++)
        out[i] = all[i];
    return n;
}

/* ---- for people ---- */

static void
line(const char *what, uint64_t bytes)
{
    char text[32];

    if (bytes)
        printf("  %-22s %10s\n", what, human_bytes((double)bytes, text));
}

static void
print_model(const struct plan *p, const struct trainer *t)
{
    const struct batch_ramp *ramp = &t->length.ramp;

    printf("parameters              %.0f\n", p->parameters);
    if (p->active < p->parameters)
        printf("  of which a token uses %.0f\n", p->active);
    printf("precision               %s\n", options.precision);
    printf("flops per token         %.6g (forward %.6g, backward %.6g)\n", p->flops_per_token,
           p->forward_per_token, p->flops_per_token - p->forward_per_token);
    printf("  by 6 N                %.6g\n", 6 * p->active);
    if (p->again_per_token > 0)
        printf("recomputed per token    %.6g\n", p->again_per_token);
    printf("tokens per step         %.0f\n", p->tokens_per_step);
    if (ramp->sizes > 0)
        printf(
            "  ramp                  from %lld sequences by %lld to %lld, whole behind step %llu\n",
            (long long)ramp->start, (long long)ramp->increment, (long long)t->global_batch,
            (unsigned long long)ramp_steps_for(ramp, ramp->tokens));
}

static void
print_memory(const struct plan *p, const struct trainer *t)
{
    const struct memory_plan *m = &p->memory;

    printf("memory per rank, %d rank%s, micro-batch %lld, %lld reduce groups\n", p->ranks,
           p->ranks == 1 ? "" : "s", (long long)t->micro_batch, (long long)t->groups);
    line("master weights", m->weights);
    line("bf16 weights", m->act_weights);
    line("moments", m->moments);
    line("gradients", m->gradients);
    line("activations", m->activations);
    line("logits", m->logits);
    line("scratch", m->scratch);
    line("tables", m->tables);
    if (p->ranks > 1)
        printf("  %-22s %s\n", "layout", layout_text(&t->layout));
    line("total", m->total);
    line("program and data", m->program);
    line("of other ranks, mapped", m->mapped);
    line("resident", m->resident);
    line("of all, weights+moments", (uint64_t)state_bytes(p, t));
}

static void
print_axis(const struct axis_line *a)
{
    char bytes[32], rate[32];

    printf("  %-22s %10s, %.0f message%s, %.3g s waited for", a->text, human_bytes(a->bytes, bytes),
           a->messages, a->messages > 1 ? "s" : "", a->seconds);
    if (a->way.rate > 0)
        printf(" (%s/s, %.2g s each)", human_bytes(a->way.rate, rate), a->way.latency);
    printf("\n");
}

static void
print_axes(const struct plan *p)
{
    struct axis_line axes[8];
    int n = axes_of(&p->time, axes);

    if (p->ranks == 1)
        return;
    printf("handed on by a rank in a step\n");
    for (int i = 0; i < n; i++)
        if (axes[i].bytes > 0)
            print_axis(&axes[i]);
    if (p->time.hidden > 0)
        printf("  %-22s %.3g s\n", "beside other work", p->time.hidden);
}

static void
print_step(const struct plan *p)
{
    struct plan_component parts[PLAN_COMPONENTS];
    int n = plan_components(&p->time, parts);

    printf("a step                  %.4g s\n", p->time.total);
    for (int i = 0; i < n; i++)
        if (parts[i].seconds > 0)
            printf("  %-22s %9.3g s %5.1f %%\n", parts[i].text, parts[i].seconds,
                   100 * parts[i].seconds / p->time.total);
    printf("  %-22s %9.3g s\n", "at the peak alone",
           p->flops_per_token * p->tokens_per_step / (p->ranks * p->peak));
    printf("a rank                  %.4g TFLOP/s: MFU %.1f %%, HFU %.1f %%\n", p->rate / 1e12,
           100 * p->mfu, 100 * p->hfu);
    printf("tokens a day            %.4g\n", p->tokens_per_second * DAY);
}

static void
print_machine(const struct plan *p, const struct trainer *t)
{
    const struct machine_file *m = t->machine;
    char a[32], b[32];

    printf("machine                 %s, %.0f node%s × %llu ranks\n",
           m->name ? m->name : "(no name)", p->nodes, p->nodes > 1 ? "s" : "",
           (unsigned long long)m->domains);
    printf("  %-22s %10s of %s: %s\n", "memory of a node", human_bytes(p->node_bytes, a),
           human_bytes((double)m->memory, b), p->fits ? "fits" : "does not fit");
    print_axes(p);
    print_step(p);
}

static void
print_run(const char *what, const struct plan *p, const struct trainer *t, double tokens)
{
    printf("%s %.4g tokens", what, tokens);
    if (t->machine)
        printf(", %.4g days", days_of(p, tokens));
    if (t->machine && t->machine->watts > 0)
        printf(", %.4g MWh", megawatt_hours(p, t, tokens));
    printf("\n");
}

static void
print_length(const struct plan *p, const struct trainer *t)
{
    if (p->tokens > 0) {
        print_run("the run                ", p, t, p->tokens);
        printf("  tokens a parameter    %.4g\n", p->tokens / p->active);
    }
    print_run("by Chinchilla's 20 to 1", p, t, CHINCHILLA * p->active);
}

static void
print_plan(const struct plan *p, const struct trainer *t)
{
    print_model(p, t);
    print_memory(p, t);
    if (t->layout.size[AXIS_PIPELINE] > 1)
        printf("pipeline                %.1f %% idle\n", 100 * p->bubble);
    if (t->machine)
        print_machine(p, t);
    print_length(p, t);
    if (t->machine)
        plan_machine_map(t, &p->time, NULL);
}

/* ---- for programs ---- */

static void
put_memory(struct json_writer *w, const struct plan *p, const struct trainer *t)
{
    const struct memory_plan *m = &p->memory;

    json_put_uint(w, "memory_per_rank_bytes", m->total);
    json_put_uint(w, "resident_bytes", m->resident);
    json_begin_object(w, "memory");
    json_put_uint(w, "weights", m->weights);
    json_put_uint(w, "act_weights", m->act_weights);
    json_put_uint(w, "moments", m->moments);
    json_put_uint(w, "gradients", m->gradients);
    json_put_uint(w, "activations", m->activations);
    json_put_uint(w, "logits", m->logits);
    json_put_uint(w, "scratch", m->scratch);
    json_put_uint(w, "tables", m->tables);
    json_put_uint(w, "program", m->program);
    json_put_uint(w, "mapped", m->mapped);
    json_end_object(w);
    json_put_uint(w, "state_bytes", (uint64_t)state_bytes(p, t));
}

static void
put_axes(struct json_writer *w, const struct plan *p)
{
    struct axis_line axes[8];
    int n = axes_of(&p->time, axes);

    json_begin_object(w, "axes");
    for (int i = 0; i < n; i++) {
        json_begin_object(w, axes[i].name);
        json_put_real(w, "bytes", axes[i].bytes);
        json_put_real(w, "messages", axes[i].messages);
        json_put_real(w, "bytes_per_second", axes[i].way.rate);
        json_put_real(w, "latency", axes[i].way.latency);
        json_put_real(w, "seconds", axes[i].seconds);
        json_end_object(w);
    }
    json_end_object(w);
}

static void
put_machine(struct json_writer *w, const struct plan *p, const struct trainer *t)
{
    struct plan_component parts[PLAN_COMPONENTS];
    int n = plan_components(&p->time, parts);

    json_put_string(w, "machine", t->machine->name ? t->machine->name : "");
    json_put_int(w, "nodes", (int64_t)p->nodes);
    json_put_real(w, "node_bytes", p->node_bytes);
    json_put_uint(w, "node_memory_bytes", t->machine->memory);
    json_put_bool(w, "fits", p->fits);
    json_put_real(w, "step_seconds", p->time.total);
    json_begin_object(w, "step");
    for (int i = 0; i < n; i++)
        json_put_real(w, parts[i].name, parts[i].seconds);
    json_put_real(w, "hidden", p->time.hidden);
    json_end_object(w);
    put_axes(w, p);
    json_put_real(w, "operations_per_step", p->time.operations);
    json_put_real(w, "flops_per_rank", p->rate);
    json_put_real(w, "mfu", p->mfu);
    json_put_real(w, "hfu", p->hfu);
    json_put_real(w, "tokens_per_second", p->tokens_per_second);
    json_put_real(w, "tokens_per_day", p->tokens_per_second * DAY);
}

static void
put_length(struct json_writer *w, const char *prefix, double tokens, const struct plan *p,
           const struct trainer *t)
{
    char name[64];

    snprintf(name, sizeof name, "%stokens", prefix);
    json_put_real(w, name, tokens);
    if (!t->machine)
        return;
    snprintf(name, sizeof name, "%sdays", prefix);
    json_put_real(w, name, days_of(p, tokens));
    if (t->machine->watts <= 0)
        return;
    snprintf(name, sizeof name, "%smegawatt_hours", prefix);
    json_put_real(w, name, megawatt_hours(p, t, tokens));
}

static void
print_json(const struct plan *p, const struct trainer *t)
{
    struct str s = {0};
    struct json_writer w = {.out = &s, .indent = 2};

    json_begin_object(&w, NULL);
    json_put_int(&w, "parameters", (int64_t)p->parameters);
    json_put_int(&w, "active_parameters", (int64_t)p->active);
    json_put_string(&w, "precision", options.precision);
    json_put_real(&w, "flops_per_token", p->flops_per_token);
    json_put_real(&w, "flops_per_token_6n", 6 * p->active);
    json_put_real(&w, "recomputed_per_token", p->again_per_token);
    json_put_int(&w, "tokens_per_step", (int64_t)p->tokens_per_step);
    json_put_int(&w, "ranks", p->ranks);
    json_put_string(&w, "layout", layout_text(&t->layout));
    json_put_int(&w, "micro_batches", t->layout.micros);
    put_memory(&w, p, t);
    json_put_real(&w, "bubble", p->bubble);
    if (t->machine)
        put_machine(&w, p, t);
    if (p->tokens > 0) {
        put_length(&w, "", p->tokens, p, t);
        json_put_real(&w, "tokens_per_parameter", p->tokens / p->active);
        json_put_real(&w, "compute", p->tokens * p->flops_per_token);
    }
    put_length(&w, "chinchilla_", CHINCHILLA * p->active, p, t);
    if (p->tokens > 0)
        json_put_real(&w, "chinchilla_ratio", p->tokens / (CHINCHILLA * p->active));
    if (t->machine)
        plan_machine_map(t, &p->time, &w);
    json_end_object(&w);
    puts(s.data);
    str_release(&s);
}

void
plan_print(const struct trainer *t, int ranks)
{
    struct plan p;

    gather(&p, t, ranks);
    if (options.json)
        print_json(&p, t);
    else
        print_plan(&p, t);
    plan_log(&p.memory, t);
}

/* ---- without a model ---- */

/* Days of so much arithmetic on a machine, or on a part of it, at the rates that it may have. */
void
plan_compute(const struct machine_file *m, double operations, double nodes)
{
    struct precision_schedule s;
    if (precision_parse(options.precision, &s) < 0)
        die_err();
    const struct machine_rate *rate = rate_in(m, &s.phase[0]);
    double n = operations / (nodes * DAY), parameters = sqrt(operations / (6 * CHINCHILLA));

    if (options.json) {
        struct str out = {0};
        struct json_writer w = {.out = &out, .indent = 2};
        json_begin_object(&w, NULL);
        json_put_string(&w, "machine", m->name ? m->name : "");
        json_put_real(&w, "nodes", nodes);
        json_put_real(&w, "compute", operations);
        json_put_real(&w, "days_at_peak", n / rate->peak);
        json_put_real(&w, "days_at_half_of_peak", 2 * n / rate->peak);
        json_put_real(&w, "days_at_products", n / rate->products);
        json_put_real(&w, "chinchilla_parameters", parameters);
        json_put_real(&w, "chinchilla_tokens", CHINCHILLA * parameters);
        json_end_object(&w);
        puts(out.data);
        str_release(&out);
        return;
    }
    printf("machine                 %s, %.0f nodes\n", m->name ? m->name : "(no name)", nodes);
    printf("operations              %.4g\n", operations);
    printf("  at its peak           %.4g days\n", n / rate->peak);
    printf("  at half of its peak   %.4g days\n", 2 * n / rate->peak);
    printf("  at its products' rate %.4g days\n", n / rate->products);
    printf("by Chinchilla's 20 to 1 %.4g parameters, %.4g tokens\n", parameters,
           CHINCHILLA * parameters);
}

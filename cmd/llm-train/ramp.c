/* The number of sequences a step, and what steps and tokens are in each other. */
#include "cmd/llm-train/ramp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

/* The next number of "S:I:T"; moves behind its colon. */
static int
next_number(const char **text, uint64_t *out)
{
    size_t n = strcspn(*text, ":");
    char number[32];

    if (n == 0 || n >= sizeof number)
        return -1;
    memcpy(number, *text, n);
    number[n] = '\0';
    *text += n + ((*text)[n] == ':');
    n = strlen(number);
    if (n > 3 && strcmp(number + n - 3, "tok") == 0)
        number[n - 3] = '\0';
    return parse_count(number, out);
}

static int
read_ramp(struct batch_ramp *r, const char *text)
{
    uint64_t start, increment;
    const char *at = text;

    if (next_number(&at, &start) < 0 || next_number(&at, &increment) < 0 || next_number(&at, &r->tokens) < 0 || *at)
        return err_set(STATUS_USAGE, "--ramp-batch %s: expected START:INCREMENT:TOKENS, as 32:32:2G", text);
    if (start == 0 || increment == 0 || start > (uint64_t)r->batch || increment > (uint64_t)r->batch || r->tokens == 0)
        return err_set(STATUS_USAGE, "--ramp-batch %s: start and increment are 1 to --global-batch (%lld), tokens at least 1",
                       text, (long long)r->batch);
    r->start = (int64_t)start;
    r->increment = (int64_t)increment;
    return 0;
}

int
ramp_parse(struct batch_ramp *r, const char *text, int64_t batch, int64_t seq_length)
{
    int64_t rest;

    *r = (struct batch_ramp){.seq_length = seq_length, .batch = batch};
    if (!text || !text[0] || strcmp(text, "none") == 0)
        return 0;
    if (read_ramp(r, text) < 0)
        return -1;
    r->sizes = (batch - r->start) / r->increment;
    rest = (batch - r->start) % r->increment;
    if (rest != 0)
        return err_set(STATUS_USAGE, "--ramp-batch %s: steps of %lld from %lld do not meet --global-batch %lld: nearest are %lld and %lld",
                       text, (long long)r->increment, (long long)r->start, (long long)batch,
                       (long long)(batch - rest), (long long)(batch - rest + r->increment));
    if (r->tokens > UINT64_MAX / (uint64_t)(r->sizes + 1))
        return err_set(STATUS_USAGE, "--ramp-batch %s: too many tokens", text);
    return 0;
}

static int
check_number(const struct batch_ramp *r, const char *what, int64_t value, int64_t unit)
{
    int64_t below = value / unit * unit;

    if (value % unit == 0)
        return 0;
    if (below == 0)
        return err_set(STATUS_USAGE, "--ramp-batch: its %s %lld is not a multiple of reduce groups × micro-batch (%lld): the least is %lld",
                       what, (long long)value, (long long)unit, (long long)unit);
    return err_set(STATUS_USAGE, "--ramp-batch: its %s %lld is not a multiple of reduce groups × micro-batch (%lld): nearest are %lld and %lld",
                   what, (long long)value, (long long)unit, (long long)below,
                   (long long)(below + unit > r->batch ? below : below + unit));
}

int
ramp_check(const struct batch_ramp *r, int64_t unit)
{
    if (r->sizes == 0)
        return 0;
    return check_number(r, "start", r->start, unit) < 0 ? -1 : check_number(r, "increment", r->increment, unit);
}

int64_t
ramp_size(const struct batch_ramp *r, int64_t i)
{
    return i < r->sizes ? r->start + i * r->increment : r->batch;
}

/* Which size a position belongs to, and the first position of the next one. */
static int64_t
size_at(const struct batch_ramp *r, uint64_t position)
{
    return position >= r->tokens || r->sizes == 0 ? r->sizes
                                                  : (int64_t)(position * (uint64_t)r->sizes / r->tokens);
}

static uint64_t
end_of_size(const struct batch_ramp *r, int64_t i)
{
    uint64_t n = (uint64_t)r->sizes;

    return ((uint64_t)(i + 1) * r->tokens + n - 1) / n;
}

int64_t
ramp_batch(const struct batch_ramp *r, uint64_t position)
{
    return ramp_size(r, size_at(r, position));
}

/* Steps of one size: the first of them, its position, and how many (UINT64_MAX: all that follow). */
struct stretch {
    uint64_t step, position, steps, step_tokens;
};

static struct stretch
stretch_at(const struct batch_ramp *r, uint64_t step, uint64_t position)
{
    int64_t i = size_at(r, position);
    struct stretch s = {step, position, UINT64_MAX, (uint64_t)(ramp_size(r, i) * r->seq_length)};

    if (i < r->sizes)
        s.steps = (end_of_size(r, i) - position + s.step_tokens - 1) / s.step_tokens;
    return s;
}

/* The next one; false when there is none. */
static bool
next_stretch(const struct batch_ramp *r, struct stretch *s)
{
    if (s->steps == UINT64_MAX)
        return false;
    *s = stretch_at(r, s->step + s->steps, s->position + s->steps * s->step_tokens);
    return true;
}

uint64_t
ramp_step_tokens(const struct batch_ramp *r, uint64_t steps)
{
    struct stretch s = stretch_at(r, r->step, r->position);

    if (steps <= r->step)
        return r->step == 0 ? 0 : (uint64_t)((double)r->position * ((double)steps / (double)r->step));
    while (steps - s.step > s.steps)
        next_stretch(r, &s);
    return s.position + (steps - s.step) * s.step_tokens;
}

double
ramp_tokens(const struct batch_ramp *r, double steps)
{
    struct stretch s = stretch_at(r, r->step, r->position);

    if (steps <= (double)r->step)
        return r->step == 0 ? 0 : (double)r->position * (steps / (double)r->step);
    while (steps - (double)s.step > (double)s.steps)
        next_stretch(r, &s);
    return (double)s.position + (steps - (double)s.step) * (double)s.step_tokens;
}

double
ramp_steps(const struct batch_ramp *r, double tokens)
{
    struct stretch s = stretch_at(r, r->step, r->position);

    if (tokens <= (double)r->position)
        return r->position == 0 ? 0 : (double)r->step * (tokens / (double)r->position);
    while (tokens - (double)s.position > (double)s.steps * (double)s.step_tokens)
        next_stretch(r, &s);
    return (double)s.step + (tokens - (double)s.position) / (double)s.step_tokens;
}

uint64_t
ramp_steps_within(const struct batch_ramp *r, uint64_t tokens)
{
    struct stretch s = stretch_at(r, r->step, r->position);

    if (tokens < r->position)
        return (uint64_t)ramp_steps(r, (double)tokens);
    while (s.steps != UINT64_MAX && (tokens - s.position) / s.step_tokens >= s.steps)
        next_stretch(r, &s);
    return s.step + (tokens - s.position) / s.step_tokens;
}

uint64_t
ramp_steps_for(const struct batch_ramp *r, uint64_t tokens)
{
    uint64_t steps = ramp_steps_within(r, tokens);

    return ramp_step_tokens(r, steps) < tokens ? steps + 1 : steps;
}

void
ramp_go_on(struct batch_ramp *r, uint64_t step, uint64_t position)
{
    r->step = r->position = 0;
    if (ramp_step_tokens(r, step) == position)
        return;
    r->step = step;
    r->position = position;
}

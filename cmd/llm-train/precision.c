/* The schedule of precisions. */
#include "cmd/llm-train/precision.h"

#include <string.h>

#include "base/err.h"
#include "base/str.h"

static const struct precision_phase known[] = {
    {0, "fp32", PRECISION_FP32, false},
    {0, "bf16", PRECISION_BF16, false},
    {0, "fp8-hybrid", PRECISION_BF16, true},
};

/* One part: NAME, or NAME@STEP for all but the first. */
static int
parse_phase(const char *part, bool first, struct precision_phase *out)
{
    size_t name = strcspn(part, "@");
    const char *step = part[name] ? part + name + 1 : NULL;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i].name) != name || strncmp(part, known[i].name, name) != 0)
            continue;
        *out = known[i];
        if (first)
            return step ? err_set(STATUS_USAGE, "the first precision begins at once, without @") : 0;
        if (!step)
            return err_set(STATUS_USAGE, "'%s' needs the step it follows, as %s@1000", part, part);
        if (parse_count(step, &out->after) < 0 || out->after == 0)
            return err_set(STATUS_USAGE, "'%s': expected a number of steps behind @", part);
        return 0;
    }
    return err_set(STATUS_USAGE, "'%.*s': expected fp32, bf16 or fp8-hybrid", (int)name, part);
}

/* Does it go on from the one before? */
static int
check_order(const struct precision_schedule *s)
{
    const struct precision_phase *p = &s->phase[s->count - 1];

    if (s->count < 2)
        return 0;
    if (p->after <= p[-1].after)
        return err_set(STATUS_USAGE, "steps must ascend (%llu behind %llu)",
                       (unsigned long long)p->after, (unsigned long long)p[-1].after);
    if (strcmp(p->name, p[-1].name) == 0)
        return err_set(STATUS_USAGE, "%s follows %s", p->name, p->name);
    return 0;
}

int
precision_parse(const char *text, struct precision_schedule *out)
{
    *out = (struct precision_schedule){0};
    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");
        char part[64];

        if (out->count == PRECISION_PHASES)
            return err_set(STATUS_USAGE, "more than %d precisions", PRECISION_PHASES);
        if (n >= sizeof part)
            return err_set(STATUS_USAGE, "expected fp32, bf16 or fp8-hybrid");
        memcpy(part, at, n);
        part[n] = '\0';
        if (parse_phase(part, out->count == 0, &out->phase[out->count]) < 0)
            return -1;
        out->count++;
        if (check_order(out) < 0)
            return -1;
        at += n;
        if (*at == '\0')
            return 0;
    }
}

const struct precision_phase *
precision_at(const struct precision_schedule *s, uint64_t step)
{
    int i = s->count - 1;

    while (i > 0 && s->phase[i].after >= step)
        i--;
    return &s->phase[i];
}

unsigned
precision_mask(const struct precision_schedule *s)
{
    unsigned mask = 0;

    for (int i = 0; i < s->count; i++)
        mask |= 1u << s->phase[i].precision;
    return mask;
}

bool
precision_has_fp8(const struct precision_schedule *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->phase[i].fp8)
            return true;
    return false;
}

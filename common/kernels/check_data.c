#include "kernels/check_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "kernels/ref/ref.h"

enum { MARGIN = 256, FILL = 0xff }; /* 0xff… is a NaN in every type */

void
checker_init(struct checker *c, const struct kernels *k, enum precision p, struct kernel_check *out)
{
    memset(c, 0, sizeof *c);
    c->ops = &k->ops[p];
    ref_fp64(&c->exact);
    c->precision = p;
    c->random = 1;
    c->out = out;
}

/*
 * A linear congruential generator (Knuth's MMIX constants): quick, and good enough for test
 * data.
 */
double
checker_uniform(struct checker *c)
{
    c->random = c->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(c->random >> 11) * 0x1p-53;
}

static size_t
element_size(const struct checker *c, enum array_kind kind)
{
    return kind == ARRAY_ACT ? c->ops->act_size : c->ops->wide_size;
}

static struct array *
array_new(struct checker *c, enum array_kind kind, int64_t n)
{
    if (c->arrays == ARRAYS_MAX)
        abort();
    struct array *a = &c->array[c->arrays++];
    size_t size = element_size(c, kind) * (size_t)n,
           shift = (size_t)(c->arrays % 5) * element_size(c, kind);
    *a = (struct array){.kind = kind, .n = n, .size = size};
    a->block = mem_aligned(size + shift + MARGIN);
    memset(a->block, FILL, size + shift + MARGIN);
    a->got = (char *)a->block + shift;
    a->want = mem_zarray((size_t)(n ? n : 1), sizeof *a->want);
    return a;
}

struct array *
array_output(struct checker *c, enum array_kind kind, int64_t n)
{
    return array_new(c, kind, n);
}

void
array_put(const struct checker *c, struct array *a, int64_t i, double x)
{
    if (c->precision == PRECISION_FP64)
        ((double *)a->got)[i] = x;
    else if (c->precision == PRECISION_BF16 && a->kind == ARRAY_ACT)
        ((bf16 *)a->got)[i] = bf16_from_float((float)x);
    else
        ((float *)a->got)[i] = (float)x;
}

double
array_at(const struct checker *c, const struct array *a, int64_t i)
{
    if (c->precision == PRECISION_FP64)
        return ((const double *)a->got)[i];
    if (c->precision == PRECISION_BF16 && a->kind == ARRAY_ACT)
        return (double)bf16_to_float(((const bf16 *)a->got)[i]);
    return (double)((const float *)a->got)[i];
}

void
array_round(struct checker *c, struct array *a)
{
    for (int64_t i = 0; i < a->n; i++) {
        array_put(c, a, i, a->want[i]);
        a->want[i] = array_at(c, a, i);
    }
}

struct array *
array_random(struct checker *c, enum array_kind kind, int64_t n, double low, double high)
{
    struct array *a = array_new(c, kind, n);
    for (int64_t i = 0; i < n; i++)
        a->want[i] = low + (high - low) * checker_uniform(c);
    array_round(c, a);
    return a;
}

double
checker_unit(const struct checker *c, enum array_kind kind)
{
    if (c->precision == PRECISION_FP64)
        return 0x1p-53;
    return c->precision == PRECISION_BF16 && kind == ARRAY_ACT ? 0x1p-8 : 0x1p-24;
}

/* The line of an operation in the table of errors; NULL when that is full. */
static struct kernel_error *
error_of(struct kernel_check *out, const char *name)
{
    for (int i = 0; i < out->errors; i++)
        if (strcmp(out->error[i].name, name) == 0)
            return &out->error[i];
    if (out->errors == KERNEL_ERRORS_MAX)
        return NULL;
    struct kernel_error *e = &out->error[out->errors++];
    snprintf(e->name, sizeof e->name, "%s", name);
    return e;
}

void
checker_ratio(struct checker *c, const char *name, double ratio)
{
    struct kernel_error *e = error_of(c->out, name);
    if (e) {
        e->checked++;
        e->ratio = ratio <= e->ratio ? e->ratio : ratio;
    }
    c->out->checked++;
    bool bad = !(ratio <= 1);
    if (bad || ratio > c->out->worst_ratio) {
        c->out->worst_ratio = ratio;
        snprintf(c->out->worst, sizeof c->out->worst, "%s", name);
    }
    if (bad && !c->failed) {
        c->failed = true;
        err_set(STATUS_FAILED, "kernel %s %s: error is %.3g of the allowed one", name,
                precision_name(c->precision), ratio);
    }
}

void
checker_compare(struct checker *c, const char *name, const struct array *a, double bound)
{
    double squares = 0, worst = 0, rounding = checker_unit(c, a->kind);
    for (int64_t i = 0; i < a->n; i++)
        squares += a->want[i] * a->want[i];
    double rms = a->n ? sqrt(squares / (double)a->n) : 0;
    for (int64_t i = 0; i < a->n; i++) {
        double error = fabs(array_at(c, a, i) - a->want[i]);
        double allowed = bound * (fabs(a->want[i]) + rms) + rounding * fabs(a->want[i]);
        /* A result that is exactly zero allows no error: 0/0 is none, x/0 is infinite. */
        double ratio = error == 0 ? 0 : error / allowed;
        if (!(ratio <= worst))
            worst = ratio;
        if (isnan(ratio))
            break;
    }
    checker_ratio(c, name, worst);
    struct kernel_error *e = error_of(c->out, name);
    if (e && bound > e->allowed)
        e->allowed = bound;
}

void
checker_clear(struct checker *c, const char *name)
{
    for (int i = 0; i < c->arrays; i++) {
        struct array *a = &c->array[i];
        const unsigned char *end = (unsigned char *)a->got + a->size;
        const unsigned char *limit = (unsigned char *)a->block + a->size + MARGIN;
        while (end < limit && *end == FILL)
            end++;
        if (end < limit && !c->failed) {
            c->failed = true;
            err_set(STATUS_FAILED, "kernel %s %s: writes behind its output", name,
                    precision_name(c->precision));
        }
        free(a->block);
        free(a->want);
    }
    c->arrays = 0;
}

#include "checkpoint/fp8_file.h"

#include <math.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "checkpoint/safetensors.h"

void
fp8_file_make(const struct fp8 *f, struct str *out)
{
    uint64_t tensors = (uint64_t)fp8_tensors(f), steps = (uint64_t)fp8_history(f), bytes;
    struct tensor_plan plan[] = {
        {.name = "scale", .dtype = DTYPE_F32, .rank = 1, .shape = {tensors}},
        {.name = "amax_history", .dtype = DTYPE_F32, .rank = 2, .shape = {steps, tensors}},
    };
    float *data = mem_zarray((size_t)(tensors * (1 + steps)), sizeof *data);
    char *encoded = mem_zarray((size_t)(tensors * (1 + steps)), sizeof *data);

    fp8_export(f, data, data + tensors);
    dtype_from_float(DTYPE_F32, data, (size_t)(tensors * (1 + steps)), encoded);
    safetensors_plan(plan, 2, out, &bytes);
    str_add(out, encoded, (size_t)(tensors * (1 + steps)) * sizeof *data);
    free(encoded);
    free(data);
}

/* A scale is a positive number; an amax is not negative, but may be infinite or NaN. */
static bool
is_sound(const float *scale, const float *history, uint64_t tensors, uint64_t steps)
{
    for (uint64_t i = 0; i < tensors; i++)
        if (!isfinite(scale[i]) || scale[i] <= 0)
            return false;
    for (uint64_t i = 0; i < steps * tensors; i++)
        if (history[i] < 0)
            return false;
    return true;
}

static int
read_arrays(struct fp8 *f, const struct safetensors *s)
{
    const struct tensor_info *scale = safetensors_find(s, "scale"),
                             *history = safetensors_find(s, "amax_history");
    uint64_t tensors = (uint64_t)fp8_tensors(f), steps;
    float *data;
    int result;

    if (s->count != 2 || !scale || !history || scale->dtype != DTYPE_F32 ||
        history->dtype != DTYPE_F32 || scale->rank != 1 || history->rank != 2 ||
        scale->shape[0] != tensors || history->shape[1] != tensors)
        return err_set(STATUS_INPUT, "%s: expected scale [%llu] and amax_history [steps, %llu]",
                       s->path, (unsigned long long)tensors, (unsigned long long)tensors);
    steps = history->shape[0];
    data = mem_zarray((size_t)(tensors + history->elements), sizeof *data);
    result = safetensors_read_float(s, scale, 0, (size_t)tensors, data);
    if (result == 0)
        result = safetensors_read_float(s, history, 0, (size_t)history->elements, data + tensors);
    if (result == 0 && !is_sound(data, data + tensors, tensors, steps))
        result = err_set(STATUS_INPUT, "%s: a scale or an amax is not positive", s->path);
    if (result == 0)
        fp8_import(f, data, data + tensors, (int64_t)steps);
    free(data);
    return result;
}

int
fp8_file_read(struct fp8 *f, const char *path)
{
    struct safetensors s;
    int result;

    if (safetensors_open(&s, path) < 0)
        return -1;
    result = read_arrays(f, &s);
    safetensors_close(&s);
    return result;
}

/* Which tensor goes where in a Hugging Face directory. */
#include "cmd/llm-convert/convert.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "json/write.h"

static struct tensor_plan
plan_tensor(const struct name_part *part, enum dtype dtype)
{
    struct tensor_plan t = {.dtype = dtype, .rank = part->vector ? 1 : 2};
    snprintf(t.name, sizeof t.name, "%s", part->name);
    t.shape[0] = (uint64_t)(part->transposed ? part->columns : part->rows);
    t.shape[1] = (uint64_t)(part->transposed ? part->rows : part->columns);
    return t;
}

/* Where a Hugging Face directory stores that tensor. */
static const struct source_tensor *
find_stored(const struct model_source *m, const char *name)
{
    const char *prefix = names_optional_prefix(&m->config);
    const struct source_tensor *t = model_source_stored(m, name);
    return t || !str_starts(name, prefix) ? t : model_source_stored(m, name + strlen(prefix));
}

/* What --dtype says, else what the directory has, else FP32. */
static enum dtype
choose_type(const struct source_tensor *stored)
{
    static const enum dtype types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_F16};
    if (options.dtype_given)
        return types[options.dtype];
    return stored ? stored->info->dtype : DTYPE_F32;
}

static void
add_tensor(struct hf_plan *p, const struct model_source *m, struct hf_tensor t, uint64_t max_file)
{
    const struct model_source *base = source_base(m);
    const struct source_tensor *stored = find_stored(base, t.part.name);
    enum dtype type = choose_type(stored);
    uint64_t elements = (uint64_t)(t.part.rows * t.part.columns);
    uint64_t bytes = elements * (uint64_t)dtype_bits(type) / 8;
    struct hf_file *f = p->files ? &p->file[p->files - 1] : NULL;
    if (!f || (f->tensors && f->bytes + bytes > max_file)) {
        p->file = mem_grow_array(p->file, (size_t)p->files + 1, sizeof *p->file);
        f = &p->file[p->files++];
        *f = (struct hf_file){0};
    }
    t.same = base == m && stored && stored->info->dtype == type ? stored : NULL;
    t.file = p->files - 1;
    t.plan = f->tensors;
    if ((f->tensors & (f->tensors - 1)) == 0) /* grows by doubling */
        f->tensor = mem_grow_array(f->tensor, f->tensors ? 2 * f->tensors : 1, sizeof *f->tensor);
    f->tensor[f->tensors++] = plan_tensor(&t.part, type);
    f->bytes += bytes; /* of data, until the headers are made */
    if (p->count == 0)
        p->dtype = type;
    if ((p->count & (p->count - 1)) == 0)
        p->tensor = mem_grow_array(p->tensor, p->count ? 2 * p->count : 1, sizeof *p->tensor);
    p->tensor[p->count++] = t;
    p->data_bytes += bytes;
    p->parameters += elements;
}

void
hf_plan_init(struct hf_plan *p, const struct model_source *m, uint64_t max_file)
{
    *p = (struct hf_plan){0};
    for (int i = 0; i < m->params.count; i++) {
        struct name_part part[NAME_PARTS];
        int parts = 0;
        if (!peft_is(m))
            parts = names_parts(&m->config, &m->params.param[i], part);
        else if (m->params.param[i].adapter)
            parts = names_adapter_parts(&m->config, &m->params, i, part);
        for (int k = 0; k < parts; k++)
            add_tensor(p, m, (struct hf_tensor){.param = i, .part = part[k]}, max_file);
    }
    for (int i = 0; i < p->files; i++) {
        struct hf_file *f = &p->file[i];
        safetensors_plan(f->tensor, f->tensors, &f->header, &f->bytes);
        f->name = peft_is(m)      ? mem_strdup("adapter_model.safetensors")
                  : p->files == 1 ? mem_strdup("model.safetensors")
                                : mem_printf("model-%05d-of-%05d.safetensors", i + 1, p->files);
    }
}

void
hf_plan_release(struct hf_plan *p)
{
    for (int i = 0; i < p->files; i++) {
        free(p->file[i].name);
        free(p->file[i].tensor);
        str_release(&p->file[i].header);
    }
    free(p->file);
    free(p->tensor);
    *p = (struct hf_plan){0};
}

void
hf_plan_index(const struct hf_plan *p, struct str *out)
{
    struct json_writer w = {.out = out, .indent = 2};
    json_begin_object(&w, NULL);
    json_begin_object(&w, "metadata");
    json_put_uint(&w, "total_parameters", p->parameters);
    json_put_uint(&w, "total_size", p->data_bytes);
    json_end_object(&w);
    json_begin_object(&w, "weight_map");
    for (size_t i = 0; i < p->count; i++)
        json_put_string(&w, p->tensor[i].part.name, p->file[p->tensor[i].file].name);
    json_end_object(&w);
    json_end_object(&w);
    str_addc(out, '\n');
}

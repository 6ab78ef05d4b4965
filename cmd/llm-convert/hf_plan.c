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

static void
add_tensor(struct hf_plan *p, struct hf_tensor t, enum dtype dtype, uint64_t max_file)
{
    uint64_t elements = (uint64_t)(t.part.rows * t.part.columns);
    uint64_t bytes = elements * (uint64_t)dtype_bits(dtype) / 8;
    struct hf_file *f = p->files ? &p->file[p->files - 1] : NULL;
    if (!f || (f->tensors && f->bytes + bytes > max_file)) {
        p->file = mem_grow_array(p->file, (size_t)p->files + 1, sizeof *p->file);
        f = &p->file[p->files++];
        *f = (struct hf_file){0};
    }
    t.file = p->files - 1;
    t.plan = f->tensors;
    f->tensor = mem_grow_array(f->tensor, f->tensors + 1, sizeof *f->tensor);
    f->tensor[f->tensors++] = plan_tensor(&t.part, dtype);
    f->bytes += bytes; /* of data, until the headers are made */
    p->tensor = mem_grow_array(p->tensor, p->count + 1, sizeof *p->tensor);
    p->tensor[p->count++] = t;
    p->data_bytes += bytes;
    p->parameters += elements;
}

void
hf_plan_init(struct hf_plan *p, const struct model_source *m, enum dtype dtype, uint64_t max_file)
{
    *p = (struct hf_plan){0};
    for (int i = 0; i < m->params.count; i++) {
        struct name_part part[NAME_PARTS];
        int parts = names_parts(&m->config, &m->params.param[i], part);
        for (int k = 0; k < parts; k++)
            add_tensor(p, (struct hf_tensor){.param = i, .part = part[k]}, dtype, max_file);
    }
    for (int i = 0; i < p->files; i++) {
        struct hf_file *f = &p->file[i];
        safetensors_plan(f->tensor, f->tensors, &f->header, &f->bytes);
        f->name = p->files == 1 ? mem_strdup("model.safetensors")
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

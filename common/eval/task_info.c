/* What people read of a task. */
#include <string.h>

#include "base/err.h"
#include "eval/task_definition.h"

static const char *const type_names[] = {
    [OUTPUT_MULTIPLE_CHOICE] = "log-likelihood of each choice",
    [OUTPUT_MULTIPLE_INPUT] = "log-likelihood of one ending behind each beginning",
    [OUTPUT_LOGLIKELIHOOD] = "log-likelihood of the target",
    [OUTPUT_ROLLING] = "log-likelihood of whole texts",
    [OUTPUT_GENERATE] = "generated text",
};

static const char *
use_of(const struct task_definition *d, int split)
{
    int evaluated = d->test >= 0 ? d->test : d->validation;
    bool pool = split == (d->fewshot >= 0      ? d->fewshot
                          : d->training >= 0   ? d->training
                          : d->validation >= 0 ? d->validation
                                               : d->test);

    if (split == evaluated)
        return pool && d->num_fewshot > 0 ? "evaluated, and examples" : "evaluated";
    return pool ? "examples (with --shots 0 not read)" : "not used";
}

static void
add_split(const struct task_definition *d, int number, struct str *out)
{
    static const char *const formats[] = {"JSON lines",      "JSON",    "TSV", "XML",
                                          "XWinograd's TSV", "WikiText"};
    const struct split *s = &d->splits.data[number];

    str_addf(out, "  %s: %s, %s\n", s->name, formats[s->source.format], use_of(d, number));
    for (size_t i = 0; i < s->source.files.len; i++) {
        const struct document_file *file = &s->source.files.data[i];

        for (size_t k = 0; k < file->names.len; k++)
            str_addf(out, "    %s%s\n", k ? "or " : "", file->names.data[k]);
    }
}

static void
add_metrics(const struct task *t, struct str *out)
{
    const json_t *metrics = json_object_get(t->root, "metrics");

    str_adds(out, "metrics:");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *one = json_array_get(metrics, i);
        const char *name = json_string_value(json_is_object(one) ? json_object_get(one, "metric")
                                                                 : one);
        str_addf(out, "%s %s", i ? "," : "", name ? name : "?");
    }
    str_addc(out, '\n');
}

/* Control bytes of the file do not reach a terminal. */
static void
mask_lines(char *text)
{
    for (char *end; (end = strchr(text, '\n')); text = end + 1) {
        *end = '\0';
        err_mask(text);
        *end = '\n';
    }
}

void
task_info(const struct task *t, struct str *out)
{
    const struct task_definition *d = t->definition;
    size_t begin = out->len;

    str_addf(out, "%s, version %lld", t->name, (long long)t->version);
    if (*t->harness)
        str_addf(out, ", as %s", t->harness);
    str_addc(out, '\n');
    if (d->about)
        str_addf(out, "%s\n", d->about);
    str_addf(out, "asks for: %s, %lld example%s\n", type_names[t->output_type],
             (long long)d->num_fewshot, d->num_fewshot == 1 ? "" : "s");
    add_metrics(t, out);
    str_adds(out, "files below --data:\n");
    for (size_t i = 0; i < d->splits.len; i++)
        add_split(d, (int)i, out);
    for (size_t i = 0; i < d->published.len; i++)
        str_addf(out, "%s %s\n", i ? "          " : "published:", d->published.data[i]);
    if (d->license)
        str_addf(out, "license: %s\n", d->license);
    if (d->note)
        str_addf(out, "note: %s\n", d->note);
    mask_lines(out->data + begin);
}

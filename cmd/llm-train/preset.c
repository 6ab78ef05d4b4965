/* The recipes that are part of the program. */
#include "cmd/llm-train/preset.h"

#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/str.h"

/* Can the name only be a file's? */
static bool
is_path(const char *name)
{
    return strchr(name, '/') || str_ends(name, ".conf") || str_ends(name, ".json");
}

/* A name that is neither a file nor a preset: what there is. */
static void
unknown(const char *option, const char *name, const struct embedded_file *table, size_t count)
{
    const char *nearest = embedded_nearest(table, count, name);
    struct str list = {0};

    embedded_add_names(table, count, &list);
    err_set(STATUS_USAGE, "--%s: %s: no such file or preset%s%s%s; presets: %s", option, name,
            nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "",
            list.data ? list.data : "none");
    str_release(&list);
}

const char *
preset_config(const char *name, size_t *n)
{
    const struct embedded_file *preset = embedded_find(preset_options, preset_options_count, name);

    if (!preset && is_path(name)) {
        err_set(STATUS_FAILED, "%s: No such file or directory", name);
        return NULL;
    }
    if (!preset) {
        unknown("config", name, preset_options, preset_options_count);
        return NULL;
    }
    *n = preset->n;
    return (const char *)preset->text;
}

int
preset_model(struct config *c, const char *name)
{
    const struct embedded_file *model;

    if (is_path(name) || (file_exists(name) && !file_is_dir(name)))
        return config_load(c, name);
    model = embedded_find(preset_models, preset_models_count, name);
    if (model)
        return config_parse(c, name, (const char *)model->text, model->n);
    unknown("model", name, preset_models, preset_models_count);
    return -1;
}

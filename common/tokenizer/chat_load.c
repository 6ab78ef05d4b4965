/* Chat templates of a tokenizer's directory, with its special tokens. */
#include <dirent.h>

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "tokenizer/chat.h"
#include "tokenizer/internal.h"

enum { FILE_MAX = 64 << 20 };

static const char templates_dir[] = "additional_chat_templates";

/* ---- finding the text ------------------------------------------------------------------------------ */

static bool
has_additional(const char *dir)
{
    char *path = file_join(dir, templates_dir);
    DIR *d = opendir(path);
    bool found = false;

    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = str_ends(e->d_name, ".jinja");
    if (d)
        closedir(d);
    free(path);
    return found;
}

/* A template of its own file. 1 when read, 0: there is none, -1. */
static int
load_file(const char *dir, const char *which, struct str *out)
{
    char *name = !strcmp(which, "default") ? mem_strdup("chat_template.jinja")
                                           : mem_printf("%s/%s.jinja", templates_dir, which);
    char *path = file_join(dir, name);
    int found = file_exists(path);

    if (found && file_load(path, FILE_MAX, out))
        found = -1;
    free(path);
    free(name);
    return found;
}

/* The same of tokenizer_config.json: a text, or a list of {"name", "template"}. */
static int
load_member(const struct json_doc *config, const char *which, struct str *out)
{
    const json_t *root, *member;

    if (json_root_object(config, &root) < 0)
        return -1;
    member = json_object_get(root, "chat_template");
    if (!member || json_is_null(member))
        return 0;
    if (json_is_string(member) && !strcmp(which, "default")) {
        str_add(out, json_string_value(member), json_string_length(member));
        return 1;
    }
    if (!json_is_array(member) && !json_is_string(member))
        return json_fail(config, root, "chat_template", "expected a string or a list");
    for (size_t i = 0; i < json_array_size(member); i++) {
        const json_t *one = json_array_get(member, i), *text = json_object_get(one, "template");
        const char *name = json_string_value(json_object_get(one, "name"));

        if (!name || !json_is_string(text))
            return json_fail_at(config, member, i, "expected an object with name and template");
        if (!strcmp(name, which)) {
            str_add(out, json_string_value(text), json_string_length(text));
            return 1;
        }
    }
    return 0;
}

/* Files go before tokenizer_config.json, all together, as transformers 5 reads them. */
static int
find_text(const char *dir, const struct json_doc *config, const char *which, struct str *out)
{
    int found = load_file(dir, which, out);

    if (found || !config->root)
        return found;
    if (has_additional(dir))
        return 0;
    char *path = file_join(dir, "chat_template.jinja");
    bool files = file_exists(path);
    free(path);
    return files ? 0 : load_member(config, which, out);
}

/* ---- special tokens ----------------------------------------------------------------------------------- */

/* A text, or an AddedToken. */
static const json_t *
token_text(const json_t *v)
{
    if (json_is_object(v))
        v = json_object_get(v, "content");
    return json_is_string(v) ? v : NULL;
}

static void
set_token(struct chat_template *t, const char *name, const json_t *v)
{
    const json_t *text = token_text(v);

    if (text)
        chat_template_set(t, name, json_string_value(text), json_string_length(text));
}

/* bos_token and the like, and named ones of the model. */
static void
set_tokens(struct chat_template *t, const struct json_doc *doc)
{
    const char *name;
    json_t *v;

    json_object_foreach(doc->root, name, v) if (str_ends(name, "_token")) set_token(t, name, v);
    json_object_foreach(json_object_get(doc->root, "extra_special_tokens"), name, v)
        set_token(t, name, v);
}

/* A JSON file that may be absent. */
static int
load_optional(const char *dir, const char *name, struct json_doc *doc)
{
    char *path = file_join(dir, name);
    struct str text = {0};
    int status = 0;

    if (file_exists(path)) {
        status = file_load(path, FILE_MAX, &text);
        if (!status)
            status = parse_config(doc, path, text.data ? text.data : "", text.len);
    }
    if (!status && doc->root && !json_is_object(doc->root))
        status = json_fail(doc, doc->root, NULL, "expected an object");
    str_release(&text);
    free(path);
    return status;
}

static void
take_tokens(struct chat_template *t, const struct json_doc *config, const struct json_doc *map)
{
    if (config->root)
        set_tokens(t, config);
    /* The older file counts where the newer one does not list the tokens. */
    if (map->root && !json_object_get(config->root, "added_tokens_decoder"))
        set_tokens(t, map);
}

static int
load_configs(const char *dir, struct json_doc *config, struct json_doc *map)
{
    return load_optional(dir, "tokenizer_config.json", config) ||
                   load_optional(dir, "special_tokens_map.json", map)
               ? -1
               : 0;
}

int
chat_template_take_tokens(struct chat_template *t, const char *dir)
{
    struct json_doc config = {0}, map = {0};
    int status = load_configs(dir, &config, &map);

    if (!status)
        take_tokens(t, &config, &map);
    json_doc_release(&config);
    json_doc_release(&map);
    return status;
}

int
chat_template_has(const char *dir, const char *which)
{
    struct json_doc config = {0};
    struct str text = {0};
    int found = load_optional(dir, "tokenizer_config.json", &config);

    if (!found)
        found = find_text(dir, &config, which ? which : "default", &text);
    str_release(&text);
    json_doc_release(&config);
    return found;
}

struct chat_template *
chat_template_load(const char *dir, const char *which)
{
    struct json_doc config = {0}, map = {0};
    struct chat_template *t = NULL;
    struct str text = {0};
    char *name = NULL;
    int found;

    which = which ? which : "default";
    if (strchr(which, '/')) {
        err_set(STATUS_INPUT, "%s: no name of a chat template: %s", dir, which);
        return NULL;
    }
    if (load_configs(dir, &config, &map))
        goto out;
    found = find_text(dir, &config, which, &text);
    if (!found)
        err_set(STATUS_INPUT, "%s: no chat template%s%s there", dir,
                strcmp(which, "default") ? " named " : "", strcmp(which, "default") ? which : "");
    if (found <= 0)
        goto out;
    name = mem_printf("%s: chat template", dir);
    t = chat_template_new(name, text.data ? text.data : "", text.len);
    if (t)
        take_tokens(t, &config, &map);
out:
    free(name);
    str_release(&text);
    json_doc_release(&config);
    json_doc_release(&map);
    return t;
}

/* Looking up the task files that are part of the program. */
#include "cmd/llm-eval/builtin.h"

#include <stdbool.h>
#include <string.h>

#include "base/die.h"
#include "json/json.h"

const char *
task_builtin(const char *name, size_t *n)
{
    for (size_t i = 0; i < builtin_task_count; i++)
        if (strcmp(builtin_tasks[i].name, name) == 0) {
            *n = builtin_tasks[i].n;
            return (const char *)builtin_tasks[i].text;
        }
    return NULL;
}

/* A member of a task's file that is text; "" when absent. */
static const char *
member(const struct json_doc *doc, const char *key)
{
    const char *text = json_string_value(json_object_get(doc->root, key));
    return text ? text : "";
}

static void
parse(struct json_doc *doc, size_t i)
{
    if (json_doc_parse(doc, builtin_tasks[i].name, builtin_tasks[i].text, builtin_tasks[i].n) < 0)
        die_err();
}

size_t
task_builtin_names(const char *name, task_names *out)
{
    size_t before = out->len;

    for (size_t i = 0; i < builtin_task_count; i++) {
        struct json_doc doc;

        parse(&doc, i);
        if (strcmp(builtin_tasks[i].name, name) == 0 || strcmp(member(&doc, "group"), name) == 0)
            vec_push(out, builtin_tasks[i].name);
        json_doc_release(&doc);
    }
    return out->len - before;
}

static void
list_group(const char *group, struct str *out)
{
    str_addf(out, "%s\n", *group ? group : "(no group)");
    for (size_t i = 0; i < builtin_task_count; i++) {
        struct json_doc doc;

        parse(&doc, i);
        if (strcmp(member(&doc, "group"), group) == 0)
            str_addf(out, "  %-28s %s\n", builtin_tasks[i].name, member(&doc, "about"));
        json_doc_release(&doc);
    }
}

void
task_builtin_list(struct str *out)
{
    static const char *const groups[] = {"japanese_leaderboard", "english_six", "llm_jp_eval", ""};

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        list_group(groups[i], out);
}

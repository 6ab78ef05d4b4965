/* Looking up the task files that are part of the program. */
#include "cmd/llm-eval/builtin.h"

#include <stdbool.h>
#include <string.h>

#include "base/die.h"
#include "json/json.h"

const char *
task_builtin(const char *name, size_t *n)
{
    const struct embedded_file *task = embedded_find(builtin_tasks, builtin_tasks_count, name);

    if (!task)
        return NULL;
    *n = task->n;
    return (const char *)task->text;
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

/* Is the file one of the group's tasks? A group's own file has a list of them. */
static bool
is_task_of(const struct json_doc *doc, const char *group)
{
    return !json_object_get(doc->root, "tasks") && strcmp(member(doc, "group"), group) == 0;
}

static void
list_tasks(const char *group, struct str *out)
{
    for (size_t i = 0; i < builtin_tasks_count; i++) {
        struct json_doc doc;

        parse(&doc, i);
        if (is_task_of(&doc, group))
            str_addf(out, "  %-28s %s\n", builtin_tasks[i].name, member(&doc, "about"));
        json_doc_release(&doc);
    }
}

void
task_builtin_list(struct str *out)
{
    for (size_t i = 0; i < builtin_tasks_count; i++) {
        struct json_doc doc;

        parse(&doc, i);
        if (json_object_get(doc.root, "tasks")) {
            str_addf(out, "%-30s %s\n", builtin_tasks[i].name, member(&doc, "about"));
            list_tasks(builtin_tasks[i].name, out);
        }
        json_doc_release(&doc);
    }
    str_adds(out, "in no group\n");
    list_tasks("", out);
}

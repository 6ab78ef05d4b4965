#include "json/lines.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

int
json_lines_open(struct json_lines *l, const char *path, size_t limit)
{
    *l = (struct json_lines){.path = path};
    return file_load(path, limit ? limit : SIZE_MAX >> 1, &l->text);
}

void
json_lines_close(struct json_lines *l)
{
    json_doc_release(&l->doc);
    str_release(&l->text);
}

int
json_lines_next(struct json_lines *l)
{
    json_doc_release(&l->doc);
    while (l->at < l->text.len) {
        const char *begin = l->text.data + l->at;
        size_t left = l->text.len - l->at;
        const char *newline = memchr(begin, '\n', left);
        size_t n = newline ? (size_t)(newline - begin) : left;

        l->number++;
        l->at += newline ? n + 1 : n;
        if (n > 0 && begin[n - 1] == '\r')
            n--;
        if (n == 0)
            continue;
        char *name = mem_printf("%s: line %zu", l->path, l->number);
        int result = json_doc_parse(&l->doc, name, begin, n);
        free(name);
        return result < 0 ? -1 : json_root_object(&l->doc, &l->object);
    }
    return 0;
}

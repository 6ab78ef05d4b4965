#ifndef EVAL_DOCUMENTS_H
#define EVAL_DOCUMENTS_H

#include "base/str.h"
#include "eval/template.h"

/*
 * Documents of a task as their authors publish them, each a JSON object:
 *
 *   jsonl      one a line
 *   json       the elements of an array, or of those along the path `rows` ("data.paragraphs.qas"),
 *              each with the other members of the objects around it
 *   tsv        a line each, cells between tabs, without quoting; the names are `columns`, or the
 *              first line's
 *   xml        the elements along `rows` from the root element down, as the xmltodict package has
 *              them: attributes are @NAME, texts are stripped strings (null: empty), elements of one
 *              name together are a list
 *   xwinograd  dataset.tsv of crosslingual_winograd: language, sentence with _ for the pronoun, option1,
 *              option2, answer ("1", "2"), in the order of Hugging Face's Muennighoff/xwinograd
 *   wikitext   wiki.*.raw: {"page": …}, one for each title of the first level
 *
 * Names of files are relative to the data directory and cannot leave it.
 */
enum document_format {
    FORMAT_JSONL,
    FORMAT_JSON,
    FORMAT_TSV,
    FORMAT_XML,
    FORMAT_XWINOGRAD,
    FORMAT_WIKITEXT
};
#define DOCUMENT_FORMATS "jsonl|json|tsv|xml|xwinograd|wikitext"

struct document_file {
    VEC(char *) names; /* the first that is there is read */
};

struct document_source {
    enum document_format format;
    VEC(struct document_file) files; /* one after the other */
    struct template_path rows;
    VEC(char *) columns;
};
void document_source_release(struct document_source *s);

typedef VEC(json_t *) document_list; /* owned references */
void documents_release(document_list *list);

/* May a task file name this file? NULL: yes, else why not. */
const char *document_name_fault(const char *name);

/* Appends all documents. 0, or -1: STATUS_FAILED (no file) or STATUS_INPUT with the place. */
int documents_read(const struct document_source *s, const char *dir, document_list *out);

/* ---- the formats, of one file's bytes; `path` is for messages ---- */

int documents_read_jsonl(const char *path, const char *text, size_t n, document_list *out);
int documents_read_json(const char *path, const char *text, size_t n,
                        const struct template_path *rows, document_list *out);
int documents_read_tsv(const char *path, const char *text, size_t n,
                       const struct document_source *s, document_list *out);
int documents_read_xml(const char *path, const char *text, size_t n,
                       const struct template_path *rows, document_list *out);
int documents_read_xwinograd(const char *path, const char *text, size_t n, document_list *out);
int documents_read_wikitext(const char *path, const char *text, size_t n, document_list *out);

/* The rows along a path below a value (borrowed), as for json. 0 or -1. */
int documents_flatten(const char *path, json_t *value, const struct template_path *rows,
                      document_list *out);

/* The next line of text[0..n) from *at, without its end. false: there is none. */
bool documents_line(const char *text, size_t n, size_t *at, const char **line, size_t *line_n);

#endif

#ifndef EVAL_PYSTR_H
#define EVAL_PYSTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "base/vec.h"

/*
 * Python's string semantics, which the harnesses are written in. Texts are UTF-8; what is not
 * counts as one U+FFFD a byte.
 */

/* Bytes that belong to someone else. */
struct piece {
    const char *data;
    size_t n;
};
typedef VEC(struct piece) piece_list;

struct piece piece_of(const char *text);    /* of a C string */
struct piece piece_in(const struct str *s); /* of all of s, until it grows */
bool piece_equal(struct piece a, struct piece b);
int piece_compare(struct piece a, struct piece b); /* by code points, which is by bytes */

void pieces_sort(piece_list *list);
/* How many of two sorted lists pair off as equals. */
size_t pieces_common(const piece_list *a, const piece_list *b);

bool python_is_space(uint32_t code_point); /* str.isspace(), and \s of re */
bool python_is_word(uint32_t code_point);  /* \w of re */

struct piece python_strip(struct piece s);  /* s.strip() */
struct piece python_rstrip(struct piece s); /* s.rstrip() */

/* s.split(): appends the parts between blanks, pieces of s. */
void python_split(struct piece s, piece_list *out);

/* len(re.split(r"\s+", s)): an empty part at either end counts. */
size_t python_blank_parts(struct piece s);

/* " ".join(s.split()) */
void python_squeeze(struct piece s, struct str *out);

/* s.lower(): U+0130 becomes two code points, a sigma at the end of a word the final one. */
void python_lower(struct piece s, struct str *out);

/* len(s) */
size_t python_length(struct piece s);

/* The next code point of s, which must not be empty; *used: its bytes. */
uint32_t python_peek(struct piece s, size_t *used);

/* Deletes the characters of ASCII `set` (string.punctuation, string.digits) from s. */
void python_delete_ascii(struct piece s, const char *set, struct str *out);
extern const char python_punctuation[];

/* float(s) of plain decimal notation, blanks stripped: false where Python raises ValueError. */
bool python_float(struct piece s, double *out);

#endif

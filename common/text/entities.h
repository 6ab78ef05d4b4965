#ifndef TEXT_ENTITIES_H
#define TEXT_ENTITIES_H

#include <stddef.h>
#include <stdint.h>

/* HTML character references. */

/* The code point of a named entity ("eacute"); 0: unknown. */
uint32_t entity_code_point(const char *name, size_t n);

/*
 * Decodes the reference at p, where a '&' stands; returns its length, 0 when it is
 * none and the '&' stands for itself. Impossible numbers become U+FFFD.
 */
size_t entity_decode(const char *p, const char *end, uint32_t *code_point);

#endif

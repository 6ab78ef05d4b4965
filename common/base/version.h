#ifndef BASE_VERSION_H
#define BASE_VERSION_H

/* The toolkit's version, and the compiler and flags that built it. */
extern const char version_string[];
extern const char version_compiler[];

#endif

#include "base/version.h"

#ifndef BUILD_FLAGS
#define BUILD_FLAGS ""
#endif

const char version_string[] = "0.1.0";

#ifdef __clang__
const char version_compiler[] = "clang " __clang_version__ ", " BUILD_FLAGS;
#else
const char version_compiler[] = "gcc " __VERSION__ ", " BUILD_FLAGS;
#endif

#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* Calls that invite bugs do not compile. Included by the build before every file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol atof rand srand gmtime localtime alloca

#endif

#ifndef ARCHIVE_LIBRARIES_H
#define ARCHIVE_LIBRARIES_H

/* The libraries that read archives, with the versions at run time, for --version. */
const char *archive_libraries(void);

#endif

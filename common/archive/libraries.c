#include "archive/libraries.h"

#include <archive.h>

const char *
archive_libraries(void)
{
    return archive_version_details();
}

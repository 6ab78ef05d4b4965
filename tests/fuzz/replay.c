/* Runs a fuzz target over files, and over their beginnings, without libFuzzer. */
#include "base/die.h"
#include "base/file.h"
#include "tests/fuzz/fuzz.h"

int
main(int argc, char **argv)
{
    die_set_tool("replay");
    for (int i = 1; i < argc; i++) {
        struct str file = {0};
        if (file_load(argv[i], (size_t)1 << 30, &file))
            die_err();
        const uint8_t *data = (const uint8_t *)(file.data ? file.data : "");
        for (size_t part = 0; part <= 2; part++)
            LLVMFuzzerTestOneInput(data, file.len * part / 2);
        str_release(&file);
    }
    return 0;
}

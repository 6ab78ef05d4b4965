/* base/bytes.h and base/hash.h: byte order, LEB128, XXH3 against the xxhsum command. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/mem.h"
#include "tests/unit/tap.h"

static void
test_loads(void)
{
    uint8_t b[9] = {0xff, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x88};
    uint8_t out[9] = {0};

    ok(load_u16(b + 1) == 0x0201 && load_u32(b + 1) == 0x04030201u &&
           load_u64(b + 1) == 0x8807060504030201u, "loads are little endian at odd addresses");
    store_u64(out + 1, 0x8807060504030201u);
    ok(memcmp(out + 1, b + 1, 8) == 0, "store_u64 writes what load_u64 reads");
}

static int
load(const char *bytes, size_t n, uint64_t *out)
{
    const uint8_t *p = (const uint8_t *)bytes;

    return leb128_load(&p, p + n, out);
}

static void
test_leb128(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 624485, UINT32_MAX, 1ull << 63, UINT64_MAX};
    uint8_t buf[10];
    uint64_t v;

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        size_t n = leb128_store(buf, values[i]);
        const uint8_t *p = buf;

        ok(leb128_load(&p, buf + n, &v) == 0 && v == values[i] && p == buf + n,
           "LEB128 of %llu comes back", (unsigned long long)values[i]);
        p = buf;
        ok(leb128_load(&p, buf + n - 1, &v) == -1, "and is refused when cut");
    }
    leb128_store(buf, 624485); /* the example of DWARF 4, figure 22 */
    ok(memcmp(buf, "\xe5\x8e\x26", 3) == 0, "624485 is e5 8e 26");
    ok(load("\x80\x00", 2, &v) == -1, "a form that is not minimal is refused");
    ok(load("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10, &v) == -1, "65 bits are refused");
    ok(load("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11, &v) == -1, "11 bytes are refused");
}

/* The hex digits that xxhsum prints for a file: "digits  file" or "XXH3 (file) = digits". */
static bool
xxhsum(const char *kind, const char *path, char *hex, size_t digits)
{
    char command[100];
    FILE *f;
    bool found;

    snprintf(command, sizeof command,
             "xxhsum -H%s %s 2>/dev/null | awk '{ print $(/=/ ? NF : 1) }'", kind, path);
    f = popen(command, "r");
    found = f && fscanf(f, "%127s", hex) == 1;
    if (f)
        pclose(f);
    return found && strlen(hex) == digits;
}

static void
test_hash(void)
{
    static const size_t sizes[] = {0, 1, 17, 240, 241, 1024, 100000};
    char *data = mem_alloc(100000), want[128], got[33];
    struct hasher *h = hasher_new();

    for (size_t i = 0; i < 100000; i++)
        data[i] = (char)hash_mix(i);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        FILE *f = fopen("data", "wb");

        fwrite(data, 1, n, f);
        fclose(f);
        if (!xxhsum("128", "data", want, 32)) {
            skip("XXH3 against xxhsum", "no xxhsum here");
            break;
        }
        is_str(hash128_hex(hash128(data, n), got), want, "XXH3-128 of %zu bytes as xxhsum", n);
        if (xxhsum("3", "data", want, 16)) { /* older ones have no -H3 */
            snprintf(got, sizeof got, "%016llx", (unsigned long long)hash64(data, n));
            is_str(got, want, "XXH3-64 of %zu bytes as xxhsum", n);
        }
        hasher_reset(h);
        for (size_t at = 0; at < n; at += 77)
            hasher_add(h, data + at, n - at < 77 ? n - at : 77);
        ok(hasher_64(h) == hash64(data, n) && hasher_128(h).low == hash128(data, n).low &&
               hasher_128(h).high == hash128(data, n).high, "a running hash of %zu bytes", n);
    }
    /* From xxHash's specification of the empty input. */
    ok(hash64("", 0) == 0x2d06800538d394c2u, "XXH3-64 of nothing");
    ok(hash64_seeded("abc", 3, 1) != hash64("abc", 3), "a seed changes the hash");
    hasher_free(h);
    free(data);
}

int
main(void)
{
    test_loads();
    test_leb128();
    test_hash();
    return done();
}

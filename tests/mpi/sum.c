/*
 * Sums in rank order on this number of ranks, through shared memory and by messages: every type,
 * odd counts and places, compared bit by bit with additions done here.
 */
#include <stdlib.h>
#include <time.h>

#include "base/die.h"
#include "base/err.h"
#include "base/float16.h"
#include "base/mem.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"

static struct comm *world;
static int size, rank, here; /* here: ranks of this host */

static const struct kind {
    enum comm_type type;
    size_t bytes;
    const char *name;
} kinds[] = {{COMM_F32, 4, "F32"}, {COMM_F64, 8, "F64"}, {COMM_BF16, 2, "BF16"}};

static uint64_t
bits_of(int r, size_t i)
{
    uint64_t x = ((uint64_t)r << 40) + i + 1;

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Rank r's element i: numbers of very different sizes, so that every other order gives other bits. */
static double
value_of(int r, size_t i)
{
    uint64_t bits = bits_of(r, i);
    int exponent = (int)(bits % 24) - 12;
    double x = (double)(bits >> 11) * 0x1p-53 - 0.5;

    return exponent < 0 ? x / (1 << -exponent) : x * (1 << exponent);
}

/* BF16: any bits, infinities and NaN included. */
static bf16
bf16_of(int r, size_t i)
{
    return i % 16 == 0 ? (bf16)bits_of(r, i) : bf16_from_float((float)value_of(r, i));
}

static void
put(const struct kind *k, char *to, int r, size_t i)
{
    float f = (float)value_of(r, i);
    double d = value_of(r, i);
    bf16 h = bf16_of(r, i);

    memcpy(to,
           k->type == COMM_F32   ? (void *)&f
           : k->type == COMM_F64 ? (void *)&d
                                 : (void *)&h,
           k->bytes);
}

static bool
is_sum(const struct kind *k, const char *at, size_t i)
{
    float f = (float)value_of(0, i), h = bf16_to_float(bf16_of(0, i));
    double d = value_of(0, i);

    for (int r = 1; r < size; r++) {
        f += (float)value_of(r, i);
        d += value_of(r, i);
        h += bf16_to_float(bf16_of(r, i));
    }
    bf16 want = bf16_from_float(h), got;
    if (k->type == COMM_F32)
        return memcmp(at, &f, 4) == 0;
    if (k->type == COMM_F64)
        return memcmp(at, &d, 8) == 0;
    memcpy(&got, at, 2);
    if ((want & 0x7fff) > 0x7f80) /* which NaN is the processor's choice */
        return (got & 0x7fff) > 0x7f80;
    return size == 1 ? got == bf16_of(0, i) : got == want;
}

static bool
sums_up(const struct kind *k, size_t count, size_t shift)
{
    char *memory = mem_zalloc(count * k->bytes + shift + 1), *buffer = memory + shift;

    for (size_t i = 0; i < count; i++)
        put(k, buffer + i * k->bytes, rank, i);
    bool good = comm_sum(world, buffer, count, k->type) == 0;
    for (size_t i = 0; i < count; i++)
        good &= is_sum(k, buffer + i * k->bytes, i);
    good &= buffer[count * k->bytes] == 0;
    free(memory);
    return good;
}

static bool
scatters(const struct kind *k, size_t each, size_t shift, bool in_place)
{
    size_t count = each * (size_t)size, first = each * (size_t)rank;
    char *memory = mem_zalloc(count * k->bytes + shift + 1), *send = memory + shift;
    char *other = mem_zalloc(each * k->bytes + 1);
    char *receive = in_place ? send + first * k->bytes : other;
    bool good = true;

    for (size_t i = 0; i < count; i++)
        put(k, send + i * k->bytes, rank, i);
    good &= comm_sum_scatter(world, send, receive, each, k->type) == 0;
    for (size_t i = 0; i < each; i++)
        good &= is_sum(k, receive + i * k->bytes, first + i);
    for (size_t i = 0; i < count; i++) { /* nothing else was touched */
        char was[8];
        put(k, was, rank, i);
        good &= (in_place && i - first < each) || memcmp(was, send + i * k->bytes, k->bytes) == 0;
    }
    free(memory);
    free(other);
    return good;
}

static void
test_kind(const struct kind *k, const char *way)
{
    static const size_t counts[] = {0, 1, 7, 33, 1000, 8191, 70001, 300007};
    bool good = true, good_scatter = true;

    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        good &= sums_up(k, counts[i], i % 4);
        good_scatter &= scatters(k, counts[i] / (size_t)size, i % 3, i % 2 == 0);
    }
    ok_all(world, good, "%s %s: the sum of 0 to 300007 numbers", k->name, way);
    ok_all(world, good_scatter, "%s %s: each rank its part", k->name, way);
}

static void
nap(uint64_t bits)
{
    if (bits % 7 == 0)
        nanosleep(&(struct timespec){.tv_nsec = (long)(bits % 300000)}, NULL);
}

/* Ranks that are early and late, sums of all sizes in a row: nobody reads what is not there yet. */
static void
test_races(const char *way)
{
    bool good = true;

    for (uint64_t round = 0; round < 60; round++) {
        const struct kind *k = &kinds[bits_of(99, round) % 3];
        size_t count = bits_of(100, round) % (round % 5 == 0 ? 100000 : 3000);
        nap(bits_of(rank, round));
        good &= round % 3 == 2 ? scatters(k, count / (size_t)size, 0, round % 2)
                               : sums_up(k, count, 0);
    }
    ok_all(world, good, "%s: early and late ranks, sizes and types mixed", way);
}

/* A group of its own order has memory of its own, while the world's is in use. */
static void
test_group(const char *way)
{
    struct comm *turned;
    bool good = world->ops->split(world, 0, -rank, &turned) == 0;
    float sum = (float)value_of(rank, 5), want = (float)value_of(size - 1, 5);

    good = good && comm_sum(turned, &sum, 1, COMM_F32) == 0;
    for (int r = size - 2; r >= 0; r--)
        want += (float)value_of(r, 5);
    good &= sum == want && sums_up(&kinds[0], 100, 0);
    comm_release(turned);
    ok_all(world, good, "%s: the order is that of the group's ranks", way);
}

static void
test_stats(void)
{
    float values[1000] = {0};

    world->stats = (struct comm_stats){0};
    bool good = comm_sum(world, values, 1000, COMM_F32) == 0;
    /* 2 (n - 1) / n of the bytes, but for whole numbers; messages may carry more of so few. */
    uint64_t want = 2 * 4000 * (uint64_t)(size - 1) / (uint64_t)size;
    bool one_host = here == size;
    good &= size == 1 ? world->stats.calls == 0 && world->stats.bytes == 0
                      : world->stats.calls == 1 && world->stats.bytes + 16 > want &&
                            (!one_host || world->stats.bytes <= want);
    if (rank == 0)
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    good &= comm_sum(world, values, 1000, COMM_F32) == 0;
    good &= rank == 0 || world->stats.seconds_waiting > 0.01;
    ok_all(world, good, "bytes and waiting are counted");
}

int
main(int argc, char **argv)
{
    static const char *const way[] = {"within a host", "by messages", "by small messages"};
    int32_t wrong = 1;

    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    size = world->size;
    rank = world->rank;
    int place;
    here = ranks_here(world, &place);
    for (int w = 0; w < 3; w++) {
        comm_sum_messages_only(w > 0);
        mpi_set_piece(w == 2 ? 10000 : 0);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            test_kind(&kinds[k], way[w]);
        test_races(way[w]);
        test_group(way[w]);
    }
    comm_sum_messages_only(false);
    test_stats();
    ok_all(world, comm_sum(world, &wrong, 1, COMM_I32) == -1, "whole numbers: refused");
    finish((enum status)mpi_end(world, done_all(world)));
}

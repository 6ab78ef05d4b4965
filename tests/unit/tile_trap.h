#ifndef TESTS_UNIT_TILE_TRAP_H
#define TESTS_UNIT_TILE_TRAP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "kernels/amx/soft_tile.h"

/*
 * Runs compiled tile instructions on a CPU without them: each raises SIGILL, and the handler
 * decodes it (VEX.128.0F38.W0 49, 4B, 5C; Intel SDM volume 2), does in software what it
 * says, and goes on behind it. What passes here is the code that ships, its encodings,
 * operands and addresses included. Anything else that is illegal kills the program as usual.
 */
static int64_t trap_count; /* instructions emulated */

struct trap_instruction {
    int prefix; /* 0: none, 1: 66, 2: F3, 3: F2 */
    int opcode, reg, rm, third, mod;
    bool has_memory;
    uint64_t address;
    int64_t stride;
    int length;
};

static uint64_t
trap_register(const ucontext_t *u, int number)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)u->uc_mcontext.gregs[order[number]];
}

/* ModRM's memory operand at p[0] …; base x b of the prefix extend the registers. */
static void
trap_memory(const ucontext_t *u, const uint8_t *p, int x, int b, struct trap_instruction *i)
{
    const uint8_t *start = p;
    int rm = *p++ & 7, base = rm | b << 3, index = -1, scale = 0;
    bool relative = i->mod == 0 && rm == 5, no_base = false;
    if (rm == 4) {
        scale = *p >> 6;
        index = (*p >> 3 & 7) | x << 3;
        base = (*p & 7) | b << 3;
        no_base = i->mod == 0 && (*p & 7) == 5;
        p++;
    }
    int32_t offset = 0;
    if (i->mod == 1)
        offset = (int8_t)*p++;
    else if (i->mod == 2 || relative || no_base) {
        memcpy(&offset, p, 4);
        p += 4;
    }
    i->length += (int)(p - start);
    i->address = (uint64_t)(int64_t)offset;
    if (relative)
        i->address += (uint64_t)u->uc_mcontext.gregs[REG_RIP] + (uint64_t)i->length;
    else if (!no_base)
        i->address += trap_register(u, base);
    i->stride = index < 0 || index == 4 ? 0 : (int64_t)(trap_register(u, index) << scale);
    i->has_memory = true;
}

static bool
trap_decode(const ucontext_t *u, struct trap_instruction *i)
{
    const uint8_t *p = (const uint8_t *)u->uc_mcontext.gregs[REG_RIP];
    memset(i, 0, sizeof *i);
    /* C4, R X B map, W vvvv L pp, opcode, ModRM */
    if (p[0] != 0xC4 || (p[1] & 0x1F) != 2 || (p[2] & 0x84) != 0)
        return false;
    int r = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20);
    i->prefix = p[2] & 3;
    i->third = ~p[2] >> 3 & 15;
    i->opcode = p[3];
    i->mod = p[4] >> 6;
    i->reg = (p[4] >> 3 & 7) | r << 3;
    i->rm = (p[4] & 7) | b << 3;
    i->length = 4;
    if (i->mod == 3)
        i->length++;
    else
        trap_memory(u, p + 4, x, b, i);
    return true;
}

static void *
trap_pointer(const struct trap_instruction *i)
{
    return (void *)(uintptr_t)i->address; /* NOLINT: an address out of a register */
}

/* Does it; false: not an instruction of ours. */
static bool
trap_run(const struct trap_instruction *i)
{
    if (i->opcode == 0x49 && i->has_memory && i->prefix == 0)
        soft_tile_configure(trap_pointer(i));
    else if (i->opcode == 0x49 && i->prefix == 0 && i->reg == 0 && i->rm == 0)
        soft_tile_release();
    else if (i->opcode == 0x49 && i->prefix == 3 && !i->has_memory && i->rm == 0)
        soft_tile_zero(i->reg);
    else if (i->opcode == 0x4B && i->has_memory && i->prefix == 3)
        soft_tile_load(i->reg, trap_pointer(i), i->stride);
    else if (i->opcode == 0x4B && i->has_memory && i->prefix == 2)
        soft_tile_store(trap_pointer(i), i->stride, i->reg);
    else if (i->opcode == 0x5C && !i->has_memory && i->prefix == 2)
        soft_tile_dot(i->reg, i->rm, i->third);
    else
        return false;
    return true;
}

static void
trap_handler(int signal, siginfo_t *info, void *context)
{
    ucontext_t *u = context;
    struct trap_instruction i;
    (void)info;
    if (!trap_decode(u, &i) || !trap_run(&i)) {
        static const char text[] = "# an illegal instruction that is no tile instruction\n";
        if (write(1, text, sizeof text - 1) < 0)
            abort();
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigaction(signal, &usual, NULL);
        return;
    }
    trap_count++;
    u->uc_mcontext.gregs[REG_RIP] += i.length;
}

/* From here on tile instructions are emulated in this process. */
static void
trap_install(void)
{
    struct sigaction act = {.sa_sigaction = trap_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGILL, &act, NULL);
}

#endif

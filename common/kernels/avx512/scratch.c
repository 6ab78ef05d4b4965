#include "kernels/avx512/avx512.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

static _Thread_local struct avx512_scratch *mine;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
    if (pthread_key_create(&key, free))
        abort();
}

struct avx512_scratch *
avx512_scratch(void)
{
    if (!mine) {
        pthread_once(&once, make_key);
        mine = mem_aligned(sizeof *mine);
        pthread_setspecific(key, mine);
    }
    return mine;
}

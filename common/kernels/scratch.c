#include "kernels/scratch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

static _Thread_local void *mine;
static _Thread_local size_t mine_size;
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
make_key(void)
{
    if (pthread_key_create(&key, free))
        abort();
}

void *
kernel_scratch(size_t size)
{
    if (size > mine_size) {
        pthread_once(&once, make_key);
        free(mine);
        mine = mem_aligned(size);
        mine_size = size;
        pthread_setspecific(key, mine);
    }
    return mine;
}
